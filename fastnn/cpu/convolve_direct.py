"""The convolution of few channels, where packing patches would cost more than multiplying them: images are read where they lie.

An image is copied with zeros around it, row after row without a gap. Then the patches of one tap are the same numbers from another place on,
for all pixels of a grid whose rows are as long as those of the copy: nothing else is packed, and what is computed beyond the right edge is left
out when the sums are carried over. Words are those of `convolve`, steps are 1. The order of every sum is that of `convolve` as well.

The gradient of the weights is made of dot products: the lanes of a register are neighbouring pixels, and are added up when all samples have been. Units are
tiles of (c, tap), so that few output channels can be shared out too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.microkernel import Registers, make_tile
from fastnn.cpu.patches import TAP_WORDS, copy_between
from fastnn.cpu.share import share
from fastnn.cpu.vector import lanes_of, pointer, register_count, size_of

__all__ = ["COPY", "MOST_ROWS", "TAPS_AT_ONCE", "WEIGHTS", "convolve_direct", "direct_gradient"]

_INT64 = ir.IntType(64)
MOST_ROWS = 32
"""Output channels up to which this pays."""
COPY = 65_536
"""Numbers that the copy of an image may have."""
IMAGE = 16_384
"""The same for a gradient (plan/shares.py keeps to it)."""
WEIGHTS = 16_384
"""Weights, and as many entries of a table, that fit into the workspace beside it."""

_WIDE = register_count() == 32
_H = (14, 8, 6, 4, 2, 1) if _WIDE else (6, 4, 3, 2, 1, 1)
_wide0, _wide1, _wide2, _wide3, _wide4, _wide5 = (make_tile(h, 2, numbers=True, table=True) for h in _H)
_H0, _H1, _H2, _H3, _H4, _H5 = _H
ROWS_AT_ONCE, TAPS_AT_ONCE = (6, 4) if _WIDE else (3, 3)
"""Output channels and rows of patches of one tile of dot products."""


@njit(nogil=True, error_model="numpy", inline="always")
def _height(left):
    """Rows of the next tile: two of 8 are faster than 14 and 2, whose sums wait for each other."""
    if left >= _H0 and left != _H0 + 2 and left != _H0 + 3:
        return _H0
    if left >= _H1 and left != _H2 + _H3 and left != _H2 + _H3 + 1:
        return _H1
    if left >= _H2:
        return _H2
    if left >= _H3:
        return _H3
    return _H4 if left >= _H4 else _H5


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _tile(real, height, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth):
    if height == _H0:
        _wide0(real, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth)
    elif height == _H1:
        _wide1(real, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth)
    elif height == _H2:
        _wide2(real, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth)
    elif height == _H3:
        _wide3(real, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth)
    elif height == _H4:
        _wide4(real, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth)
    else:
        _wide5(real, A, a_row, a_k, B, table, I, i_row, C, c_row, n, depth)


@njit(nogil=True, error_model="numpy", inline="always")
def _edges(taps, n_taps, rows, columns, height, width):
    """Zeros above, below, left and right of an image, so that every tap of every pixel of the grid is there."""
    tap = pointer(taps, np.int64)
    top = left = 0
    bottom, right = rows - height, columns - width
    for k in range(n_taps):
        dy, dx = tap[k * TAP_WORDS], tap[k * TAP_WORDS + 1]
        top, left = max(top, -dy), max(left, -dx)
        bottom, right = max(bottom, rows + dy - height), max(right, columns + dx - width)
    return top, max(bottom, 0), left, max(right, 0)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _copy(real, S, s_channel, channels, height, width, top, bottom, left, right, D):
    """An image with zeros around it, and one register of zeros behind."""
    size, lanes = size_of(real), lanes_of(real)
    if top == 0 and bottom == 0 and left == 0 and right == 0:
        count = channels * height * width
        for k in range(0, count, lanes):
            copy_between(real, S + k * size, 0, count - k, D + k * size, lanes)
        end = D + count * size
    else:
        long = left + width + right
        d = D
        for c in range(channels):
            for y in range(-top, height + bottom):
                s = S + (c * s_channel + y * width - left) * size
                inside = 0 <= y < height
                for k in range(0, long, lanes):
                    low, high = max(left - k, 0), max(min(left + width - k, lanes), 0)
                    copy_between(real, s + k * size, low, high if inside else 0, d + k * size, lanes)
                d += long * size
        end = d
    copy_between(real, end, 0, 0, end, lanes)
    copy_between(real, end, 0, 0, end + lanes * size, lanes)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _carry(real, C, c_row, c_step, first, n, long, columns, T, out):
    """Those of the pixels first, ... first + n of rows of `long` that belong to the grid: from C into T, or (`out`) from T into C."""
    size, lanes = size_of(real), lanes_of(real)
    c, there = pointer(C, real), pointer(T, real)
    done = 0
    while done < n:
        row, column = (first + done) // long, (first + done) % long
        length = min(columns - column, n - done)
        here = row * c_row + column * c_step
        if c_step == 1:
            for k in range(0, length, lanes):
                of_c, of_t, m = C + (here + k) * size, T + (done + k) * size, length - k
                if out:
                    copy_between(real, of_t, 0, m, of_c, m)
                else:
                    copy_between(real, of_c, 0, m, of_t, m)
        elif out:
            for k in range(length):
                c[here + k * c_step] = there[done + k]
        else:
            for k in range(length):
                there[done + k] = c[here + k * c_step]
        done += max(length, 0) + long - max(columns, column)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _pack(real, A, a_row, a_channel, rows, channels, taps, n_taps, D):
    """D[(c, tap), r] = A[r, c, tap]."""
    tap = pointer(taps, np.int64)
    weights, to = pointer(A, real), pointer(D, real)
    there = 0
    for c in range(channels):
        for k in range(n_taps):
            here = c * a_channel + tap[k * TAP_WORDS + 2]
            for r in range(rows):
                to[there + r] = weights[here + r * a_row]
            there += rows


@njit(nogil=True, error_model="numpy", inline="always")
def convolve_direct(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """C for this thread's samples."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size, panel = size_of(real), 2 * lanes_of(real)
    C, c_sample, c_channel, c_row, c_step, I, start = w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    A, a_row, a_channel, a_group, in_order = w[9], w[10], w[11], w[12], w[13] != 0
    B, b_sample, b_channel, height, width = w[14], w[15], w[16], w[17], w[18]
    rows, channels, groups, phases = w[21], w[22], w[23], w[24]
    image = pointer(run, np.int64)[4]
    packed = image + (COPY + 4 * panel) * size
    T = packed + WEIGHTS * size
    table = T + MOST_ROWS * panel * size
    offsets = pointer(table, np.int64)
    for place in range(phases * groups):
        phase, group = place // groups, place % groups
        at = 26 + 5 * phase
        offset, grid_rows, columns, n_taps = w[at], w[at + 1], w[at + 2], w[at + 4]
        taps = words + (26 + 5 * phases + w[at + 3] * TAP_WORDS) * 8
        tap = pointer(taps, np.int64)
        top, bottom, left, right = _edges(taps, n_taps, grid_rows, columns, height, width)
        tall, long = top + height + bottom, left + width + right
        for c in range(channels):
            for k in range(n_taps):
                offsets[c * n_taps + k] = (
                    (c * tall + top + tap[k * TAP_WORDS]) * long + left + tap[k * TAP_WORDS + 1]
                )
        depth = channels * n_taps
        weights = A + group * a_group * size
        if not in_order:
            _pack(real, weights, a_row, a_channel, rows, channels, taps, n_taps, packed)
        pixels = (grid_rows - 1) * long + columns
        for s in range(low, high):
            _copy(
                real, B + (s * b_sample + group * channels * b_channel) * size, b_channel, channels, height, width,
                top, bottom, left, right, image,
            )  # fmt: skip
            here = C + (offset + s * c_sample + group * rows * c_channel) * size
            for first in range(0, pixels, panel):
                n = min(panel, pixels - first)
                r = 0
                while r < rows:
                    h = _height(rows - r)
                    i, i_row = I, -1
                    if start == 2:
                        i = I + (group * rows + r) * size
                    elif start == 1:
                        i, i_row = T, panel
                        for k in range(h):
                            _carry(
                                real, here + (r + k) * c_channel * size, c_row, c_step, first, n, long, columns, T + k * panel * size, False
                            )  # fmt: skip
                    if in_order:
                        _tile(
                            real,
                            h,
                            weights + r * a_row * size,
                            a_row,
                            1,
                            image + first * size,
                            table,
                            i,
                            i_row,
                            T,
                            panel,
                            n,
                            depth,
                        )
                    else:
                        _tile(
                            real,
                            h,
                            packed + r * size,
                            1,
                            rows,
                            image + first * size,
                            table,
                            i,
                            i_row,
                            T,
                            panel,
                            n,
                            depth,
                        )
                    for k in range(h):
                        _carry(
                            real, here + (r + k) * c_channel * size, c_row, c_step, first, n, long, columns, T + k * panel * size, True
                        )  # fmt: skip
                    r += h


