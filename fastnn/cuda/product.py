"""Matrix products by tiles:  c[i,j] = sum_k A[i,k] B[k,j]

A block of threads takes a tile of C. A slab of A and one of B, `depth` wide, lie in shared memory, k outermost; each thread multiplies what it
reads of them in its registers. While a slab is worked on, the next one is on its way from global memory into registers.

    A[i,k] = A[i * a_row + k * a_k]      B[k,j] = B[j * b_column + k * b_k]      one stride of each is 1

Neighbouring threads load neighbouring numbers whichever that is. What lies beyond the edges counts as zero, and every sum is taken in the order
of k, so a result depends on nothing but the operands and the tile. The caller writes the sums: `row_of(n)`, `column_of(n)` say which they are.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn.cuda.storage import STORAGE_BYTES, storage
from fastnn.cuda.tile import Tile
from fastnn.cuda.toolkit import cuda, inlined, pointer, vectors

__all__ = ["tile_product"]


@cache
def tile_product(real: Any, tile: Tile, A_ALONG_K: bool, B_ALONG_K: bool) -> Any:
    """Device functions for one dtype and tile, and for which strides are 1: sums(A, a_row, a_k, B, b_column, b_k, rows, columns, first, last, i0, j0, c), row_of(n), column_of(n)."""
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

    place_A, begin_A, load_A = _loads(real, tile, ROWS, A_EACH, A_ALONG_K)
    place_B, begin_B, load_B = _loads(real, tile, COLUMNS, B_EACH, B_ALONG_K)

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
    def sums(A, a_row, a_k, B, b_column, b_k, rows, columns, first, last, i0, j0, c):  # type: ignore[no-untyped-def]
        slabs = pointer(storage(), real)
        A_next, B_next = cuda.local.array(A_EACH, real), cuda.local.array(B_EACH, real)
        t = cuda.threadIdx.x
        down, across = t // ACROSS * V, t % ACROSS * V
        for n in range(COUNT):
            c[n] = zero
        k0 = first
        a_stride, b_stride = a_row if A_ALONG_K else a_k, b_column if B_ALONG_K else b_k
        a_at, b_at = begin_A(a_stride, first, i0), begin_B(b_stride, first, j0)
        load_A(A_next, A, a_at, a_stride, rows, last, i0, k0)
        load_B(B_next, B, b_at, b_stride, columns, last, j0, k0)
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
                a_at += K if A_ALONG_K else K * a_stride
                b_at += K if B_ALONG_K else K * b_stride
                load_A(A_next, A, a_at, a_stride, rows, last, i0, k0)
                load_B(B_next, B, b_at, b_stride, columns, last, j0, k0)
            k = 0
            while k < K:  # a range would count in 64 bits and select; NVVM unrolls neither, hence two steps
                multiply(slabs, k, down, across, c)
                multiply(slabs, k + 1, down, across, c)
                k += 2
            cuda.syncthreads()  # the slabs are overwritten next

    return SimpleNamespace(sums=sums, row_of=row_of, column_of=column_of, count=COUNT)


def _loads(real: Any, tile: Tile, extent: int, each: int, along_k: bool) -> Any:
    """place(n) -> (k, i) of this thread's n-th number of a slab; begin(stride, first, i0) -> where its first one lies in M; load(...) brings all from there."""
    K, THREADS = tile.depth, tile.threads
    zero = real(0)

    LINE = K if along_k else extent  # numbers that lie side by side in memory: neighbouring threads take them
    STEP = THREADS // LINE

    @cuda.jit(device=True)
    def place(n):  # type: ignore[no-untyped-def]
        near, far = cuda.threadIdx.x % LINE, cuda.threadIdx.x // LINE + n * STEP
        return (near, far) if along_k else (far, near)

    @cuda.jit(device=True)
    def begin(stride, first, i0):  # type: ignore[no-untyped-def]
        near, far = cuda.threadIdx.x % LINE, cuda.threadIdx.x // LINE
        return (i0 + far) * stride + first + near if along_k else (first + far) * stride + i0 + near

    @inlined
    def load(to, M, at, stride, beyond, last, i0, k0):  # type: ignore[no-untyped-def]
        for n in range(each):
            k, i = place(n)
            to[n] = zero
            if i0 + i < beyond and k0 + k < last:
                to[n] = M[at + n * STEP * stride]

    return place, begin, load
