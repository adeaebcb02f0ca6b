"""net(X) as a built-in function of Python that Numba compiled: no byte code, no lock and no ctypes between the caller and the loop.

Python calls object* f(object* self, object* X). Ours looks at X as C code would (type, dtype, shape, flags), copies it to the machine's memory, scaled where
the network scales, runs the plan and puts the outputs into a fresh array. What it does not know, or what is not finite, it answers with None: then the caller
goes the long way, where everything is converted, or refused in a sentence.

It keeps the interpreter's lock. To let it go and to take it again costs more than a small network, and so two threads never meet in its machine.
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
"""A plan with more work (some 50 us) lets other Python threads run meanwhile: it goes the long way, and the few us that this takes don't show."""

_AT = {name: place for place, name in enumerate(WORDS)}

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


def ask(plan: Plan, theta: Array, shift: Array | None = None, scale: Array | None = None) -> Ask:
    """A function of one argument: outputs of the plan for an array of its samples, or None where the caller must look himself.

    theta, shift and scale are read where they lie at every call (both scalers float64, C-contiguous, shaped as one sample).
    """
    machine = Machine(plan)
    X, out = (np.zeros(plan.externals[name].shape, plan.dtype) for name in ("X", "out"))
    for name, array in (("theta", theta), ("X", X), ("out", out)):
        machine.bind(name, array)
    shape, out_shape = np.array(X.shape[1:], np.int64), np.array(out.shape, np.int64)
    words = np.zeros(len(WORDS), np.int64).view(_Words)
    values = {
        "array_type": id(np.ndarray), "float32": id(np.dtype("float32")), "float64": id(np.dtype("float64")),
        "axes": len(shape), "shape": shape.ctypes.data, "features": X[0].size, "rows": len(X),
        "X": X.ctypes.data, "runner": machine.runner_address, "frame": machine.frame_address,
        "out": out.ctypes.data, "out_size": out.size, "out_axes": out.ndim, "out_shape": out_shape.ctypes.data,
        "out_type": out.dtype.num, "new_array": _new_array(),
        "none": id(None), "take_reference": ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value or 0,
    }  # fmt: skip
    if shift is not None and scale is not None:
        values |= {"shift": shift.ctypes.data, "scale": scale.ctypes.data}
    for name, value in values.items():
        words[_AT[name]] = value
    words.kept = (machine, theta, shift, scale, X, out, shape, out_shape)
    build = ctypes.pythonapi.PyCFunction_NewEx
    build.restype, build.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Ask = build(ctypes.addressof(_method(plan.dtype)), words, None)
    return function
