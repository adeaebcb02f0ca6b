"""Matrix product  C[r, j] = I[r, j] + sum_k A[r, k] B[k, j]  on the micro-kernel, for all three products of a dense layer.

A is read one number at a time, so any strides will do; B and C have their columns j side by side, or B is handed over
transposed (B[k, j] at j * ldb + k) and is packed through registers, panel by panel. I is what the sums start from: C itself
(accumulate), a bias row or zeros (row stride 0). Rows may be dealt out to threads in any way: the bits stay the same.
"""

from __future__ import annotations

from numba import njit

from fastnn.cpu.microkernel import copy_lanes, make_tile, transpose_block, transpose_full_block
from fastnn.cpu.vector import lanes, lanes_of, register_count, size_of

__all__ = ["DEPTH", "DIRECT_DEPTH", "gemm", "scratch_size"]

DEPTH = 128
"""Depth of one packed panel: 128 x 32 float32 are 16 KiB, which stay in L1 beside the rows they are packed from (256: 15 % slower)."""
DIRECT_DEPTH = 512
"""Depth taken at once where B is read where it lies."""

_H0, _H1, _H2, _H3, _H4 = (14, 8, 4, 2, 1) if register_count() == 32 else (6, 4, 3, 2, 1)
_wide0, _wide1, _wide2, _wide3, _wide4 = (make_tile(rows, 2) for rows in (_H0, _H1, _H2, _H3, _H4))
_thin0, _thin1, _thin2, _thin3, _thin4 = (make_tile(rows, 1) for rows in (_H0, _H1, _H2, _H3, _H4))


def scratch_size(dtype: str) -> int:
    """Elements that one thread needs to pack a panel of two registers' width."""
    return (DEPTH + lanes(dtype)) * 2 * lanes(dtype)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _pack(real, B, ldb, transposed, columns, depth, panel, D):
    """D[k, 0:panel] = B[k, 0:columns], zeros beyond the columns."""
    width = lanes_of(real)
    size = size_of(real)
    if transposed:
        for j in range(0, panel, width):
            for k in range(
                0, depth, width
            ):  # along the rows of B: each load of the block meets its next line, and prefetches
                S, T = B + (j * ldb + k) * size, D + (k * panel + j) * size
                rows = min(width, max(columns - j, 0))
                if rows == width and depth - k >= width:
                    transpose_full_block(real, S, ldb, T, panel)
                else:
                    transpose_block(real, S, ldb, rows, min(width, depth - k), T, panel)
    else:
        for k in range(depth):
            for j in range(0, panel, width):
                copy_lanes(real, B + (k * ldb + j) * size, max(columns - j, 0), D + (k * panel + j) * size)


@njit(nogil=True, error_model="numpy", inline="always")
def gemm(real, C, ldc, I, ldi, A, a_row, a_k, B, ldb, transposed, rows, columns, depth, scratch):
    """C = I + A B; addresses are int64, sizes and strides count elements, scratch holds `scratch_size` elements."""
    width = lanes_of(real)
    size = size_of(real)
    for j in range(0, columns, 2 * width):
        n = min(2 * width, columns - j)
        panel = 2 * width if n > width else width
        start, start_row = I + j * size, ldi
        packed = transposed or n < panel
        step = DEPTH if packed else DIRECT_DEPTH
        for k in range(0, max(depth, 1), step):
            d = min(step, depth - k)
            b, b_k = B + (j * ldb + k if transposed else k * ldb + j) * size, ldb
            if packed:
                _pack(real, b, ldb, transposed, n, d, panel, scratch)
                b, b_k = scratch, panel
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