def _make_dots(rows: int, columns: int) -> Any:
    """The intrinsic dots(dtype, A, a_row, B, offsets, S, vectors): S[r, k, lane] += sum_i A[r, i, lane] B[offsets[k] + i, lane]."""

    @intrinsic
    def dots(typing_context, dtype, A, a_row, B, offsets, S, vectors):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            A, a_row, B, offsets, S, vectors = arguments[1:]
            vec = Registers(builder, str(dtype.dtype))
            places = [(r, k) for r in range(rows) for k in range(columns)]
            table = builder.inttoptr(offsets, _INT64.as_pointer())
            starts = [vec.at(B, builder.load(builder.gep(table, [_INT64(k)]))) for k in range(columns)]
            lines = [vec.at(A, builder.mul(a_row, _INT64(r))) for r in range(rows)]
            at = {(r, k): vec.at(S, _INT64((r * columns + k) * vec.width)) for r, k in places}
            sums = {place: vec.load(at[place]) for place in places}
            entry, loop, done = (
                builder.block,
                builder.append_basic_block("pixels"),
                builder.append_basic_block("done"),
            )
            builder.branch(loop)
            builder.position_at_end(loop)
            i = builder.phi(_INT64)
            i.add_incoming(_INT64(0), entry)
            running = {}
            for place in places:
                running[place] = builder.phi(vec.type)
                running[place].add_incoming(sums[place], entry)
            first = builder.mul(i, _INT64(vec.width))
            b = [vec.load(builder.gep(start, [first])) for start in starts]
            new = {}
            for r in range(rows):
                a = vec.load(builder.gep(lines[r], [first]))
                for k in range(columns):
                    new[r, k] = vec.multiply_add(a, b[k], running[r, k])
            following = builder.add(i, _INT64(1))
            i.add_incoming(following, loop)
            for place in places:
                running[place].add_incoming(new[place], loop)
            builder.cbranch(builder.icmp_signed("<", following, vectors), loop, done)
            builder.position_at_end(done)
            for place in places:
                vec.store(new[place], at[place])
            return context.get_dummy_value()

        return types.void(dtype, *[types.int64] * 6), codegen

    return dots


