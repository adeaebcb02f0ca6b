"""The compiled side of `ask`: from a Python object X to a Python object with the outputs.

Objects are looked at as C code would. Behind an object's header, whose last word is its type, lie for an array, 8 bytes each: data, number of axes, lengths, strides,
base, dtype, flags.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.vector import pointer

__all__ = ["WORDS", "answer"]

WORDS = (
    "array_type", "float32", "float64",           # addresses of Python objects: the type of arrays, and two dtypes
    "axes", "shape", "features", "rows",          # of one sample: number of axes, address of their lengths, numbers; samples
    "shift", "scale",                             # addresses, 0 where nothing is scaled
    "X", "runner", "frame",                       # addresses: the machine's input, the compiled loop and what it runs
    "out", "out_size", "out_axes", "out_shape",   # the machine's output: address, numbers, and for all samples axes and address of their lengths
    "out_type", "new_array",                      # NumPy's number for the dtype, address of PyArray_New
    "none", "take_reference",                     # addresses: None, Py_IncRef
)  # fmt: skip


@intrinsic
def call_address(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at `address` with a tuple of integers; gives an int64."""

    def codegen(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = [builder.extract_value(given[1], place) for place in range(len(arguments))]
        kind = ir.FunctionType(ir.IntType(64), [value.type for value in values])
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), values)

    return types.int64(types.int64, arguments), codegen


_inside = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_inside
def is_known(w, X, header):  # type: ignore[no-untyped-def]
    """Whether the object at X is an array that the machine takes: one sample (with the axis of samples or without), or as many as there are rows."""
    if pointer(X + header - 8, np.int64)[0] != w[0]:
        return False
    fields = pointer(X + header, np.int64)
    if fields[5] != w[1] and fields[5] != w[2]:
        return False
    contiguous_and_aligned = 0x101
    if fields[6] & contiguous_and_aligned != contiguous_and_aligned:
        return False
    more = (fields[1] & 0xFFFFFFFF) - w[3]
    if more != 1 and (more != 0 or w[6] != 1):
        return False
    given, own = pointer(fields[2], np.int64), pointer(w[4], np.int64)
    if more == 1 and given[0] != w[6]:
        return False
    for axis in range(w[3]):
        if given[axis + more] != own[axis]:
            return False
    return True


@_inside
def staged(real, w, x, X):  # type: ignore[no-untyped-def]
    """Copy x to the machine's X, scaled where the network scales, in float64 and rounded once, as the long way does."""
    if w[7] == 0:
        for k in range(w[5] * w[6]):
            X[k] = real(x[k])
    else:
        shift, scale = pointer(w[7], np.float64), pointer(w[8], np.float64)
        for s in range(w[6]):
            for k in range(w[5]):
                X[s * w[5] + k] = real((np.float64(x[s * w[5] + k]) - shift[k]) / scale[k])


@_inside
def all_finite(bits, size, infinity):  # type: ignore[no-untyped-def]
    """Whether no number is infinite or NaN: as whole numbers, without the sign, these are the largest. (A sum of reals would not vectorise.)"""
    largest = infinity & 0
    for k in range(size):
        largest = max(largest, bits[k] & infinity)
    return largest < infinity


@_inside
def answer(real, whole, infinity, header, me, X):  # type: ignore[no-untyped-def]
    """The outputs for the object X, a new object; None where it takes the long way; 0 with an exception set where there is no memory."""
    w = pointer(pointer(me + header, np.int64)[0], np.int64)
    if is_known(w, X, header):
        fields = pointer(X + header, np.int64)
        if fields[5] == w[1]:
            staged(real, w, pointer(fields[0], np.float32), pointer(w[9], real))
        else:
            staged(real, w, pointer(fields[0], np.float64), pointer(w[9], real))
        if all_finite(pointer(w[9], whole), w[5] * w[6], whole(infinity)):
            without = 1 if (fields[1] & 0xFFFFFFFF) == w[3] else 0
            axes, lengths = np.int32(w[14] - without), w[15] + 8 * without
            zero, nothing = np.int32(0), np.int64(0)
            out = call_address(
                w[17], (w[0], axes, lengths, np.int32(w[16]), nothing, nothing, zero, zero, nothing)
            )
            if out != 0:
                call_address(w[10], (w[11], 0, 1))
                source, target = pointer(w[12], real), pointer(pointer(out + header, np.int64)[0], real)
                for k in range(w[13]):
                    target[k] = source[k]
            return out
    call_address(w[19], (w[18],))
    return w[18]
