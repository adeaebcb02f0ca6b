"""The compiled side of `ask`: from a Python object X to a Python object with the outputs.

Objects are looked at as C code would. Behind an object's header, whose last word is its type, lie for an array, 8 bytes each: data, number of axes, lengths, strides,
base, dtype, flags.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.crew import call_address
from fastnn.cpu.runner import FRAME as FRAME_WORDS
from fastnn.cpu.vector import pointer, size_of

__all__ = ["WORDS", "answer"]

WORDS = (
    "array_type", "float32", "float64",            # addresses of Python objects: the type of arrays, and two dtypes
    "axes", "shape", "features", "rows",           # of one sample: number of axes, address of their lengths, numbers; samples
    "shift", "scale",                              # addresses, 0 where nothing is scaled
    "staged", "pass_rows", "runner", "frame",      # addresses: copies of a pass's rows; its rows; the compiled loop and what it runs
    "X_places", "X_count", "out_places", "out_count",   # words of the program to write addresses to: pairs of an address and what to add; how many
    "out_row", "out_axes", "out_shape", "out_type",     # numbers in a row, axes, address of their lengths, NumPy's number for the dtype
    "new_array", "none", "take", "drop",           # addresses: PyArray_New, None, Py_IncRef, Py_DecRef
    "leave_lock", "take_lock", "busy",             # addresses of functions, 0 where the lock is kept; 1 while it is not
)  # fmt: skip
(
    ARRAY_TYPE, FLOAT32, FLOAT64, AXES, SHAPE, FEATURES, ROWS, SHIFT, SCALE, STAGED, PASS_ROWS, RUNNER, FRAME, X_PLACES, X_COUNT,
    OUT_PLACES, OUT_COUNT, OUT_ROW, OUT_AXES, OUT_SHAPE, OUT_TYPE, NEW_ARRAY, NONE, TAKE, DROP, LEAVE_LOCK, TAKE_LOCK, BUSY,
) = range(len(WORDS))  # fmt: skip
FIRST = FRAME_WORDS.index("first")


_inside = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_inside
def is_known(w, X, header):  # type: ignore[no-untyped-def]
    """Whether the object at X is an array that the machine takes: one sample (with the axis of samples or without), or as many as there are rows."""
    if pointer(X + header - 8, np.int64)[0] != w[ARRAY_TYPE]:
        return False
    fields = pointer(X + header, np.int64)
    if fields[5] != w[FLOAT32] and fields[5] != w[FLOAT64]:
        return False
    contiguous_and_aligned = 0x101
    if fields[6] & contiguous_and_aligned != contiguous_and_aligned:
        return False
    more = (fields[1] & 0xFFFFFFFF) - w[AXES]
    if more != 1 and (more != 0 or w[ROWS] != 1):
        return False
    given, own = pointer(fields[2], np.int64), pointer(w[SHAPE], np.int64)
    if more == 1 and given[0] != w[ROWS]:
        return False
    for axis in range(w[AXES]):
        if given[axis + more] != own[axis]:
            return False
    return True


@_inside
def stage(real, w, x, rows):  # type: ignore[no-untyped-def]
    """Copy rows to memory of our own, scaled where the network scales, in float64 and rounded once, as the long way does."""
    staged = pointer(w[STAGED], real)
    if w[SHIFT] == 0:
        for k in range(w[FEATURES] * rows):
            staged[k] = real(x[k])
    else:
        shift, scale = pointer(w[SHIFT], np.float64), pointer(w[SCALE], np.float64)
        for s in range(rows):
            for k in range(w[FEATURES]):
                at = s * w[FEATURES] + k
                staged[at] = real((np.float64(x[at]) - shift[k]) / scale[k])


@_inside
def all_finite(bits, size, infinity):  # type: ignore[no-untyped-def]
    """Whether no number is infinite or NaN: as whole numbers, without the sign, these are the largest. (A sum of reals would not vectorise.)"""
    largest = infinity & 0
    for k in range(size):
        largest = max(largest, bits[k] & infinity)
    return largest < infinity


@_inside
def tell(places, count, address):  # type: ignore[no-untyped-def]
    """Write where an array lies into the words of the program."""
    p = pointer(places, np.int64)
    for k in range(count):
        pointer(p[2 * k], np.int64)[0] = p[2 * k + 1] + address


@_inside
def run_passes(real, whole, infinity, w, data, doubles, out):  # type: ignore[no-untyped-def]
    """All rows, one pass after the other; False, and the rest is left, where a number is not finite."""
    itemsize = size_of(real)
    given_itemsize = 8 if doubles else 4
    direct = w[SHIFT] == 0 and given_itemsize == itemsize
    start, number = 0, 0
    while start < w[ROWS]:
        rows = min(w[PASS_ROWS], w[ROWS] - start)
        x = data + start * w[FEATURES] * given_itemsize
        if not direct:
            if doubles:
                stage(real, w, pointer(x, np.float64), rows)
            else:
                stage(real, w, pointer(x, np.float32), rows)
            x = w[STAGED]
        if not all_finite(pointer(x, whole), w[FEATURES] * rows, whole(infinity)):
            return False
        tell(w[X_PLACES], w[X_COUNT], x)
        tell(w[OUT_PLACES], w[OUT_COUNT], out + start * w[OUT_ROW] * itemsize)
        pointer(w[FRAME], np.int64)[FIRST] = number
        call_address(w[RUNNER], (w[FRAME], 0, 1))
        start += rows
        number += 1
    return True


@_inside
def answer(real, whole, infinity, header, me, X):  # type: ignore[no-untyped-def]
    """The outputs for the object X, a new object; None where it takes the long way; 0 with an exception set where there is no memory."""
    w = pointer(pointer(me + header, np.int64)[0], np.int64)
    if w[BUSY] == 0 and is_known(w, X, header):
        fields = pointer(X + header, np.int64)
        without = 1 if (fields[1] & 0xFFFFFFFF) == w[AXES] else 0
        axes, lengths = np.int32(w[OUT_AXES] - without), w[OUT_SHAPE] + 8 * without
        zero, nothing = np.int32(0), np.int64(0)
        out = call_address(
            w[NEW_ARRAY],
            (w[ARRAY_TYPE], axes, lengths, np.int32(w[OUT_TYPE]), nothing, nothing, zero, zero, nothing),
        )
        if out == 0:
            return out
        data, doubles, target = fields[0], fields[5] == w[FLOAT64], pointer(out + header, np.int64)[0]
        thread = nothing
        if w[LEAVE_LOCK] != 0:
            w[BUSY] = 1
            thread = call_address(w[LEAVE_LOCK], (nothing,))
        good = run_passes(real, whole, infinity, w, data, doubles, target)
        if w[LEAVE_LOCK] != 0:
            call_address(w[TAKE_LOCK], (thread,))
            w[BUSY] = 0
        if good:
            return out
        call_address(w[DROP], (out,))
    call_address(w[TAKE], (w[NONE],))
    return w[NONE]
