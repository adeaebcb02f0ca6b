"""The gradient of a convolution's weights by Winograd's minimal filtering: the way of ops/winograd.py, backwards.

    dC/dU[x,j,k] = sum_pieces (A delta[j] A^T)[x] V[x,k]          dC/dW[j,k] = G^T (dC/dU[.,j,k]) G

16 multiplications for what costs the direct sum 36. For each of the 16 places a product on the micro-kernel: lanes are output channels, rows input channels, and k runs
through the pieces of all samples in their order, so no sum is cut and the bits do not depend on the shares. Units are output channels.

Words: units, 0, then WORDS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.gemm import panel_of_tiles
from fastnn.cpu.microkernel import Registers
from fastnn.cpu.share import share
from fastnn.cpu.transpose import transpose
from fastnn.cpu.vector import lanes_of, pointer, size_of
from fastnn.cpu.winograd import panel_in

__all__ = ["WORDS", "winograd_gradient"]

WORDS = (
    "g", "accumulate", "delta", "d_sample", "d_channel", "grid_rows", "grid_columns",
    "B", "b_sample", "b_channel", "height", "width", "pad_u", "pad_v", "samples", "channels",
)  # fmt: skip
TOGETHER = 64
"""Channels, in and out, of one round: their 16 x 64 x 64 sums are 256 KiB in float32, and stay in L2 until the last piece."""
GROUP = 16
"""Output channels whose delta is transformed before it is transposed."""
_INT64 = ir.IntType(64)


@intrinsic
def _delta_pieces(typing_context, dtype, S0, S1, high, D, d_place, n):  # type: ignore[no-untyped-def]
    """A delta A^T of n neighbouring pieces of one channel, whose rows begin at S0 and S1; of their numbers those before `high` are there."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *rows, high, D, d_place, n = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        masks = [vec.mask(high, part * vec.width) for part in range(2)]
        valid = vec.mask(n, 0)

        def up(d: list[Any]) -> list[Any]:
            """A d."""
            return [d[0], builder.fadd(d[0], d[1]), builder.fsub(d[0], d[1]), builder.fsub(vec.zero, d[1])]

        pixels = []
        for address in rows:
            parts = [vec.masked_load(vec.at(address, _INT64(p * vec.width)), masks[p]) for p in range(2)]
            pixels.append([vec.shuffled(*parts, list(range(c, 2 * vec.width, 2))) for c in range(2)])
        columns = [up([pixels[0][c], pixels[1][c]]) for c in range(2)]  # columns[c][place]
        for r in range(4):
            for c, value in enumerate(up([columns[0][r], columns[1][r]])):
                vec.masked_store(value, vec.at(D, builder.mul(d_place, _INT64(4 * r + c))), valid)
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 6), codegen


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _panel_delta(
    real, delta, d_sample, d_channel, rows, columns, first, n, across, down, channels, zeros, T, panel, M
):
    """M[x, p, j] of pieces first, ... first + n and all channels of the round, by way of T."""
    size, lanes = size_of(real), lanes_of(real)
    for group in range(0, channels, GROUP):
        some = min(GROUP, channels - group)
        done = 0
        while done < n:
            row, j = (first + done) // across, (first + done) % across
            i = row % down
            pieces = min(across - j, n - done, lanes)
            s0 = delta + (row // down * d_sample + group * d_channel + 2 * i * columns + 2 * j) * size
            s1, step1 = s0 + columns * size, d_channel * size
            if 2 * i + 1 >= rows:
                s1, step1 = zeros, 0
            for k in range(some):
                _delta_pieces(
                    real, s0, s1, columns - 2 * j, T + (k * panel + done) * size, GROUP * panel, pieces
                )
                s0 += d_channel * size
                s1 += step1
            done += pieces
        for x in range(16):
            transpose(
                real, T + x * GROUP * panel * size, panel, some, n, M + (x * panel * TOGETHER + group) * size, TOGETHER
            )  # fmt: skip


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _way_back(real, sums, rows, channels, g, g_row, accumulate):
    """g[j, k] (+)= G^T dU G of this round's channels; dU[x, k, j] lies in sums."""
    u, to = pointer(sums, real), pointer(g, real)
    half = real(0.5)
    place = TOGETHER * TOGETHER
    for j in range(rows):
        for k in range(channels):
            at, here = k * TOGETHER + j, j * g_row + k * 9
            for c in range(4):  # G^T dU, column c, in the place of rows 0 to 2 of dU
                a, b, d = u[at + c * place], u[at + (4 + c) * place], u[at + (8 + c) * place]
                u[at + (8 + c) * place] = half * (b + d) + u[at + (12 + c) * place]
                u[at + (4 + c) * place] = half * (b - d)
                u[at + c * place] = a + half * (b + d)
            for p in range(3):
                a, b = u[at + 4 * p * place], u[at + (4 * p + 1) * place]
                d, e = u[at + (4 * p + 2) * place], u[at + (4 * p + 3) * place]
                first, second, third = a + half * (b + d), half * (b - d), half * (b + d) + e
                if accumulate != 0:
                    first += to[here + 3 * p]
                    second += to[here + 3 * p + 1]
                    third += to[here + 3 * p + 2]
                to[here + 3 * p], to[here + 3 * p + 1], to[here + 3 * p + 2] = first, second, third


@njit(nogil=True, error_model="numpy", inline="always")
def winograd_gradient(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """g_W for this thread's output channels."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size, panel = size_of(real), 2 * lanes_of(real)
    g, accumulate, delta, d_sample, d_channel, rows, columns = w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    B, b_sample, b_channel, height, width, pad_u, pad_v = w[9], w[10], w[11], w[12], w[13], w[14], w[15]
    samples, channels = w[16], w[17]
    across, down = (columns + 1) // 2, (rows + 1) // 2
    pieces = samples * across * down
    sums = pointer(run, np.int64)[4]
    V = sums + 16 * TOGETHER * TOGETHER * size
    M = V + 16 * TOGETHER * panel * size
    T = M + 16 * TOGETHER * panel * size
    zeros = T + 16 * GROUP * panel * size
    zero, total = pointer(zeros, real), pointer(sums, real)
    for k in range(max(width, columns)):
        zero[k] = real(0)
    for j in range(low, high, TOGETHER):
        some = min(TOGETHER, high - j)
        for k in range(0, channels, TOGETHER):
            taken = min(TOGETHER, channels - k)
            for i in range(16 * TOGETHER * TOGETHER):
                total[i] = real(0)
            for first in range(0, pieces, panel):
                n = min(panel, pieces - first)
                panel_in(
                    real, B + k * b_channel * size, b_sample, b_channel, height, width, pad_u, pad_v, first, n, across, down,
                    taken, zeros, V, panel, TOGETHER * panel,
                )  # fmt: skip
                _panel_delta(
                    real, delta + j * d_channel * size, d_sample, d_channel, rows, columns, first, n, across, down, some,
                    zeros, T, panel, M,
                )  # fmt: skip
                for x in range(16):
                    panel_of_tiles(
                        real, sums + x * TOGETHER * TOGETHER * size, TOGETHER, V + x * TOGETHER * panel * size, panel,
                        M + x * panel * TOGETHER * size, TOGETHER, taken, some, n,
                    )  # fmt: skip
            _way_back(real, sums, some, taken, g + (j * channels + k) * 9 * size, channels * 9, accumulate)
