"""The GPU that this process computes on, or the simulator in its place, and how it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from numba.core import config as numba_config

from fastnn.cuda.compiler import image, missing
from fastnn.cuda.tile import REAL, SIMULATED, SIMULATED_WARP, Geometry
from fastnn.errors import DeviceError, MissingExtraError, UnknownNameError

__all__ = ["HOW", "Choice", "choice", "choose", "geometry", "kernel", "simulated", "the_device"]

HOW = ("block", "grid", "graph", "direct")
"""One block for all steps, with everything in its shared memory; one cooperative grid for all steps; a recorded graph a step; a launch a stage."""


@dataclass(frozen=True)
class Choice:
    """What is otherwise chosen by size. `how`: one of HOW; `resident_bytes`: the most that training data may take of the device's memory."""

    how: str | None = None
    resident_bytes: int | None = None


_choice = Choice()


def choice() -> Choice:
    """What is chosen now."""
    return _choice


@contextlib.contextmanager
def choose(how: str | None = None, resident_bytes: int | None = None) -> Iterator[None]:
    """Until the end of the `with`, run steps in this way, or let data take so many bytes: to measure, and to test.

    >>> from fastnn import cuda
    >>> with cuda.choose(how="graph"):
    ...     pass                              # net.fit(X, y, device="cuda")
    """
    global _choice
    if how is not None and how not in HOW:
        raise UnknownNameError.among("way to run a step", how, HOW)
    before = _choice
    most = before.resident_bytes if resident_bytes is None else resident_bytes
    _choice = Choice(how or before.how, most)
    try:
        yield
    finally:
        _choice = before


def simulated() -> bool:
    """Whether Numba's CUDA simulator stands in for the GPU (NUMBA_ENABLE_CUDASIM=1)."""
    return bool(numba_config.ENABLE_CUDASIM)  # type: ignore[attr-defined]


def geometry(precision: str = "float32") -> Geometry:
    """How work is cut for the device."""
    if not simulated():
        return REAL
    return SIMULATED if precision == "float32" else SIMULATED_WARP


@cache
def the_device() -> Any:
    """The GPU, or the simulator; MissingExtraError or DeviceError with all that is absent."""
    if simulated():
        from fastnn.cuda.simulator import SimulatedGpu

        return SimulatedGpu()
    lacking = missing()
    if lacking is not None:
        raise MissingExtraError(
            f'device="cuda" cannot be used: {lacking}', hint='pip install "fastnn[cuda]", then fastnn doctor'
        )
    from fastnn.cuda.driver import the_gpu, why_not

    absent = why_not()
    if absent is not None:
        raise DeviceError('device="cuda" cannot be used', got=absent, hint="fastnn doctor says what is there")
    return the_gpu()


def kernel(device: Any, text: str, name: str, arguments: int) -> Any:
    """The compiled kernel in a module of this text, loaded on the device."""
    if simulated():
        return device.kernel(text, name, arguments)
    made = image(text, device.cc, name, arguments)
    return device.load(made.code, made.entry)
