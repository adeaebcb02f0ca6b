"""Where a network runs: a machine for a plan, on the CPU or on a GPU. Both machines have the same methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.cpu import Machine, resolve_threads
from fastnn.errors import CapabilityError, SettingError, did_you_mean
from fastnn.graph import Graph
from fastnn.plan import Plan, build_plan

__all__ = ["CPU", "Device", "as_device", "machine_for", "plan_for", "require"]

KINDS = ("cpu", "cuda")
PRECISIONS = ("float32", "tf32", "bf16")


@dataclass(frozen=True)
class Device:
    """`kind`: "cpu" or "cuda". `precision` of matrix products on a GPU, where the network's dtype is float32: sums are float32 in all of them."""

    kind: str = "cpu"
    precision: str = "float32"

    @property
    def is_cpu(self) -> bool:
        return self.kind == "cpu"


CPU = Device()


def as_device(device: Any, precision: Any = None, dtype: str = "float32", default: Device = CPU) -> Device:
    """What `device=` and `precision=` ask for, `default` where they are None; SettingError for what there is not."""
    kind = default.kind if device is None else device
    if kind not in KINDS:
        raise SettingError(
            "unknown device",
            got=repr(device),
            expected=" or ".join(map(repr, KINDS)),
            hint='"cuda" is an NVIDIA GPU',
        )
    chosen = precision
    if precision is None:
        chosen = default.precision if kind == default.kind else "float32"
    if chosen not in PRECISIONS:
        raise SettingError(
            f"unknown precision{did_you_mean(str(chosen), PRECISIONS)}",
            got=repr(precision),
            expected=", ".join(PRECISIONS),
        )
    if chosen != "float32" and kind == "cpu":
        raise CapabilityError(
            f"precision {chosen!r} is for tensor cores, and the CPU has none", hint='device="cuda"'
        )
    if chosen != "float32" and dtype != "float32":
        raise CapabilityError(
            f"precision {chosen!r} is for networks of dtype float32",
            got=f"dtype {dtype}",
            hint="leave it out",
        )
    return Device(kind, chosen)


def plan_for(
    device: Device, graph: Graph, batch: int, dtype: str, mode: str = "infer", **options: Any
) -> Plan:
    """The plan of `graph` as the device runs it; `options` are build_plan's."""
    return build_plan(graph, batch, dtype, mode, team=device.is_cpu, **options)


def machine_for(device: Device, plan: Plan, last: Plan | None = None, threads: int | None = None) -> Any:
    """A machine that runs the plan. On a GPU, MissingExtraError or DeviceError says what is absent."""
    if device.is_cpu:
        return Machine(plan, last, resolve_threads(threads, plan))
    from fastnn.cuda.machine import CudaMachine  # numba-cuda is an extra

    return CudaMachine(plan, last, device.precision)


def require(device: Device) -> None:
    """MissingExtraError or DeviceError now, in place of later, where the device is not there."""
    if not device.is_cpu:
        from fastnn.cuda.device import the_device

        the_device()
