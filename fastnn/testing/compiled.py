"""One kernel, compiled and run on given arrays; and whether a float32 build computes in float64 anywhere."""

from __future__ import annotations

import ast
import importlib.util
import math
import types as python_types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from fastnn.compile import typed_source
from fastnn.cpu import Machine
from fastnn.graph import Graph
from fastnn.ops import Kernel
from fastnn.plan import Buffer, Instruction, Plan
from fastnn.testing.claims import require

__all__ = ["check_ptx", "float64_in_float32_build", "run_kernel"]

Array = NDArray[Any]
_machines: weakref.WeakKeyDictionary[Kernel, dict[Any, Machine]] = weakref.WeakKeyDictionary()


def run_kernel(
    kernel: Kernel,
    dtype: str,
    *arrays: Array,
    accumulate: bool = False,
    threads: int = 1,
    settings: Mapping[str, float] | None = None,
    step: int = 0,
    eta: float = 0.0,
) -> None:
    """The compiled kernel on these operands (results first, written in place), as one instruction of a plan."""
    key = (
        dtype,
        accumulate,
        threads,
        tuple(sorted((settings or {}).items())),
        *((a.shape, a.dtype.name) for a in arrays),
    )
    machines = _machines.setdefault(kernel, {})
    if key not in machines:
        buffers = [
            Buffer(f"operand{k}", f"operand{k}", a.shape, a.dtype.name, batched=False)
            for k, a in enumerate(arrays)
        ]
        instruction = Instruction(kernel, buffers, dict(settings or {}), accumulate, "check")
        machines[key] = Machine(
            Plan(Graph(), max(arrays[0].shape[0], 1), dtype, "infer", [instruction], 0), threads=threads
        )
    for k, array in enumerate(arrays):
        machines[key].bind(f"operand{k}", array)
    machines[key].run_steps(0, np.array([eta]), step)


def check_ptx(who: str, thing: Any) -> None:
    """No float64 in what a GPU would run in a float32 network; only where numba-cuda is installed."""
    if importlib.util.find_spec("numba_cuda") is None:
        return
    from fastnn.testing.ptx import float64_lines, kernels_of

    for kernel in kernels_of(thing):
        wrong = float64_lines(kernel)
        require(not wrong, f"{who}: {kernel.name} works in float64 on the GPU: {'; '.join(wrong[:3])}")


REAL, ROW, CLASS = types.float32, types.Array(types.float32, 1, "C"), types.int64


def float64_in_float32_build(
    function: python_types.FunctionType,
    settings: Mapping[str, float],
    arguments: Mapping[str, Any],
    returns: int,
) -> list[str]:
    """What is computed in float64 when `function` is compiled for float32; empty when nothing is.

    `arguments` gives the Numba type (REAL, ROW, CLASS) of each argument that is no setting, `returns` how many numbers come back.
    """
    whole = frozenset(name for name, kind in arguments.items() if kind is CLASS)
    namespace: dict[str, Any] = {"math": math, "real": np.float32}
    for text in typed_source(function, "role", settings, whole):
        exec(text, namespace)  # noqa: S102
        definition = ast.parse(text).body[0]
        assert isinstance(definition, ast.FunctionDef)
        namespace[definition.name] = numba.njit(namespace[definition.name], error_model="numpy")
    role = namespace["role"]
    role.compile(tuple(arguments.values()))
    result = role.nopython_signatures[0].return_type
    expected = {0: types.none, 1: types.float32}.get(returns, types.UniTuple(types.float32, returns))
    found = list(_float64(role, set()))
    return found if result == expected else [f"the result is {result}, not {expected}", *found]


def _float64(dispatcher: Any, seen: set[int]) -> Iterator[str]:
    """Operations, those of callees included, that take or give a float64; the conversion of a literal itself may."""
    seen.add(id(dispatcher))
    for result in dispatcher.overloads.values():
        for operation, signature in result.type_annotation.calltypes.items():
            if signature is None:
                continue
            used = [getattr(kind, "dtype", kind) for kind in (*signature.args, signature.return_type)]
            if types.float64 in used and used != [types.float64, types.float32]:
                yield f"{operation} takes or gives a float64"
    for name in dispatcher.py_func.__code__.co_names:
        callee = dispatcher.py_func.__globals__.get(name)
        if isinstance(callee, type(dispatcher)) and id(callee) not in seen:
            yield from _float64(callee, seen)
