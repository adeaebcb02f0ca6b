"""Tuned CPU kernels of the affine map: the three products on the micro-kernel, and the column sums of the bias.

Words of a product: units (rows of C), 0, then C, ldc, I, i_row, A, a_row, a_k, B, ldb, transposed, columns, depth. Rows are shared out; every element
is one chain in the order of k, so the bits do not depend on the shares.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.gemm import gemm
from fastnn.cpu.share import share
from fastnn.cpu.vector import pointer, size_of

__all__ = ["column_sums", "product"]


@njit(nogil=True, error_model="numpy")
def product(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """C = I + A B for this thread's rows."""
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    if low == high:
        return
    size = size_of(real)
    C, ldc, I, i_row, A, a_row, a_k = w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    B, ldb, transposed, columns, depth = w[9], w[10], w[11] != 0, w[12], w[13]
    gemm(
        real,
        C + low * ldc * size, ldc,
        I + low * i_row * size, i_row,
        A + low * a_row * size, a_row, a_k,
        B, ldb, transposed,
        high - low, columns, depth,
        pointer(run, np.int64)[4],
    )  # fmt: skip


@njit(nogil=True, error_model="numpy")
def column_sums(real, words, run, t, team):  # type: ignore[no-untyped-def]
    """g[j] (+)= sum_s delta[s, j], as the product of a row of ones and delta, for this thread's columns.

    Words: units (columns), 0, g, I, step of I (0: a row of zeros), the one, delta, columns, batch.
    """
    w = pointer(words, np.int64)
    low, high = share(w[0], t, team)
    if low == high:
        return
    size = size_of(real)
    gemm(
        real,
        w[2] + low * size, 0,
        w[3] + low * w[4] * size, 0,
        w[5], 0, 0,
        w[6] + low * size, w[7], False,
        1, high - low, w[8],
        pointer(run, np.int64)[4],
    )  # fmt: skip
