"""Tuned CPU kernel of the affine map: the three products and the column sums of the bias, all on the micro-kernel.

Words: units, 0, then C, ldc, I, i_row, A, a_row, a_k, B, ldb, transposed, columns, depth, block, rows. Units are the rows of C where block is 0, else
blocks of that many columns; they are shared out. Every element is one chain in the order of k, so the bits do not depend on the shares.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fastnn.cpu.dot import dot, dot_pays
from fastnn.cpu.gemm import block_offset, gemm
from fastnn.cpu.share import share
from fastnn.cpu.transpose import transpose
from fastnn.cpu.vector import lanes_of, pointer, size_of

__all__ = ["product"]


LONGEST = 4096
"""Rows of C up to which its transpose fits into the workspace."""


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
    scratch = pointer(run, np.int64)[4]
    C, I, A = C + (row * ldc + column) * size, I + (row * i_row + column) * size, A + row * a_row * size
    B += column * (ldb if transposed else 1) * size
    if transposed and a_k == 1 and dot_pays(w[15], w[12], depth):
        dot(real, C, ldc, I, i_row, A, a_row, B, ldb, rows, columns, depth)
        return
    turned = (  # with a_k 1 too, A is one column, and I may be a row of biases
        a_row == 1
        and a_k != 1
        and not transposed
        and 2 * columns <= lanes_of(real)
        and 2 * columns <= rows <= LONGEST
    )
    T, T_row = C, ldc
    if turned:  # few columns fill a part of a register: the other way round, the rows fill it
        T, T_row = scratch + block_offset(real) * size, rows
        if i_row != 0:  # else I are zeros, a row as long as either side of C
            transpose(real, I, i_row, rows, columns, T, rows)
            I, i_row = T, rows
        A, a_row, a_k, B, ldb = B, 1, ldb, A, a_k
        rows, columns = columns, rows
    gemm(real, T, T_row, I, i_row, A, a_row, a_k, B, ldb, transposed, rows, columns, depth, scratch)
    if turned:
        transpose(real, T, T_row, rows, columns, C, ldc)
