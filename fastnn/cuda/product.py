"""Matrix products by tiles:  c[i,j] = sum_k A[i,k] B[k,j]

A block of threads takes a tile of C. A slab of A and one of B, `depth` wide, lie in shared memory, k outermost; each thread multiplies what it
reads of them in its registers. While a slab is worked on, the next one is on its way from global memory into registers.

Where A's and B's elements lie is for their sides to know (sides.py): in a matrix, or in an image that is convolved. What lies beyond the edges counts
as zero, and every sum is taken in the order of k, so a result depends on nothing but the operands and the tile. The caller writes the sums:
`row_of(n)`, `column_of(n)` say which they are.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn.cuda.sides import side
from fastnn.cuda.storage import STORAGE_BYTES, storage
from fastnn.cuda.tile import Tile
from fastnn.cuda.toolkit import cuda, inlined, pointer, vectors

__all__ = ["tile_product"]


@cache
def tile_product(real: Any, tile: Tile, A_side: str, B_side: str) -> Any:
    """Device functions for one dtype and tile, and for kinds of sides: sums(A, B, rows, columns, first, last, i0, j0, c), row_of(n), column_of(n); and count.
    A thread's columns are numbered: column_number(n) is that of sum n, first_of(number) the first sum of one of own_columns.

    A and B are the tuples that their sides ask for, and k goes from `first` to `last`.
    """
    TM, TN, K, THREADS, COUNT = tile.own_rows, tile.own_columns, tile.depth, tile.threads, tile.count
    ROWS, COLUMNS = tile.rows, tile.columns
    ACROSS, DOWN = COLUMNS // TN, ROWS // TM  # threads
    V = min(TM, TN, 16 // np.dtype(real).itemsize)  # numbers in one load from shared memory
    # a row of k is padded by one vector: threads that store neighbouring k of one row hit different banks
    A_PITCH, B_PITCH = ROWS + V, COLUMNS + V
    A_EACH, B_EACH = ROWS * K // THREADS, COLUMNS * K // THREADS
    A_SIZE = K * A_PITCH
    assert (A_SIZE + K * B_PITCH) * np.dtype(real).itemsize <= STORAGE_BYTES
    # vectors of one thread lie a whole row of threads apart, so that neighbours read neighbouring vectors
    FAR_DOWN, FAR_ACROSS = V * DOWN, V * ACROSS
    zero = real(0)
    vector = vectors(V)

    @cuda.jit(device=True)
    def row_of(n):  # type: ignore[no-untyped-def]
        m = n // TN
        return m // V * FAR_DOWN + cuda.threadIdx.x // ACROSS * V + m % V

    @cuda.jit(device=True)
    def column_of(n):  # type: ignore[no-untyped-def]
        m = n % TN
        return m // V * FAR_ACROSS + cuda.threadIdx.x % ACROSS * V + m % V

    of_A, of_B = side(A_side, real, tile, ROWS), side(B_side, real, tile, COLUMNS)
    place_A, start_A, load_A, onward_A = of_A.place, of_A.start, of_A.load, of_A.onward
    place_B, start_B, load_B, onward_B = of_B.place, of_B.start, of_B.load, of_B.onward
    A_HELD, A_WORD, B_HELD, B_WORD = of_A.HELD, of_A.WORD, of_B.HELD, of_B.WORD

    @inlined
    def multiply(slabs, k, down, across, c):  # type: ignore[no-untyped-def]
        a, b = cuda.local.array(TM, real), cuda.local.array(TN, real)
        for m in range(0, TM, V):
            numbers = vector(slabs, k * A_PITCH + m // V * FAR_DOWN + down)
            for v in range(V):
                a[m + v] = numbers[v]
        for m in range(0, TN, V):
            numbers = vector(slabs, A_SIZE + k * B_PITCH + m // V * FAR_ACROSS + across)
            for v in range(V):
                b[m + v] = numbers[v]
        for m in range(TM):
            for n in range(TN):
                c[m * TN + n] += a[m] * b[n]

    @inlined
    def sums(A, B, rows, columns, first, last, i0, j0, c):  # type: ignore[no-untyped-def]
        slabs = pointer(storage(), real)
        a_held, b_held = cuda.local.array(A_HELD, A_WORD), cuda.local.array(B_HELD, B_WORD)
        A_next, B_next = cuda.local.array(A_EACH, real), cuda.local.array(B_EACH, real)
        t = cuda.threadIdx.x
        down, across = t // ACROSS * V, t % ACROSS * V
        for n in range(COUNT):
            c[n] = zero
        k0 = first
        start_A(a_held, A, rows, first, i0)
        start_B(b_held, B, columns, first, j0)
        load_A(A_next, A, a_held, rows, last, i0, k0)
        load_B(B_next, B, b_held, columns, last, j0, k0)
        while k0 < last:
            for n in range(A_EACH):
                k, i = place_A(n)
                slabs[k * A_PITCH + i] = A_next[n]
            for n in range(B_EACH):
                k, j = place_B(n)
                slabs[A_SIZE + k * B_PITCH + j] = B_next[n]
            cuda.syncthreads()
            k0 += K
            if k0 < last:
                onward_A(a_held, A)
                onward_B(b_held, B)
                load_A(A_next, A, a_held, rows, last, i0, k0)
                load_B(B_next, B, b_held, columns, last, j0, k0)
            k = 0
            while k < K:  # a range would count in 64 bits and select; NVVM unrolls neither, hence two steps
                multiply(slabs, k, down, across, c)
                multiply(slabs, k + 1, down, across, c)
                k += 2
            cuda.syncthreads()  # the slabs are overwritten next

    @inlined
    def column_number(n):  # type: ignore[no-untyped-def]
        return n % TN

    @inlined
    def first_of(number):  # type: ignore[no-untyped-def]
        return number

    return SimpleNamespace(
        sums=sums, row_of=row_of, column_of=column_of, count=COUNT,
        own_columns=TN, column_number=column_number, first_of=first_of,
    )  # fmt: skip
