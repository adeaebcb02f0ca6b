"""Tuned CPU kernels of Winograd's convolution (ops/winograd.py has the equations).

Panels of pieces, 2 registers of them, go through three stages that stay in the caches: V of some channels (lanes are neighbouring pieces), for each of the 16 places
a product of U and V on the micro-kernel, and the way back with the bias. Units are samples, or (sample, output channel). Sums run over channels in
their order, so the bits do not depend on the shares.

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
from fastnn.cpu.patches import copy_between
from fastnn.cpu.share import share
from fastnn.cpu.vector import lanes_of, pointer, size_of

__all__ = ["WORDS", "panel_in", "transform_weights", "winograd"]

WORDS = (
    "C", "c_sample", "c_channel", "grid_rows", "grid_columns",
    "I", "start",                                      # 0: from zero, 1: C itself, 2: I, one number for each row
    "U", "B", "b_sample", "b_channel", "height", "width", "pad_u", "pad_v", "rows", "channels", "by_channel",
)  # fmt: skip
TOGETHER = 128
"""Channels, in and out, of one round: V and the sums of 16 places are 256 KiB each, for float32 in registers of 64 bytes."""
_INT64 = ir.IntType(64)


@intrinsic
def _pieces_in(typing_context, dtype, S0, S1, S2, S3, low, high, D, d_place, n):  # type: ignore[no-untyped-def]
    """V of n neighbouring pieces of one channel. Row r of them begins at Sr; of its numbers those from low to before high are there, others are zero."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *rows, low, high, D, d_place, n = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        evens = list(range(0, 2 * vec.width, 2))
        masks = [[vec.between(low, high, c + part * vec.width) for part in range(2)] for c in range(4)]

        def row(address: Any) -> list[Any]:
            """d[r, c] of all pieces for c = 0 to 3: every other number from c on."""
            found = []
            for c in range(4):
                parts = [
                    vec.masked_load(vec.at(address, _INT64(c + part * vec.width)), masks[c][part])
                    for part in range(2)
                ]
                found.append(vec.shuffled(*parts, evens))
            return found

        def difference(d: list[Any]) -> list[Any]:
            """B^T d."""
            return [
                builder.fsub(d[0], d[2]),
                builder.fadd(d[1], d[2]),
                builder.fsub(d[2], d[1]),
                builder.fsub(d[1], d[3]),
            ]

        pixels = [row(address) for address in rows]
        down = [difference([pixels[r][c] for r in range(4)]) for c in range(4)]  # down[c][place]
        valid = vec.mask(n, 0)
        for r in range(4):
            for c, value in enumerate(difference([down[k][r] for k in range(4)])):
                place = builder.mul(d_place, _INT64(4 * r + c))
                vec.masked_store(value, vec.at(D, place), valid)
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 9), codegen


