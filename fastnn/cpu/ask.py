"""net(X) as a built-in function of Python that Numba compiled: no byte code, no lock and no ctypes between the caller and the loop.

Python calls object* f(object* self, object* X). Ours looks at X as C code would (type, dtype, shape, flags) and at its numbers, which must be finite, makes the
array for the outputs and runs the plan on both where they lie; what is scaled or of another dtype is copied first. What it does not know, or what is not finite, it
answers with None: then the caller goes the long way, where everything is converted, or refused in a sentence.

It keeps the interpreter's lock where there is little to do. To let it go and to take it again costs more than a small network, and so two threads never meet in
its machine.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.compile import Unit
from fastnn.cpu.answer import WORDS
from fastnn.cpu.machine import Machine
from fastnn.plan import Plan

__all__ = ["MOST_FLOPS", "Ask", "ask", "ask_unit", "supported"]

Array = NDArray[Any]
Ask = Callable[[Any], Array | None]

MOST_FLOPS = 1_000_000
"""With more work (some 20 us) other Python threads may run meanwhile. Should one of them ask the same, it goes the long way."""


_NEW_ARRAY = 93
"""Place of PyArray_New in NumPy's table of functions; places never move."""
_ONE_ARGUMENT = 8
"""Python's flag METH_O."""


def supported() -> bool:
    """Whether objects look here as the compiled code expects: CPython with its global lock, NumPy 2, 64 bits, little-endian."""
    lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    return bool(
        sys.implementation.name == "cpython"
        and lock
        and np.__version__.startswith("2.")
        and ctypes.sizeof(ctypes.c_void_p) == 8
        and sys.byteorder == "little"
        and not hasattr(sys, "getobjects")  # a build that traces references has longer objects
    )


_TEXT = """import numpy as np
from numba import cfunc

from fastnn.cpu.answer import answer


@cfunc("int64(int64, int64)", _nrt=False, error_model="numpy")
def kernel(me, X):
    return answer(np.{dtype}, np.{whole}, {infinity}, {header}, me, X)
"""
_WHOLE = {"float32": ("int32", 0x7F800000), "float64": ("int64", 0x7FF0000000000000)}


def ask_unit(dtype: str) -> Unit:
    """The compiled function for networks of this dtype."""
    whole, infinity = _WHOLE[dtype]
    text = _TEXT.format(dtype=dtype, whole=whole, infinity=infinity, header=object.__basicsize__)
    return Unit(f"ask_{dtype}", text)


class _Method(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)
    ]  # fmt: skip


@cache
def _method(dtype: str) -> _Method:
    return _Method(
        b"ask",
        ask_unit(dtype).load(),
        _ONE_ARGUMENT,
        b"Outputs for X, or None where it needs more than looking at.",
    )


@cache
def _new_array() -> int:
    """Address of PyArray_New."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    capsule = ctypes.pythonapi.PyCapsule_GetPointer
    capsule.restype, capsule.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = capsule(_multiarray_umath._ARRAY_API, None)
    return ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))[_NEW_ARRAY] or 0


class _Words(np.ndarray[Any, np.dtype[np.int64]]):
    """The words of one Ask; they keep alive what they point to."""

    kept: tuple[Any, ...]


def ask(
    n: int,
    plan: Plan,
    last: Plan | None,
    theta: Array,
    shift: Array | None = None,
    scale: Array | None = None,
    statistics: Array | None = None,
) -> Ask:
    """A function of one argument: outputs for an array of n samples, or None where the caller must look himself.

    The plan takes some of the rows at a time, `last` what is left. theta, statistics, shift and scale are read where they lie at every call (both scalers float64,
    C-contiguous, shaped as one sample).
    """
    machine = Machine(plan, last)
    machine.bind("theta", theta)
    if statistics is not None:
        machine.bind("statistics", statistics)
    machine.full_steps(n)
    X, out = plan.externals["X"], plan.externals["out"]
    staged = np.zeros(X.shape, plan.dtype)
    shape, out_shape = np.array(X.shape[1:], np.int64), np.array((n, *out.shape[1:]), np.int64)
    places = {name: _places(machine, name) for name in ("X", "out")}
    words = np.zeros(len(WORDS), np.int64).view(_Words)
    api = ctypes.pythonapi
    values = {
        "array_type": id(np.ndarray), "float32": id(np.dtype("float32")), "float64": id(np.dtype("float64")),
        "axes": len(shape), "shape": shape.ctypes.data, "features": X.row_size, "rows": n,
        "staged": staged.ctypes.data, "pass_rows": plan.batch, "runner": machine.runner_address, "frame": machine.frame_address,
        "X_places": places["X"].ctypes.data, "X_count": len(places["X"]),
        "out_places": places["out"].ctypes.data, "out_count": len(places["out"]),
        "out_row": out.row_size, "out_axes": len(out_shape), "out_shape": out_shape.ctypes.data,
        "out_type": np.dtype(plan.dtype).num, "new_array": _new_array(), "none": id(None),
        "take": _address(api.Py_IncRef), "drop": _address(api.Py_DecRef),
    }  # fmt: skip
    if shift is not None and scale is not None:
        values |= {"shift": shift.ctypes.data, "scale": scale.ctypes.data}
    if plan.flops * n > MOST_FLOPS * plan.batch:
        values |= {
            "leave_lock": _address(api.PyEval_SaveThread),
            "take_lock": _address(api.PyEval_RestoreThread),
        }
    for name, value in values.items():
        words[WORDS.index(name)] = value
    words.kept = (machine, theta, statistics, shift, scale, staged, shape, out_shape, places)
    build = api.PyCFunction_NewEx
    build.restype, build.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Ask = build(ctypes.addressof(_method(plan.dtype)), words, None)
    return function


def _places(machine: Machine, name: str) -> NDArray[np.int64]:
    """Where the address of an external buffer is written: (address of the word, what to add) a row."""
    pairs = [
        (program.words.ctypes.data + 8 * int(index), int(offset))
        for program in machine.programs
        if name in program.places
        for index, offset in zip(*program.places[name], strict=True)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
