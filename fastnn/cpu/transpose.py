"""Transposing between rows of samples and lanes of samples, block by block in registers."""

from __future__ import annotations

from numba import njit

from fastnn.cpu.microkernel import transpose_exact_block
from fastnn.cpu.vector import lanes_of, pointer, size_of

__all__ = ["transpose"]


SHORT = 4
"""Rows so short that moving numbers one by one beats whole registers with most lanes empty."""


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def transpose(real, S, s_row, rows, columns, D, d_row):
    """D[k, j] = S[j, k] for j < rows, k < columns; addresses, and row strides in elements."""
    width, size = lanes_of(real), size_of(real)
    if columns <= SHORT:
        s, d = pointer(S, real), pointer(D, real)
        for k in range(columns):
            for j in range(rows):
                d[k * d_row + j] = s[j * s_row + k]
        return
    if rows <= SHORT:
        s, d = pointer(S, real), pointer(D, real)
        for j in range(rows):
            for k in range(columns):
                d[k * d_row + j] = s[j * s_row + k]
        return
    for j in range(0, rows, width):
        for k in range(0, columns, width):
            transpose_exact_block(
                real,
                S + (j * s_row + k) * size, s_row, min(width, rows - j), min(width, columns - k),
                D + (k * d_row + j) * size, d_row,
            )  # fmt: skip
