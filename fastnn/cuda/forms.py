"""How a stage's first kernel is computed where a loop over its body would be slow: products, sums, gathered rows.

Each function here makes a device function run(w, C, step, row, seed, eta) for all threads of the grid, with constants of the stage bound: `w` points to the words listed with
it, `C` to the result; `after(i, operands(w, C, ...))` is what follows for element i of the result, done by the thread that has just written it. No sum depends on
how many blocks there are: two runs agree bit for bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnn.cuda.channels import channel_sums, plane_moments, plane_sums
from fastnn.cuda.convolved import convolution
from fastnn.cuda.product import tile_product
from fastnn.cuda.storage import storage
from fastnn.cuda.tile import TILES
from fastnn.cuda.toolkit import cuda, pointer

__all__ = [
    "channel_sums",
    "check",
    "collect",
    "column_sums",
    "convolution",
    "gather_rows",
    "plane_moments",
    "plane_sums",
    "product",
    "sum_of_parts",
]


def product(
    real: Any,
    tile: str,
    precision: str,
    A_along_k: bool,
    B_along_k: bool,
    split: bool,
    operands: Any,
    after: Any,
) -> Any:
    """C[i,j] = start[i,j] + sum_k A[i,k] B[k,j]; where `split`, sums over parts of k go to `parts` and nothing follows.

    words: start (or 0), its numbers from row to row, A, a_row, a_k, B, b_column, b_k, rows, columns, depth, splits, parts
    """
    form: Any
    shape: Any
    if precision == "float32":
        shape = TILES[tile]
        form = tile_product(
            real, shape, *("along" if along else "across" for along in (A_along_k, B_along_k))
        )
    else:
        from fastnn.cuda.tensor import (
            TENSOR_TILES,
            tensor_product,
        )  # inline assembly, which most networks do without

        shape = TENSOR_TILES[tile]
        form = tensor_product(real, precision, shape)
    sums, row_of, column_of, COUNT = form.sums, form.row_of, form.column_of, form.count
    RUN = min(COUNT, 16)
    ROWS, COLUMNS, DEPTH, SIZE = shape.rows, shape.columns, shape.depth, np.dtype(real).itemsize

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        start, start_row = pointer(w[0], real), w[1]
        A, B = pointer(w[2], real), pointer(w[5], real)
        rows, columns, depth, splits = w[8], w[9], w[10], w[11]
        c = cuda.local.array(COUNT, real)
        down, across = (rows + ROWS - 1) // ROWS, (columns + COLUMNS - 1) // COLUMNS
        share = (((depth + splits - 1) // splits + DEPTH - 1) // DEPTH) * DEPTH
        for work in range(cuda.blockIdx.x, down * across * splits, cuda.gridDim.x):
            part, place = work // (down * across), work % (down * across)
            i0, j0 = place // across * ROWS, place % across * COLUMNS
            first = part * share
            last = min(first + share, depth)
            # strides are read here: read before the loop, they would push sums out of the registers
            sums((A, w[3], w[4]), (B, w[6], w[7]), rows, columns, first, last, i0, j0, c)
            # loops of 16: longer ones are not unrolled, and the sums would leave the registers
            if w[0] != 0 and not split:
                for m in range(COUNT // RUN):
                    for k in range(RUN):
                        n = m * RUN + k
                        i, j = i0 + row_of(n), j0 + column_of(n)
                        if i < rows and j < columns:
                            c[n] += start[i * start_row + j]
            to = pointer(w[12] + part * rows * columns * SIZE, real) if split else C
            for m in range(COUNT // RUN):
                for k in range(RUN):
                    n = m * RUN + k
                    i, j = i0 + row_of(n), j0 + column_of(n)
                    if i < rows and j < columns:
                        to[i * columns + j] = c[n]
            if not split:  # a loop of its own: with what follows in the one above, sums would leave the registers; its operands too come late
                o = operands(w, C, step, row, seed, eta)
                for n in range(COUNT):
                    i, j = i0 + row_of(n), j0 + column_of(n)
                    if i < rows and j < columns:
                        after(i * columns + j, o)

    return run


def sum_of_parts(real: Any, operands: Any, after: Any) -> Any:
    """C[i] = start[i] + sum of parts, in their order.    words: start (or 0), its numbers from row to row, columns, n, splits, parts"""

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        start, parts = pointer(w[0], real), pointer(w[5], real)
        start_row, columns, n, splits = w[1], w[2], w[3], w[4]
        o = operands(w, C, step, row, seed, eta)
        threads = cuda.gridsize(1)
        i = cuda.grid(1)
        r, j = i // columns, i % columns  # row and column move on with i: dividing 64 bits for each is a call
        rows_on, columns_on = threads // columns, threads % columns
        while i < n:
            total = parts[i]
            for part in range(1, splits):
                total += parts[part * n + i]
            if w[0] != 0:
                total += start[r * start_row + j]
            C[i] = total
            after(i, o)
            i += threads
            r += rows_on
            j += columns_on
            if j >= columns:
                r += 1
                j -= columns

    return run


def column_sums(real: Any, threads: int, split: bool, operands: Any, after: Any) -> Any:
    """C[j] = start[j] + sum_s A[s,j]; where `split`, sums over parts of the rows go to `parts`.    words: start (or 0), A, rows, columns, splits, parts"""
    ACROSS = min(32, threads)  # neighbouring threads read neighbouring columns
    DOWN = threads // ACROSS
    zero = real(0)

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        mine = pointer(storage(), real)
        start, A, parts = pointer(w[0], real), pointer(w[1], real), pointer(w[5], real)
        rows, columns, splits = w[2], w[3], w[4]
        o = operands(w, C, step, row, seed, eta)
        t = cuda.threadIdx.x
        groups, share = (columns + ACROSS - 1) // ACROSS, (rows + splits - 1) // splits
        for work in range(cuda.blockIdx.x, groups * splits, cuda.gridDim.x):
            part, j = work // groups, work % groups * ACROSS + t % ACROSS
            total = zero
            if j < columns:
                for s in range(part * share + t // ACROSS, min((part + 1) * share, rows), DOWN):
                    total += A[s * columns + j]
            mine[t] = total
            cuda.syncthreads()
            if t < ACROSS and j < columns:
                for other in range(1, DOWN):
                    total += mine[other * ACROSS + t]
                if split:
                    parts[part * columns + j] = total
                else:
                    if w[0] != 0:
                        total += start[j]
                    C[j] = total
                    after(j, o)
            cuda.syncthreads()

    return run


def collect(real: Any, threads: int) -> Any:
    """total += sum of values, in float64, by one block.    words: values, n"""

    @cuda.jit(device=True)
    def run(w, total, step, row, seed, eta):  # type: ignore[no-untyped-def]
        mine = pointer(storage(), np.float64)
        values, n, t = pointer(w[0], real), w[1], cuda.threadIdx.x
        if cuda.blockIdx.x == 0:
            mine[t] = 0.0
            for s in range(t, n, threads):
                mine[t] += np.float64(values[s])
            cuda.syncthreads()
            if t == 0:
                summed = total[0]
                for other in range(threads):
                    summed += mine[other]
                total[0] = summed
            cuda.syncthreads()

    return run


def check(real: Any) -> Any:
    """bad = 1 where a value is not finite.    words: values, n"""

    @cuda.jit(device=True)
    def run(w, bad, step, row, seed, eta):  # type: ignore[no-untyped-def]
        values = pointer(w[0], real)
        for s in range(cuda.grid(1), w[1], cuda.gridsize(1)):
            if not math.isfinite(values[s]):
                bad[0] = 1

    return run


def gather_rows(real: Any) -> Any:
    """C[s,k] = X[order[row + s], k].    words: X, numbers in a row, order, rows"""

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        X, width, order = pointer(w[0], real), w[1], pointer(w[2], np.int64)
        threads = cuda.gridsize(1)
        i = cuda.grid(1)
        s, k = i // width, i % width
        rows_on, columns_on = threads // width, threads % width
        while i < w[3] * width:
            C[i] = X[order[row + s] * width + k]
            i += threads
            s += rows_on
            k += columns_on
            if k >= width:
                s += 1
                k -= width

    return run
