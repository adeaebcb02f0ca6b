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

__all__ = [
    "COPY",
    "MOST_ROWS",
    "TAPS_AT_ONCE",
    "WEIGHTS",
    "clear",
    "convolve_direct",
    "direct_gradient",
    "few_rows",
    "tile_of_few",
]

_INT64 = ir.IntType(64)
MOST_ROWS = 32
"""Output channels up to which this pays."""
COPY = 65_536
"""Numbers that the copy of an image may have."""
IMAGE, TURNED = 16_384, 49_152
"""The same for the images of a gradient, and numbers that delta may have in rows as long (plan/shares.py keeps to both)."""
NEAR = 6_144
"""Numbers of images and delta that stay in L1 while all tiles pass over them."""
WEIGHTS = 16_384
"""Weights, and as many entries of a table, that fit into the workspace beside it."""

_WIDE = register_count() == 32
_H = (14, 8, 6, 4, 2, 1) if _WIDE else (6, 4, 3, 2, 1, 1)
_wide0, _wide1, _wide2, _wide3, _wide4, _wide5 = (make_tile(h, 2, numbers=True, table=True) for h in _H)
_H0, _H1, _H2, _H3, _H4, _H5 = _H
ROWS_AT_ONCE, TAPS_AT_ONCE = (6, 4) if _WIDE else (3, 3)
"""Output channels and rows of patches of one tile of dot products."""


@njit(nogil=True, error_model="numpy", inline="always")
def few_rows(left):
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
def tile_of_few(real, height, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth):
    if height == _H0:
        _wide0(real, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth)
    elif height == _H1:
        _wide1(real, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth)
    elif height == _H2:
        _wide2(real, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth)
    elif height == _H3:
        _wide3(real, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth)
    elif height == _H4:
        _wide4(real, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth)
    else:
        _wide5(real, A, a_row, a_k, B, table, I, i_row, C, c_row, runs, depth)


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
def clear(real, D, count):
    """Zeros, the next registers included: tiles read whole ones."""
    size, lanes = size_of(real), lanes_of(real)
    for k in range(0, count + 2 * lanes, lanes):
        copy_between(real, D, 0, 0, D + k * size, lanes)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _copy(real, S, s_channel, channels, height, width, top, left, tall, long, D):
    """An image in the middle of zeros, which stay from one sample to the next."""
    size, lanes = size_of(real), lanes_of(real)
    if tall == height and long == width:
        count = channels * height * width
        for k in range(0, count, lanes):
            copy_between(real, S + k * size, 0, count - k, D + k * size, count - k)
        return
    for c in range(channels):
        s, d = S + c * s_channel * size, D + ((c * tall + top) * long + left) * size
        for _ in range(height):
            for k in range(0, width, lanes):
                copy_between(real, s + k * size, 0, width - k, d + k * size, width - k)
            s += width * size
            d += long * size


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _runs(first, n, long, columns, c_row, runs):
    """Which of the pixels first, ... first + n of rows of `long` belong to the grid, and where they lie."""
    to = pointer(runs, np.int64)
    row, column = first // long, first % long
    done = count = 0
    while done < n:
        length = min(columns - column, n - done)
        if length > 0:
            to[1 + 3 * count], to[2 + 3 * count] = done, done + length
            to[3 + 3 * count] = row * c_row + column - done
            count += 1
        done += long - column
        row, column = row + 1, 0
    to[0] = count


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _carry(real, C, c_channel, c_row, c_step, first, n, long, columns, T, panel, rows, out):
    """Those of the pixels first, ... first + n of rows of `long` that belong to the grid: from C into T, or (`out`) from T into C."""
    size = size_of(real)
    for r in range(rows):
        c, there = pointer(C + r * c_channel * size, real), pointer(T + r * panel * size, real)
        row, column = first // long, first % long
        done = 0
        while done < n:
            here = row * c_row + column * c_step
            for k in range(min(columns - column, n - done)):
                if out:
                    c[here + k * c_step] = there[done + k]
                else:
                    there[done + k] = c[here + k * c_step]
            done += long - column
            row, column = row + 1, 0


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
    runs = T + MOST_ROWS * panel * size
    run_words = pointer(runs, np.int64)
    table = runs + (3 * panel + 4) * 8
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
        clear(real, image, channels * tall * long)
        for s in range(low, high):
            _copy(
                real, B + (s * b_sample + group * channels * b_channel) * size, b_channel, channels, height, width,
                top, left, tall, long, image,
            )  # fmt: skip
            here = C + (offset + s * c_sample + group * rows * c_channel) * size
            for first in range(0, pixels, panel):
                n = min(panel, pixels - first)
                to, to_row = T, panel
                if c_step == 1:
                    to, to_row = here, c_channel
                    _runs(first, n, long, columns, c_row, runs)
                else:
                    run_words[0], run_words[1], run_words[2], run_words[3] = 1, 0, panel, 0
                r = 0
                while r < rows:
                    h = few_rows(rows - r)
                    c, i, i_row = here + r * c_channel * size, I, -1
                    if start == 2:
                        i = I + (group * rows + r) * size
                    elif start == 1:
                        i, i_row = T, panel
                        _carry(real, c, c_channel, c_row, c_step, first, n, long, columns, T, panel, h, False)
                    a, row, a_k = weights + r * a_row * size, a_row, 1
                    if not in_order:
                        a, row, a_k = packed + r * size, 1, rows
                    out = to + (r * c_channel * size if c_step == 1 else 0)
                    tile_of_few(
                        real, h, a, row, a_k, image + first * size, table, i, i_row, out, to_row, runs, depth
                    )
                    if c_step != 1:
                        _carry(real, c, c_channel, c_row, c_step, first, n, long, columns, T, panel, h, True)
                    r += h


