"""Tuned CPU kernel of the convolution, forward and backward: a product of weights and patches on the micro-kernel.

    C[s, j, u, v] = start + sum_{c, tap} A[j, c, tap] a[s, c, u step + dy(tap), v step + dx(tap)]

Lanes of a register are neighbouring pixels, rows of a tile output channels. Backward of a convolution
of stride 1 is the same with delta for a and the taps turned around; with another stride, every phase of the pixels of da (u mod stride, v mod stride) is
one such product with the taps that meet it. Units are samples; every element is one chain in the order of (c, tap), so the bits do not depend on the shares.

Words: units, 0, then WORDS, then for each phase PHASE, then the taps of all phases, TAP_WORDS each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.gemm import HEIGHTS, height_of, pack_rows
from fastnn.cpu.microkernel import make_tile
from fastnn.cpu.patches import TAP_WORDS, pack_patches
from fastnn.cpu.share import share
from fastnn.cpu.vector import lanes_of, pointer, prefetch, size_of

__all__ = ["LONGEST", "PHASE", "WORDS", "convolve"]

WORDS = (
    "C", "c_sample", "c_channel", "c_row", "c_step",   # address; how far it is to the next sample, channel, row and column of one phase's grid
    "I", "start",                                      # 0: from zero, 1: C itself, 2: I, one number for each row
    "A", "a_row", "a_channel", "a_group", "in_order",  # weights; whether those of a row lie in the order of (c, tap)
    "B", "b_sample", "b_channel", "height", "width",   # images
    "step_u", "step_v", "rows", "channels", "groups", "phases",
    "by_channel",                                      # units are (sample, output channel), not samples
)  # fmt: skip
PHASE = ("offset", "grid_rows", "grid_columns", "first_tap", "taps")
"""Where the phase begins in C, its pixels, its taps."""
DEPTH = 256
"""Rows of a panel of patches, as near as whole channels allow: 256 x 32 float32 are 32 KiB."""
LONGEST = 512
"""Taps up to which one channel of a panel fits into the workspace."""
WEIGHTS = 512 * DEPTH
"""Weights that are packed at a time."""
GROUP = 512
"""Pixels of the grid that are finished before the next: small images are taken several at a time, so that weights are packed once for all."""
PACKED = 192
"""Pixels from which on packing the weights pays, where they need not be."""

_H0, _H1, _H2, _H3, _H4 = HEIGHTS
_wide0, _wide1, _wide2, _wide3, _wide4 = (make_tile(rows, 2, numbers=True) for rows in HEIGHTS)
_thin0, _thin1, _thin2, _thin3, _thin4 = (make_tile(rows, 1, numbers=True) for rows in HEIGHTS)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _tile(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, left, n, depth):
    """The highest tile that fits into `left` rows; gives its rows."""
    if n > lanes_of(real):
        if left >= _H0:
            _wide0(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
            return _H0
        if left >= _H1:
            _wide1(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
            return _H1
        if left >= _H2:
            _wide2(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
            return _H2
        if left >= _H3:
            _wide3(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
            return _H3
        _wide4(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
        return _H4
    if left >= _H0:
        _thin0(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
        return _H0
    if left >= _H1:
        _thin1(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
        return _H1
    if left >= _H2:
        _thin2(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
        return _H2
    if left >= _H3:
        _thin3(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
        return _H3
    _thin4(real, A, a_row, a_k, B, panel, I, i_row, C, c_row, n, depth)
    return _H4


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _carry(real, C, c_row, c_step, first, n, columns, T, out):
    """Pixels first, ... first + n of a grid with so many columns from C into the row T, or (`out`) from T into C."""
    c, there = pointer(C, real), pointer(T, real)
    done = 0
    while done < n:
        i, j = (first + done) // columns, (first + done) % columns
        length = min(columns - j, n - done)
        here = i * c_row + j * c_step
        if out:
            for k in range(length):
                c[here + k * c_step] = there[done + k]
        else:
            for k in range(length):
                there[done + k] = c[here + k * c_step]
        done += length


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _zero(real, C, c_channel, c_row, c_step, channels, rows, columns):
    """A phase that no tap meets."""
    c = pointer(C, real)
    for k in range(channels):
        for i in range(rows):
            for j in range(columns):
                c[k * c_channel + i * c_row + j * c_step] = real(0)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _panel(
    real, C, c_channel, c_row, c_step, I, start, A, a_row, B, panel, T, first, n, columns, rows, depth
):
    """All channels of one panel of pixels. Tiles write to C where its pixels lie side by side, else to T, from where they are carried over.

    With a_row 0, A is what was packed.
    """
    size = size_of(real)
    whole = c_step == 1 and c_row == columns
    r = 0
    while r < rows:
        c = C + r * c_channel * size
        to, to_row, i, i_row = T, panel, I, -1
        if whole:
            to, to_row = c + first * size, c_channel
        if start == 2:
            i = I + r * size
        elif start == 1:
            i, i_row = to, to_row
            if not whole:
                for k in range(height_of(rows - r)):
                    _carry(
                        real,
                        c + k * c_channel * size,
                        c_row,
                        c_step,
                        first,
                        n,
                        columns,
                        T + k * panel * size,
                        False,
                    )
        a, row, a_k = A + r * a_row * size, a_row, 1
        if a_row == 0:
            a, row, a_k = A + r * depth * size, 1, height_of(rows - r)
        if a_row != 0 and first == 0:
            below = r + height_of(rows - r)
            for k in range(below, min(below + _H0, rows)):
                for line in range(0, depth * size, 64):
                    prefetch(A + k * a_row * size + line)
        height = _tile(real, a, row, a_k, B, panel, i, i_row, to, to_row, rows - r, n, depth)
        if not whole:
            for k in range(height):
                _carry(
                    real,
                    c + k * c_channel * size,
                    c_row,
                    c_step,
                    first,
                    n,
                    columns,
                    T + k * panel * size,
                    True,
                )
        r += height


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _pack_weights(real, A, a_row, a_channel, rows, channels, taps, n_taps, D):
    """What `pack_rows` makes, of weights that lie in another order: tile after tile, each as D[(c, tap), 0:height]."""
    tap = pointer(taps, np.int64)
    weights, to = pointer(A, real), pointer(D, real)
    r = there = 0
    while r < rows:
        height = height_of(rows - r)
        for c in range(channels):
            for k in range(n_taps):
                here = r * a_row + c * a_channel + tap[k * TAP_WORDS + 2]
                for i in range(height):
                    to[there + i] = weights[here + i * a_row]
                there += height
        r += height


@njit(nogil=True, error_model="numpy", inline="always")
def convolve(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """C for this thread's samples."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size, panel = size_of(real), 2 * lanes_of(real)
    C, c_sample, c_channel, c_row, c_step, I, start = w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    A, a_row, a_channel, a_group, in_order = w[9], w[10], w[11], w[12], w[13] != 0
    B, b_sample, b_channel, height, width = w[14], w[15], w[16], w[17], w[18]
    step_u, step_v, rows, channels, groups, phases, by_channel = (
        w[19],
        w[20],
        w[21],
        w[22],
        w[23],
        w[24],
        w[25] != 0,
    )
    first_row, last_row, of_sample = 0, rows * groups, 1
    if by_channel:
        of_sample = rows * groups
    begin, end = low // of_sample, -(-high // of_sample)
    scratch = pointer(run, np.int64)[4]
    T = scratch + LONGEST * panel * size
    packed = T + _H0 * panel * size
    all_taps = words + (26 + 5 * phases) * 8
    for phase in range(phases):
        at = 26 + 5 * phase
        offset, grid_rows, grid_columns, taps, n_taps = (
            w[at],
            w[at + 1],
            w[at + 2],
            all_taps + w[at + 3] * 24,
            w[at + 4],
        )
        pixels = grid_rows * grid_columns
        together = 1 if by_channel else min(max(GROUP // max(pixels, 1), 1), high - low)
        if n_taps == 0:
            for s in range(begin, end if start == 0 else begin):
                if by_channel:
                    first_row, last_row = max(low - s * of_sample, 0), min(high - s * of_sample, of_sample)
                here = C + (offset + s * c_sample + first_row * c_channel) * size
                _zero(real, here, c_channel, c_row, c_step, last_row - first_row, grid_rows, grid_columns)
            continue
        step = min(max((DEPTH if c_step == 1 else LONGEST) // n_taps, 1), channels)
        panels = -(-pixels // panel)
        most = max(WEIGHTS // max(step * n_taps, 1) // _H0 * _H0, _H0)
        pack = not in_order or together * pixels >= PACKED
        for s in range(begin, end, max(together, 1)):
            samples = min(s + together, end) - s
            if by_channel:
                first_row, last_row = max(low - s * of_sample, 0), min(high - s * of_sample, of_sample)
            at_row = first_row
            while at_row < last_row:
                group, r = at_row // rows, at_row % rows
                some = min(most, rows - r, last_row - at_row)
                at_row += some
                c = C + (offset + s * c_sample + (group * rows + r) * c_channel) * size
                b = B + (s * b_sample + group * channels * b_channel) * size
                weights = A + (group * a_group + r * a_row) * size
                i = I + (group * rows + r) * size if start == 2 else I
                for k in range(0, channels, step):
                    taken = min(step, channels - k)
                    depth = taken * n_taps
                    a, row = weights + k * a_channel * size, a_row
                    if pack:
                        if in_order:
                            pack_rows(real, a, a_row, 1, some, depth, packed)
                        else:
                            _pack_weights(real, a, a_row, a_channel, some, taken, taps, n_taps, packed)
                        a, row = packed, 0
                    for place in range(samples * panels):
                        sample, first = place // panels, place % panels * panel
                        n = min(panel, pixels - first)
                        pack_patches(
                            real, b + (sample * b_sample + k * b_channel) * size, b_channel, height, width, first, n,
                            grid_columns, step_u, step_v, taken, taps, n_taps, scratch, panel,
                        )  # fmt: skip
                        _panel(
                            real, c + sample * c_sample * size, c_channel, c_row, c_step, i, start if k == 0 else 1,
                            a, row, scratch, panel, T, first, n, grid_columns, some, depth,
                        )  # fmt: skip
