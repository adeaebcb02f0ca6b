"""Tuned CPU kernel of the affine map: the three products and the column sums of the bias, all on the micro-kernel.

Words: units, 0, then C, ldc, I, i_row, A, a_row, a_k, B, ldb, transposed, columns, depth, block, rows. Units are the rows of C where block is 0, else
blocks of that many columns; they are shared out. Every element is one chain in the order of k, so the bits do not depend on the shares.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.gemm import gemm
from fastnn.cpu.share import share
from fastnn.cpu.vector import pointer, size_of

__all__ = ["product"]


@njit(nogil=True, error_model="numpy", inline="always")
def product(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """C = I + A B for this thread's rows, or columns."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    if low == high:
        return
    size = size_of(real)
    C, ldc, I, i_row, A, a_row, a_k = w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    B, ldb, transposed, columns, depth = w[9], w[10], w[11] != 0, w[12], w[13]
    block, rows, row, column = w[14], w[15], low, 0
    if block != 0:
        row, column = 0, low * block
        columns = min(high * block, columns) - column
    else:
        rows = high - low
    gemm(
        real,
        C + (row * ldc + column) * size, ldc,
        I + (row * i_row + column) * size, i_row,
        A + row * a_row * size, a_row, a_k,
        B + column * (ldb if transposed else 1) * size, ldb, transposed,
        rows, columns, depth,
        pointer(run, np.int64)[4],
    )  # fmt: skip
