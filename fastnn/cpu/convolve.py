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
from fastnn.cpu.patches import TAP_WORDS, copy_between, pack_patches
from fastnn.cpu.share import share
from fastnn.cpu.vector import lanes_of, pointer, size_of

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
def _scattered(real, C, c_sample, c_row, c_step, first, n, rows, columns, T, out):
    """Pixels first, ... first + n of one channel from C into the row T, or (`out`) from T into C."""
    size, width = size_of(real), lanes_of(real)
    c, there = pointer(C, real), pointer(T, real)
    together = rows * columns if c_step == 1 and c_row == columns else columns
    done = 0
    while done < n:
        s, rest = (first + done) // (rows * columns), (first + done) % (rows * columns)
        length = min(together - rest % together, n - done)
        here = s * c_sample + rest // columns * c_row + rest % columns * c_step
        if c_step == 1:
            for k in range(0, length, width):
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
        done += length


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _panel(
    real, C, c_sample, c_channel, c_row, c_step, I, start, A, a_row, B, panel, T, first, n, grid_rows, grid_columns, rows, depth
):  # fmt: skip
    """All channels of one panel of pixels. Tiles write to C where its pixels lie side by side, else to T, from where they are carried over.

    With a_row 0, A is what was packed.
    """
    size = size_of(real)
    pixels = grid_rows * grid_columns
    whole = c_step == 1 and c_row == grid_columns and first // pixels == (first + n - 1) // pixels
    r = 0
    while r < rows:
        c = C + r * c_channel * size
        to, to_row, i, i_row = T, panel, I, -1
        if whole:
            to, to_row = c + (first // pixels * c_sample + first % pixels) * size, c_channel
        if start == 2:
            i = I + r * size
        elif start == 1:
            i, i_row = to, to_row
            if not whole:
                for k in range(min(_H0, rows - r)):
                    _scattered(
                        real, c + k * c_channel * size, c_sample, c_row, c_step, first, n, grid_rows, grid_columns,
                        T + k * panel * size, False,
                    )  # fmt: skip
        a, row, a_k = A + r * a_row * size, a_row, 1
        if a_row == 0:
            a, row, a_k = A + r * depth * size, 1, height_of(rows - r)
        height = _tile(real, a, row, a_k, B, panel, i, i_row, to, to_row, rows - r, n, depth)
        if not whole:
            for k in range(height):
                _scattered(
                    real, c + k * c_channel * size, c_sample, c_row, c_step, first, n, grid_rows, grid_columns,
                    T + k * panel * size, True,
                )  # fmt: skip
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
        step = min(max(DEPTH // n_taps, 1), channels) if n_taps > 0 else channels
        if n_taps == 0 and start == 1:
            continue
        most = max(WEIGHTS // max(step * n_taps, 1) // _H0 * _H0, _H0)
        pack = not in_order or together * pixels >= PACKED
        for s in range(begin, end, max(together, 1)):
            last = (min(s + together, end) - s) * pixels
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
                    for first in range(0, last, panel):
                        n = min(panel, last - first)
                        pack_patches(
                            real, b + k * b_channel * size, b_sample, b_channel, height, width, first, n,
                            grid_rows, grid_columns, step_u, step_v, taken, taps, n_taps, scratch, panel,
                        )  # fmt: skip
                        _panel(
                            real, c, c_sample, c_channel, c_row, c_step, i, start if k == 0 else 1,
                            a, row, scratch, panel, T, first, n, grid_rows, grid_columns, some, depth,
                        )  # fmt: skip
