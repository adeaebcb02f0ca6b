"""Matrix product  C[r, j] = I[r, j] + sum_k A[r, k] B[k, j]  on the micro-kernel, for all three products of a dense layer.

A is read one number at a time, so any strides will do; B and C have their columns j side by side, or B is handed over
transposed (B[k, j] at j * ldb + k) and is packed through registers, panel by panel. I is what the sums start from: C itself
(accumulate), a bias row or zeros (row stride 0). Rows may be dealt out to threads in any way: the bits stay the same.
"""

from __future__ import annotations

from numba import njit

from fastnn.cpu.microkernel import copy_lanes, make_tile, transpose_block
from fastnn.cpu.vector import lanes, lanes_of, register_count, size_of

__all__ = ["DEPTH", "gemm", "scratch_size"]

DEPTH = 256
"""Depth of one packed panel: 256 x 32 float32 are 32 KiB, which stay in L1 while all rows pass over them."""

_H0, _H1, _H2, _H3, _H4 = (14, 8, 4, 2, 1) if register_count() == 32 else (6, 4, 3, 2, 1)
_wide0, _wide1, _wide2, _wide3, _wide4 = (make_tile(rows, 2) for rows in (_H0, _H1, _H2, _H3, _H4))
_thin0, _thin1, _thin2, _thin3, _thin4 = (make_tile(rows, 1) for rows in (_H0, _H1, _H2, _H3, _H4))


def scratch_size(dtype: str) -> int:
    """Elements that one thread needs to pack a panel of two registers' width."""
    return (DEPTH + lanes(dtype)) * 2 * lanes(dtype)


@njit(nogil=True, error_model="numpy")
def _pack(real, B, ldb, transposed, columns, depth, panel, D):
    """D[k, 0:panel] = B[k, 0:columns], zeros beyond the columns."""
    width = lanes_of(real)
    size = size_of(real)
    if transposed:
        for k in range(0, depth, width):
            for j in range(0, panel, width):
                rows = min(width, max(columns - j, 0))
                transpose_block(
                    real, B + (j * ldb + k) * size, ldb, rows, min(width, depth - k), D + (k * panel + j) * size, panel
                )
    else:
        for k in range(depth):
            for j in range(0, panel, width):
                copy_lanes(real, B + (k * ldb + j) * size, max(columns - j, 0), D + (k * panel + j) * size)


@njit(nogil=True, error_model="numpy")
def gemm(real, C, ldc, I, ldi, A, a_row, a_k, B, ldb, transposed, rows, columns, depth, scratch):
    """C = I + A B; addresses are int64, sizes and strides count elements, scratch holds `scratch_size` elements."""
    width = lanes_of(real)
    size = size_of(real)
    for j in range(0, columns, 2 * width):
        n = min(2 * width, columns - j)
        panel = 2 * width if n > width else width
        start, start_row = I + j * size, ldi
        for k in range(0, max(depth, 1), DEPTH):
            d = min(DEPTH, depth - k)
            if transposed:
                _pack(real, B + (j * ldb + k) * size, ldb, True, n, d, panel, scratch)
                b, b_k = scratch, panel
            elif n < panel:
                _pack(real, B + (k * ldb + j) * size, ldb, False, n, d, panel, scratch)
                b, b_k = scratch, panel
            else:
                b, b_k = B + (k * ldb + j) * size, ldb
            r = 0
            while r < rows:
                a = A + (r * a_row + k * a_k) * size
                i = start + r * start_row * size
                c = C + (r * ldc + j) * size
                left = rows - r
                if n > width:
                    if left >= _H0:
                        _wide0(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                        r += _H0
                    elif left >= _H1:
                        _wide1(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                        r += _H1
                    elif left >= _H2:
                        _wide2(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                        r += _H2
                    elif left >= _H3:
                        _wide3(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                        r += _H3
                    else:
                        _wide4(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                        r += _H4
                elif left >= _H0:
                    _thin0(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                    r += _H0
                elif left >= _H1:
                    _thin1(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                    r += _H1
                elif left >= _H2:
                    _thin2(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                    r += _H2
                elif left >= _H3:
                    _thin3(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                    r += _H3
                else:
                    _thin4(real, a, a_row, a_k, b, b_k, i, start_row, c, ldc, n, d)
                    r += _H4
            start, start_row = C + j * size, ldc
