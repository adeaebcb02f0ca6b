"""The way back through a convolution of few channels that shrinks its image: every tap adds its product to another place of dC/da.

    P[k, y + p, x + q] += sum_j W[j,k,p,q] delta[j, y, x]          for one tap (p, q) after the other; dC/da is P without its edges

`convolve_direct` would multiply the zeros around delta as well: for 8 x 8 outputs of a 5 x 5 kernel twice as many numbers as delta has. Rows of delta are as
long as those of P, with zeros behind, so the numbers of one tap lie side by side. Words are those of `convolve`, steps are 1. Sums run over taps, and for each over j.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.convolve_direct import clear, few_rows, tile_of_few
from fastnn.cpu.patches import TAP_WORDS, copy_between
from fastnn.cpu.share import share
from fastnn.cpu.vector import lanes_of, pointer, size_of

__all__ = ["ROOM", "convolve_back"]

ROOM = 32_768
"""Numbers that delta with its zeros may have, and P."""


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _spread(real, S, s_channel, channels, rows, columns, long, D):
    """delta with rows of `long`; the zeros behind stay from one sample to the next."""
    size, lanes = size_of(real), lanes_of(real)
    for c in range(channels):
        for y in range(rows):
            s, d = S + (c * s_channel + y * columns) * size, D + (c * rows + y) * long * size
            for k in range(0, columns, lanes):
                copy_between(real, s + k * size, 0, columns - k, d + k * size, columns - k)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _crop(real, P, p_channel, long, C, c_channel, channels, rows, columns, add):
    """The part of P that is the image, into C, or added to it."""
    size, lanes = size_of(real), lanes_of(real)
    for c in range(channels):
        for y in range(rows):
            p, there = P + (c * p_channel + y * long) * size, C + (c * c_channel + y * columns) * size
            if add:
                a, b = pointer(there, real), pointer(p, real)
                for k in range(columns):
                    a[k] = a[k] + b[k]
            else:
                for k in range(0, columns, lanes):
                    copy_between(real, p + k * size, 0, columns - k, there + k * size, columns - k)


@njit(nogil=True, error_model="numpy", inline="always")
def convolve_back(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """C for this thread's samples."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size, panel = size_of(real), 2 * lanes_of(real)
    C, c_sample, c_channel, start = w[2], w[3], w[4], w[8]
    A, a_row, a_channel, a_group = w[9], w[10], w[11], w[12]
    B, b_sample, b_channel, height, width = w[14], w[15], w[16], w[17], w[18]
    rows, channels, groups = w[21], w[22], w[23]
    grid_rows, columns, n_taps = w[27], w[28], w[30]  # of the only phase
    taps = words + (26 + 5) * 8
    tap = pointer(taps, np.int64)
    top = left = 0
    tall, long = grid_rows, columns
    for k in range(n_taps):
        dy, dx = tap[k * TAP_WORDS], tap[k * TAP_WORDS + 1]
        top, left = max(top, dy), max(left, dx)
        tall, long = max(tall, height - dy), max(long, width - dx)
    tall, long = tall + top, long + left
    plane, pixels = tall * long, (height - 1) * long + width
    delta = pointer(run, np.int64)[4]
    P = delta + (ROOM + 2 * panel) * size
    table = P + (ROOM + 2 * panel) * size
    runs = table + channels * 8
    offsets, columns_of = pointer(table, np.int64), pointer(runs, np.int64)
    for c in range(channels):
        offsets[c] = c * height * long
    clear(real, delta, channels * height * long)
    for s in range(low, high):
        for group in range(groups):
            _spread(
                real, B + (s * b_sample + group * channels * b_channel) * size, b_channel, channels, height, width, long, delta
            )  # fmt: skip
            clear(real, P, rows * plane)
            weights = A + group * a_group * size
            for k in range(n_taps):
                there = P + ((top - tap[k * TAP_WORDS]) * long + left - tap[k * TAP_WORDS + 1]) * size
                a = weights + tap[k * TAP_WORDS + 2] * size
                for first in range(0, pixels, panel):
                    columns_of[0], columns_of[1], columns_of[2], columns_of[3] = (
                        1,
                        0,
                        min(panel, pixels - first),
                        0,
                    )
                    r = 0
                    while r < rows:
                        h = few_rows(rows - r)
                        c = there + (r * plane + first) * size
                        tile_of_few(
                            real, h, a + r * a_row * size, a_row, a_channel, delta + first * size, table, c, plane, c, plane, runs, channels
                        )  # fmt: skip
                        r += h
            _crop(
                real, P + (top * long + left) * size, plane, long, C + (s * c_sample + group * rows * c_channel) * size,
                c_channel, rows, grid_rows, columns, start == 1,
            )  # fmt: skip