def _make_dots(rows: int, columns: int) -> Any:
    """The intrinsic dots(dtype, A, a_row, a_sample, B, b_sample, offsets, S, vectors, samples):

    S[r, k, lane] += sum_s sum_i A[s a_sample + r a_row + i, lane] B[s b_sample + offsets[k] + i, lane], i counting registers.
    """

    @intrinsic
    def dots(typing_context, dtype, A, a_row, a_sample, B, b_sample, offsets, S, vectors, samples):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            A, a_row, a_sample, B, b_sample, offsets, S, vectors, samples = arguments[1:]
            vec = Registers(builder, str(dtype.dtype))
            places = [(r, k) for r in range(rows) for k in range(columns)]
            table = builder.inttoptr(offsets, _INT64.as_pointer())
            starts = [vec.at(B, builder.load(builder.gep(table, [_INT64(k)]))) for k in range(columns)]
            lines = [vec.at(A, builder.mul(a_row, _INT64(r))) for r in range(rows)]
            at = {(r, k): vec.at(S, _INT64((r * columns + k) * vec.width)) for r, k in places}
            begun = {place: vec.load(at[place]) for place in places}
            entry = builder.block
            sample, pixels, after, done = (
                builder.append_basic_block(name) for name in ("sample", "pixels", "after", "done")
            )
            builder.branch(sample)

            def counter(start: Any, block: Any) -> tuple[Any, dict[Any, Any]]:
                """A counter from 0, and the sums so far, as the loop begins."""
                count = builder.phi(_INT64)
                count.add_incoming(_INT64(0), block)
                sums = {place: builder.phi(vec.type) for place in places}
                for place in places:
                    sums[place].add_incoming(start[place], block)
                return count, sums

            builder.position_at_end(sample)
            s, before = counter(begun, entry)
            a_first, b_first = builder.mul(s, a_sample), builder.mul(s, b_sample)
            builder.branch(pixels)
            builder.position_at_end(pixels)
            i, running = counter(before, sample)
            first = builder.mul(i, _INT64(vec.width))
            a_at, b_at = builder.add(a_first, first), builder.add(b_first, first)
            b = [vec.load(builder.gep(start, [b_at])) for start in starts]
            new = {}
            for r in range(rows):
                a = vec.load(builder.gep(lines[r], [a_at]))
                for k in range(columns):
                    new[r, k] = vec.multiply_add(a, b[k], running[r, k])
            following = builder.add(i, _INT64(1))
            i.add_incoming(following, pixels)
            for place in places:
                running[place].add_incoming(new[place], pixels)
            builder.cbranch(builder.icmp_signed("<", following, vectors), pixels, after)
            builder.position_at_end(after)
            later = builder.add(s, _INT64(1))
            s.add_incoming(later, after)
            for place in places:
                before[place].add_incoming(new[place], after)
            builder.cbranch(builder.icmp_signed("<", later, samples), sample, done)
            builder.position_at_end(done)
            for place in places:
                vec.store(new[place], at[place])
            return context.get_dummy_value()

        return types.void(dtype, *[types.int64] * 9), codegen

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
    d_row = vectors * lanes
    b_size, d_size = channels * tall * long, blocks * ROWS_AT_ONCE * d_row
    together = max(min(NEAR // (b_size + d_size), IMAGE // b_size, TURNED // d_size, samples), 1)
    turned = image + (IMAGE + 4 * lanes) * size
    sums = turned + TURNED * size
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
    clear(real, turned, together * d_size - 2 * lanes)
    clear(real, image, together * b_size)
    for first in range(0, samples, together):
        taken = min(together, samples - first)
        for s in range(taken):
            _copy(
                real, B + (first + s) * b_sample * size, b_channel, channels, height, width, top, left, tall, long,
                image + s * b_size * size,
            )  # fmt: skip
            for j in range(rows):
                source = delta + ((first + s) * d_sample + j * d_channel) * size
                there = turned + (s * d_size + j * d_row) * size
                for u in range(grid_rows):
                    for k in range(0, columns, lanes):
                        copy_between(
                            real, source + (u * columns + k) * size, 0, columns - k, there + (u * long + k) * size, columns - k
                        )  # fmt: skip
        for k in range(high - low):
            for block in range(blocks):
                _dots(
                    real, turned + block * ROWS_AT_ONCE * d_row * size, d_row, d_size, image, b_size, table + k * TAPS_AT_ONCE * 8,
                    sums + (k * blocks + block) * ROWS_AT_ONCE * TAPS_AT_ONCE * lanes * size, vectors, taken,
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
