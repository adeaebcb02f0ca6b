"""Patches of images as the rows of a panel:  D[(c, tap), 0:n] = a[c, i step_u + dy(tap), j step_v + dx(tap)], zero outside of the image.

The n columns are neighbouring pixels (i, j) of the output's grid. Nothing as large as all patches ever lies in memory (im2col): one panel of
some hundred rows is made, stays in L1 while it is multiplied, and the next one takes its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.microkernel import Registers
from fastnn.cpu.vector import lanes_of, pointer, size_of

__all__ = ["TAP_WORDS", "copy_between", "pack_patches"]

_INT64 = ir.IntType(64)
TAP_WORDS = 3
"""A tap of the kernel is dy, dx, and where its weight lies behind the channel's first."""


@intrinsic
def copy_between(typing_context, dtype, S, low, high, D, n):  # type: ignore[no-untyped-def]
    """D[l] = S[l] for low <= l < high, zero for the other l < n; nothing else is read or written. One register."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        S, low, high, D, n = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        value = vec.masked_load(vec.at(S, _INT64(0)), vec.between(low, high, 0))
        vec.masked_store(value, vec.at(D, _INT64(0)), vec.mask(n, 0))
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 5), codegen


@intrinsic
def _copy_every_other(typing_context, dtype, S, low, high, D, n):  # type: ignore[no-untyped-def]
    """`copy_between` of S[2 l]."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        S, low, high, D, n = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        low, high = builder.mul(low, _INT64(2)), builder.sub(builder.mul(high, _INT64(2)), _INT64(1))
        both = [
            vec.masked_load(vec.at(S, _INT64(first)), vec.between(low, high, first))
            for first in (0, vec.width)
        ]
        value = vec.shuffled(*both, list(range(0, 2 * vec.width, 2)))
        vec.masked_store(value, vec.at(D, _INT64(0)), vec.mask(n, 0))
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 5), codegen


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _copy_channels(real, S, s_channel, step, low, high, D, d_channel, n, channels):
    """One tap's run of n pixels, `step` apart in S, for all channels."""
    width, size = lanes_of(real), size_of(real)
    s_bytes, d_bytes = s_channel * size, d_channel * size
    if (
        step == 1 and n == 2 * width and low == 0 and high == n
    ):  # both registers at once: channels lie on different pages
        for _ in range(channels):
            copy_between(real, S, 0, width, D, width)
            copy_between(real, S + width * size, 0, width, D + width * size, width)
            S += s_bytes
            D += d_bytes
        return
    for first in range(0, n, width):
        s, d = S + first * step * size, D + first * size
        a, b, m = low - first, high - first, n - first
        if step == 1:
            for _ in range(channels):
                copy_between(real, s, a, b, d, m)
                s += s_bytes
                d += d_bytes
        elif step == 2:
            for _ in range(channels):
                _copy_every_other(real, s, a, b, d, m)
                s += s_bytes
                d += d_bytes
        else:
            m = min(m, width)
            for _ in range(channels):
                source, there = pointer(s, real), pointer(d, real)
                for k in range(m):
                    there[k] = source[k * step] if a <= k < b else real(0)
                s += s_bytes
                d += d_bytes


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pack_patches(
    real, A, a_channel, height, width, first, n, columns, step_u, step_v, channels, taps, n_taps, D, panel
):  # fmt: skip
    """Pixels first, ... first + n of one sample's grid with so many columns; `taps` is the address of their words, D has rows of `panel` numbers."""
    size = size_of(real)
    tap = pointer(taps, np.int64)
    done = 0
    while done < n:
        i, j = (first + done) // columns, (first + done) % columns
        length = min(columns - j, n - done)
        for k in range(n_taps):
            y, x = i * step_u + tap[k * TAP_WORDS], j * step_v + tap[k * TAP_WORDS + 1]
            low = min(max(-(x // step_v), 0), length)
            high = min(max((width - 1 - x) // step_v + 1, low), length)
            if y < 0 or y >= height:
                y, x, low, high = 0, 0, 0, 0
            _copy_channels(
                real, A + (y * width + x) * size, a_channel, step_v, low, high,
                D + (k * panel + done) * size, n_taps * panel, length, channels,
            )  # fmt: skip
        done += length