@intrinsic
def _pieces_out(typing_context, dtype, M, m_place, b, keep, C, c_row, first, second):  # type: ignore[no-untyped-def]
    """A^T M A + b of neighbouring pieces of one channel: `first` numbers of their upper row, `second` of the lower one; added to C where keep is not 0."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        M, m_place, b, keep, C, c_row, first, second = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        bias = vec.splat(b, vec.type)
        kept = builder.icmp_signed("!=", keep, _INT64(0))

        def both(m: list[Any]) -> list[Any]:
            """A^T m."""
            total, rest = builder.fadd(m[1], m[2]), builder.fsub(m[1], m[2])
            return [builder.fadd(m[0], total), builder.fsub(rest, m[3])]

        places = [vec.load(vec.at(M, builder.mul(m_place, _INT64(x)))) for x in range(16)]
        down = [both([places[4 * r + c] for r in range(4)]) for c in range(4)]  # down[c][row of the output]
        w = vec.width
        halves = [[i // 2 + (i % 2) * w + half * w // 2 for i in range(w)] for half in range(2)]
        for row, count in enumerate((first, second)):
            left, right = (builder.fadd(bias, y) for y in both([down[c][row] for c in range(4)]))
            for half in range(2):
                value = vec.shuffled(left, right, halves[half])
                place = vec.at(C, builder.add(builder.mul(c_row, _INT64(row)), _INT64(half * w)))
                mask = vec.mask(count, half * w)
                before = vec.masked_load(place, vec.mask(builder.select(kept, count, _INT64(0)), half * w))
                vec.masked_store(builder.fadd(value, before), place, mask)
        return context.get_dummy_value()

    return types.void(dtype, types.int64, types.int64, dtype.dtype, *[types.int64] * 5), codegen


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def panel_in(
    real, B, b_sample, b_channel, height, width, pad_u, pad_v, first, n, across, down, channels, zeros, V, panel, d_place
):  # fmt: skip
    """V[x, k, p] of pieces first, ... first + n, counted row by row, `across` in each, and sample by sample."""
    size, lanes = size_of(real), lanes_of(real)
    done = 0
    while done < n:
        row, j = (first + done) // across, (first + done) % across
        some = min(across - j, n - done, lanes)
        y, x = 2 * (row % down) - pad_u, 2 * j - pad_v
        s0 = B + (row // down * b_sample + y * width + x) * size
        step = b_channel * size
        s1, s2, s3 = s0 + width * size, s0 + 2 * width * size, s0 + 3 * width * size
        step0 = step1 = step2 = step3 = step
        if y < 0 or y >= height:
            s0, step0 = zeros + x * size, 0
        if y + 1 < 0 or y + 1 >= height:
            s1, step1 = zeros + x * size, 0
        if y + 2 < 0 or y + 2 >= height:
            s2, step2 = zeros + x * size, 0
        if y + 3 < 0 or y + 3 >= height:
            s3, step3 = zeros + x * size, 0
        low, high = -x, width - x
        d = V + done * size
        for _ in range(channels):
            _pieces_in(real, s0, s1, s2, s3, low, high, d, d_place, some)
            s0 += step0
            s1 += step1
            s2 += step2
            s3 += step3
            d += panel * size
        done += some


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _panel_out(
    real, M, panel, first, n, across, down, rows, I, start, C, c_sample, c_channel, grid_rows, grid_columns
):
    """The way back for pieces first, ... first + n of all output channels of the round."""
    size, lanes = size_of(real), lanes_of(real)
    bias = pointer(I, real)
    done = 0
    while done < n:
        row, j = (first + done) // across, (first + done) % across
        i = row % down
        some = min(across - j, n - done, lanes)
        upper = min(2 * some, grid_columns - 2 * j)
        lower = upper if 2 * i + 1 < grid_rows else 0
        c, m = C + (row // down * c_sample + 2 * i * grid_columns + 2 * j) * size, M + done * size
        for r in range(rows):
            b = bias[r] if start == 2 else real(0)
            _pieces_out(real, m, TOGETHER * panel, b, start == 1, c, grid_columns, upper, lower)
            c += c_channel * size
            m += panel * size
        done += some


@njit(nogil=True, error_model="numpy", inline="always")
def winograd(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """C for this thread's samples, or output channels."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size, panel = size_of(real), 2 * lanes_of(real)
    C, c_sample, c_channel, grid_rows, grid_columns, I, start, U = (
        w[2],
        w[3],
        w[4],
        w[5],
        w[6],
        w[7],
        w[8],
        w[9],
    )
    B, b_sample, b_channel, height, width, pad_u, pad_v = w[10], w[11], w[12], w[13], w[14], w[15], w[16]
    rows, channels, by_channel = w[17], w[18], w[19] != 0
    V = pointer(run, np.int64)[4]
    M = V + 16 * TOGETHER * panel * size
    zeros = M + 16 * TOGETHER * panel * size
    zero = pointer(zeros, real)
    across, down = (grid_columns + 1) // 2, (grid_rows + 1) // 2
    for k in range(width):
        zero[k] = real(0)
    of_sample, together = (rows, 1) if by_channel else (1, max(high - low, 1))
    for s in range(low // of_sample, -(-high // of_sample), together):
        begin, end, pieces = 0, rows, together * across * down
        if by_channel:
            begin, end = max(low - s * rows, 0), min(high - s * rows, rows)
        for r in range(begin, end, TOGETHER):
            some = min(TOGETHER, end - r)
            for first in range(0, pieces, panel):
                n = min(panel, pieces - first)
                wide = panel if n > lanes_of(real) else lanes_of(real)
                for k in range(0, channels, TOGETHER):
                    taken = min(TOGETHER, channels - k)
                    panel_in(
                        real, B + (s * b_sample + k * b_channel) * size, b_sample, b_channel, height, width, pad_u, pad_v,
                        first, n, across, down, taken, zeros, V, panel, TOGETHER * panel,
                    )  # fmt: skip
                    for x in range(16):
                        of_place = x * TOGETHER * panel * size
                        if k == 0:
                            sums = pointer(M + of_place, real)
                            for i in range(some * panel):
                                sums[i] = real(0)
                        panel_of_tiles(
                            real, M + of_place, panel, U + ((x * rows + r) * channels + k) * size, channels,
                            V + of_place, panel, some, wide, taken,
                        )  # fmt: skip
                _panel_out(
                    real, M, panel, first, n, across, down, some, I + (r * size if start == 2 else 0), start,
                    C + (s * c_sample + r * c_channel) * size, c_sample, c_channel, grid_rows, grid_columns,
                )  # fmt: skip


@njit(nogil=True, error_model="numpy", inline="always")
def transform_weights(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """U for this thread's rows. Words: units, 0, U, W, rows, channels, w_row, w_channel, turned. Units are output channels of U."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    size, lanes = size_of(real), lanes_of(real)
    U, W = w[2], pointer(w[3], real)
    rows, channels, w_row, w_channel, turned = w[4], w[5], w[6], w[7], w[8] != 0
    half = real(0.5)
    first, step = (8, -1) if turned else (0, 1)
    # a row of each place in the workspace, then rows are carried over: 16 places a power of two apart would share a few lines of L1
    to = pointer(run, np.int64)[4]
    long = channels + lanes
    place = pointer(to, real)
    for j in range(low, high):
        for k in range(channels):
            g = j * w_row + k * w_channel + first
            a0, b0, c0 = W[g], W[g + step], W[g + 2 * step]
            a3, b3, c3 = W[g + 6 * step], W[g + 7 * step], W[g + 8 * step]
            even = half * (a0 + a3), half * (b0 + b3), half * (c0 + c3)
            odd = half * W[g + 3 * step], half * W[g + 4 * step], half * W[g + 5 * step]
            a1, b1, c1 = even[0] + odd[0], even[1] + odd[1], even[2] + odd[2]
            a2, b2, c2 = even[0] - odd[0], even[1] - odd[1], even[2] - odd[2]
            place[k] = a0
            place[long + k] = half * (a0 + b0 + c0)
            place[2 * long + k] = half * (a0 - b0 + c0)
            place[3 * long + k] = c0
            place[4 * long + k] = a1
            place[5 * long + k] = half * (a1 + b1 + c1)
            place[6 * long + k] = half * (a1 - b1 + c1)
            place[7 * long + k] = c1
            place[8 * long + k] = a2
            place[9 * long + k] = half * (a2 + b2 + c2)
            place[10 * long + k] = half * (a2 - b2 + c2)
            place[11 * long + k] = c2
            place[12 * long + k] = a3
            place[13 * long + k] = half * (a3 + b3 + c3)
            place[14 * long + k] = half * (a3 - b3 + c3)
            place[15 * long + k] = c3
        for x in range(16):
            here, there = to + x * long * size, U + (x * rows + j) * channels * size
            for k in range(0, channels, lanes):
                copy_between(real, here + k * size, 0, channels - k, there + k * size, channels - k)