_dots = _make_dots(ROWS_AT_ONCE, TAPS_AT_ONCE)


@njit(nogil=True, error_model="numpy", inline="always")
def direct_gradient(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """g_W for this thread's tiles of (c, tap). Words are those of `patch_gradient`; units are the tiles."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    if low == high:
        return
    size, lanes = size_of(real), lanes_of(real)
    g, accumulate, delta, d_sample, d_channel = w[2], w[3], w[4], w[5], w[6]
    B, b_sample, b_channel, height, width = w[7], w[8], w[9], w[10], w[11]
    grid_rows, columns, samples, rows, channels, n_taps = w[12], w[13], w[16], w[17], w[18], w[20]
    taps = words + 21 * 8
    tap = pointer(taps, np.int64)
    top, bottom, left, right = _edges(taps, n_taps, grid_rows, columns, height, width)
    tall, long = top + height + bottom, left + width + right
    depth = channels * n_taps
    blocks = -(-rows // ROWS_AT_ONCE)
    vectors = -(-((grid_rows - 1) * long + columns) // lanes)
    image = pointer(run, np.int64)[4]
    turned = image + (IMAGE + 4 * lanes) * size
    d_row = vectors * lanes
    sums = turned + blocks * ROWS_AT_ONCE * d_row * size
    table = sums + (high - low) * blocks * ROWS_AT_ONCE * TAPS_AT_ONCE * lanes * size
    offsets = pointer(table, np.int64)
    for k in range(low * TAPS_AT_ONCE, high * TAPS_AT_ONCE):
        c, j = min(k, depth - 1) // n_taps, min(k, depth - 1) % n_taps
        offsets[k - low * TAPS_AT_ONCE] = (
            (c * tall + top + tap[j * TAP_WORDS]) * long + left + tap[j * TAP_WORDS + 1]
        )
    total = pointer(sums, real)
    for k in range((high - low) * blocks * ROWS_AT_ONCE * TAPS_AT_ONCE * lanes):
        total[k] = real(0)
    line = pointer(turned, real)
    for k in range(blocks * ROWS_AT_ONCE * d_row):
        line[k] = real(0)
    for s in range(samples):
        _copy(
            real, B + s * b_sample * size, b_channel, channels, height, width, top, bottom, left, right, image
        )  # fmt: skip
        for j in range(rows):
            for u in range(grid_rows):
                source = delta + (s * d_sample + j * d_channel + u * columns) * size
                there = turned + (j * d_row + u * long) * size
                for k in range(0, columns, lanes):
                    copy_between(real, source + k * size, 0, columns - k, there + k * size, columns - k)
        for k in range(high - low):
            for block in range(blocks):
                _dots(
                    real, turned + block * ROWS_AT_ONCE * d_row * size, d_row, image, table + k * TAPS_AT_ONCE * 8,
                    sums + (k * blocks + block) * ROWS_AT_ONCE * TAPS_AT_ONCE * lanes * size, vectors,
                )  # fmt: skip
    out = pointer(g, real)
    for k in range(low * TAPS_AT_ONCE, min(high * TAPS_AT_ONCE, depth)):
        for j in range(rows):
            block = ((k // TAPS_AT_ONCE - low) * blocks + j // ROWS_AT_ONCE) * ROWS_AT_ONCE
            here = ((block + j % ROWS_AT_ONCE) * TAPS_AT_ONCE + k % TAPS_AT_ONCE) * lanes
            added = real(0)
            for lane in range(lanes):
                added += total[here + lane]
            out[j * depth + k] = out[j * depth + k] + added if accumulate != 0 else added
