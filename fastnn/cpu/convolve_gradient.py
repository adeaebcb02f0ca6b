"""Tuned CPU kernels of a convolution's gradients, on the micro-kernel.

    g_W[j, (c, tap)] = start + sum_{pixels} delta[j, pixel] patch[(c, tap), pixel]          g_b[j] = start + sum_{pixels} delta[j, pixel]

The product is made the other way round: lanes of a register are output channels, rows of a tile (c, tap), k runs through the pixels of all
samples in their order. So patches are taken as they are packed, delta is transposed, and the sums lie in the workspace until all pixels
have been added. Units are output channels: no sum is ever cut, and the bits do not depend on the shares.

Words of gradient_W: units, 0, then WORDS, then the taps, TAP_WORDS each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.dot import dot
from fastnn.cpu.gemm import panel_of_tiles
from fastnn.cpu.patches import pack_patches
from fastnn.cpu.share import share
from fastnn.cpu.transpose import transpose
from fastnn.cpu.vector import pointer, size_of

__all__ = ["WORDS", "channel_sums", "patch_gradient"]

WORDS = (
    "g", "accumulate", "delta", "d_sample", "d_channel",
    "B", "b_sample", "b_channel", "height", "width",        # images
    "grid_rows", "grid_columns", "step_u", "step_v", "samples", "rows", "channels", "groups", "taps",
)  # fmt: skip
DEPTH = 256
"""Rows of patches at a time, as near as whole channels allow."""
PIXELS = 128
"""Pixels at a time: patches, transposed delta and sums of one round stay in L2 together."""
CHANNELS = 128
"""Output channels at a time."""
ONES = 1024
"""Pixels of one channel that are added up at a time."""


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _transposed_delta(real, delta, d_sample, d_channel, first, n, pixels, channels, D):
    """D[p, j] = delta of channel j at pixel first + p, pixels counted through all samples."""
    size = size_of(real)
    done = 0
    while done < n:
        s, p = (first + done) // pixels, (first + done) % pixels
        length = min(pixels - p, n - done)
        transpose(
            real, delta + (s * d_sample + p) * size, d_channel, channels, length, D + done * CHANNELS * size, CHANNELS
        )  # fmt: skip
        done += length


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _patches(
    real, B, b_sample, b_channel, height, width, first, n, pixels, columns, step_u, step_v, channels, taps, n_taps, D, d_row
):  # fmt: skip
    """Patches of pixels first, ... first + n, counted through all samples."""
    size = size_of(real)
    done = 0
    while done < n:
        s, p = (first + done) // pixels, (first + done) % pixels
        length = min(pixels - p, n - done)
        pack_patches(
            real, B + s * b_sample * size, b_channel, height, width, p, length, columns, step_u, step_v, channels,
            taps, n_taps, D + done * size, d_row,
        )  # fmt: skip
        done += length


@njit(nogil=True, error_model="numpy", inline="always")
def patch_gradient(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """g_W for this thread's output channels."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size = size_of(real)
    g, accumulate, delta, d_sample, d_channel = w[2], w[3], w[4], w[5], w[6]
    B, b_sample, b_channel, height, width = w[7], w[8], w[9], w[10], w[11]
    grid_rows, grid_columns, step_u, step_v = w[12], w[13], w[14], w[15]
    samples, rows, channels, groups, n_taps = w[16], w[17], w[18], w[19], w[20]
    taps = words + 21 * 8
    pixels = grid_rows * grid_columns
    row = channels * n_taps
    step = min(max(DEPTH // n_taps, 1), channels)
    most = min(PIXELS, DEPTH * PIXELS // n_taps)
    patches = pointer(run, np.int64)[4]
    turned = patches + DEPTH * PIXELS * size
    sums = turned + PIXELS * CHANNELS * size
    for group in range(groups):
        begin, end = max(low, group * rows), min(high, (group + 1) * rows)
        for k in range(0, channels, step):
            taken = min(step, channels - k)
            depth = taken * n_taps
            b = B + (group * channels + k) * b_channel * size
            for j in range(begin, end, CHANNELS):
                n = min(CHANNELS, end - j)
                here = g + (j * row + k * n_taps) * size
                if accumulate != 0:
                    transpose(real, here, row, n, depth, sums, CHANNELS)
                else:
                    zero = pointer(sums, real)
                    for i in range(depth * CHANNELS):
                        zero[i] = real(0)
                for first in range(0, samples * pixels, most):
                    together = min(most, samples * pixels - first)
                    _patches(
                        real, b, b_sample, b_channel, height, width, first, together, pixels, grid_columns,
                        step_u, step_v, taken, taps, n_taps, patches, most,
                    )  # fmt: skip
                    _transposed_delta(
                        real, delta + j * d_channel * size, d_sample, d_channel, first, together, pixels, n, turned
                    )  # fmt: skip
                    panel_of_tiles(real, sums, CHANNELS, patches, most, turned, CHANNELS, depth, n, together)
                transpose(real, sums, CHANNELS, depth, n, here, row)


@njit(nogil=True, error_model="numpy", inline="always")
def channel_sums(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """g_b for this thread's output channels. Words: units, 0, g, accumulate, delta, d_sample, d_channel, samples."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size = size_of(real)
    g, accumulate, delta, d_sample, d_channel, samples = w[2], w[3], w[4], w[5], w[6], w[7]
    scratch = pointer(run, np.int64)[4]
    one, total = pointer(scratch, real), pointer(g, real)
    for k in range(min(ONES, d_channel)):
        one[k] = real(1)
    if accumulate == 0:
        for j in range(low, high):
            total[j] = real(0)
    here = g + low * size
    for s in range(samples):
        for p in range(0, d_channel, ONES):
            dot(
                real, here, 1, here, 1, delta + (s * d_sample + low * d_channel + p) * size, d_channel, scratch, 0,
                high - low, 1, min(ONES, d_channel - p),
            )  # fmt: skip
