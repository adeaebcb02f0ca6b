"""A kernel that does nothing but multiply on tensor cores, for the tests of fastnn/cuda/tensor.py."""

TEXT = """import numpy as np

from fastnn.cuda import tensor
from fastnn.cuda.toolkit import cuda, pointer

tile = tensor.{tile}
form = tensor.tensor_product(np.float32, "{precision}", tile)
sums, row_of, column_of, COUNT = form.sums, form.row_of, form.column_of, form.count
ROWS, COLUMNS, GROUP = tile.rows, tile.columns, min(COUNT, 16)


def kernel(words, run):
    w = pointer(words, np.int64)
    c = cuda.local.array(COUNT, np.float32)
    across = (w[7] + COLUMNS - 1) // COLUMNS
    i0, j0 = cuda.blockIdx.x // across * ROWS, cuda.blockIdx.x % across * COLUMNS
    A, B = (pointer(w[0], np.float32), w[1], w[2]), (pointer(w[3], np.float32), w[4], w[5])
    sums(A, B, w[6], w[7], w[8], w[9], i0, j0, c)
    C, rows, columns = pointer(w[10], np.float32), w[6], w[7]
    for m in range(COUNT // GROUP):
        for n in range(GROUP * m, GROUP * (m + 1)):
            i, j = i0 + row_of(n), j0 + column_of(n)
            if i < rows and j < columns:
                C[i * columns + j] = c[n]
"""
"""words: A, a_row, a_k, B, b_column, b_k, rows, columns, first, last, C; one block a tile."""


def tensor_kernel(precision: str, tile: str) -> str:
    return TEXT.format(precision=precision, tile=tile)
