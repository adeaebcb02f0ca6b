"""Kernels and plans in plain Python, just as the bodies say: the oracle that compiled code is held against.

Every buffer of the arena has memory of its own here, so a plan that lets two live buffers share a place shows up as well.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.ops import Kernel
from fastnn.plan import FLAT_VECTORS, Buffer, Plan
from fastnn.plan.buffer import PRIVATE, STATISTICS

__all__ = ["run_kernel_in_python", "run_plan_in_python"]

Array = NDArray[Any]


def run_kernel_in_python(
    kernel: Kernel,
    arrays: Sequence[Array],
    settings: Mapping[str, float],
    units: int,
    accumulate: bool,
    run: Mapping[str, float],
    axes: int = 1,
) -> None:
    """The body for every element, writing into arrays[0] (and further results) in place."""
    result, operands = arrays[0], list(arrays)
    overwrites = kernel.accumulates and not accumulate
    if overwrites:  # into memory of its own: an operand may lie where the result lies
        operands[0] = np.zeros_like(result)
    named: dict[str, Any] = {
        name: _shaped(array, spec)
        for array, (name, spec) in zip(operands, kernel.arrays.items(), strict=True)
    }
    named |= {name: float(settings[name]) for name in kernel.reals} | {
        name: int(settings[name]) for name in kernel.wholes
    }
    named = {**run, **named}
    arguments = [named[name] for name in kernel.arguments()]
    inner = kernel.inner(result.shape, axes)
    body = _body(kernel)
    with np.errstate(all="ignore"):
        for i in range(units * inner):
            body(i, *arguments)
    if overwrites:
        result[...] = operands[0]


def run_plan_in_python(plan: Plan, arrays: Mapping[str, Array], **run: float) -> None:
    """Every instruction of the plan; `arrays` holds what a machine would be bound to (theta, g, X, y, ...)."""
    memory: dict[Buffer, Array] = {}
    given = dict(arrays)
    given.setdefault("ones", np.ones(plan.batch, plan.dtype))
    known = {"step": 0, "t": float(run.get("step", 0)), "eta": 0.0, "seed": 0, "row": 0, **run}
    for instruction in plan.instructions:
        operands = [_memory(buffer, memory, given) for buffer in instruction.operands]
        run_kernel_in_python(
            instruction.kernel,
            operands,
            instruction.settings,
            instruction.units,
            instruction.accumulate,
            known,
            instruction.axes,
        )


def _memory(buffer: Buffer, memory: dict[Buffer, Array], given: Mapping[str, Array]) -> Array:
    if buffer.space in (*FLAT_VECTORS, STATISTICS):
        return given[buffer.space][buffer.offset : buffer.offset + buffer.size].reshape(buffer.shape)
    if buffer.space not in ("arena", PRIVATE):
        array = given[buffer.space]
        return array if -1 in buffer.shape else array.reshape(buffer.shape)
    if buffer.root not in memory:
        memory[buffer.root] = np.full(buffer.root.shape, 77, buffer.dtype)
    return memory[buffer.root].reshape(buffer.shape)


def _shaped(array: Array, spec: str) -> Array:
    """As many axes as the kernel's spec says; trailing axes are taken together."""
    axes = 1 if spec[-1] == "*" else int(spec[-1])
    if array.ndim == axes:
        return array
    return array.reshape(-1) if axes == 1 else array.reshape(*array.shape[: axes - 1], -1)


def _body(kernel: Kernel) -> Callable[..., None]:
    """The body with the plugin's functions, settings included, under the names by which it calls them."""
    functions = {
        role: functools.partial(function, **settings)
        for role, (function, settings) in kernel.functions.items()
    }
    body: Any = kernel.body
    return types.FunctionType(body.__code__, {**body.__globals__, **functions})
