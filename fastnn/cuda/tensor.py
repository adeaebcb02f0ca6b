"""A tile of C = A B on tensor cores: float32 in memory, TF32 or bf16 in shared memory, float32 sums in registers.

    C[i,j] = sum_k A[i,k] B[k,j]        i in rows, j in columns, k in [first, last)

A block of `tile.threads` threads computes `tile.rows` x `tile.columns` of C, each warp a part of it by `mma.sync`. k is walked in slabs: while
the warps multiply the first half of one from shared memory, A's part of the next is on its way from global memory to registers, and during the
second half B's. Two slabs in shared memory, so the block meets once a slab. Everything that is not inside A or B counts as zero.

The slabs lie in `slab.py`'s order, in which a lane gets all of A's part for one instruction, and B's for two, by one load of 16 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn.cuda.mma import multiply, read_words
from fastnn.cuda.slab import BYTES, DEPTH, WORDS, place, slab
from fastnn.cuda.storage import STORAGE_BYTES, storage
from fastnn.cuda.toolkit import SIMULATED, cuda, inlined, pointer

__all__ = ["LARGE", "MEDIUM", "SMALL", "TENSOR_TILES", "TINY", "TensorTile", "tensor_product"]


@dataclass(frozen=True)
class TensorTile:
    """What a block computes: rows x columns of C, shared among down x across warps; in a slab, `slabs` times 16 words of each row and column.

    Powers of two. A warp gets a multiple of 16 rows and of 16 columns. Threads are at least twice the larger side: two rows of 4 words are what one carries.
    """

    name: str
    rows: int
    columns: int
    down: int
    across: int
    slabs: int

    @property
    def threads(self) -> int:
        return 32 * self.down * self.across

    @property
    def depth(self) -> int:
        """How many k make a slab in TF32, half of one in bf16."""
        return DEPTH["tf32"] * self.slabs

    @property
    def count(self) -> int:
        """Sums that a thread keeps."""
        return self.rows * self.columns // self.threads


LARGE = TensorTile("large", 128, 128, down=2, across=4, slabs=1)
MEDIUM = TensorTile("medium", 64, 64, down=2, across=4, slabs=2)
SMALL = TensorTile("small", 32, 64, down=2, across=4, slabs=2)
TINY = TensorTile("tiny", 16, 16, down=1, across=1, slabs=1)
"""A single warp: for the simulator, which is slow by the thread. On a GPU, blocks have the threads of the others."""

TENSOR_TILES = {tile.name: tile for tile in ((TINY,) if SIMULATED else (LARGE, MEDIUM, SMALL))}
"""Largest first. All fit into 128 registers a thread and 32 KiB of shared memory a block (tests/test_cuda_tensor.py)."""


@cache
def tensor_product(
    real: Any, precision: str, tile: TensorTile, A_side: str = "along", B_side: str = "along"
) -> Any:
    """Device functions: sums(A, B, rows, columns, first, last, i0, j0, c), row_of(n), column_of(n); and count.

    A and B are the tuples that their sides ask for (sides.py): (pointer to float32, by_i, by_k) of a matrix, "along" or "across", read fast where one
    of the two is 1. All threads of the block call it; c, a cuda.local.array of `count` numbers, gets this thread's sums of the tile whose first element is C[i0,j0]: sum n
    is that of row i0 + row_of(n), column j0 + column_of(n). column_number(n), first_of(number), own_columns as in product.py. TypeError where real is not float32.
    """
    if np.dtype(real) != np.float32:
        raise TypeError(f"tensor cores multiply float32 networks here, not {np.dtype(real)}")
    ROWS, COLUMNS, DOWN, ACROSS, SLABS = tile.rows, tile.columns, tile.down, tile.across, tile.slabs
    STEP = DEPTH[precision] * SLABS
    M, N = ROWS // DOWN // 16, COLUMNS // ACROSS // 16
    COUNT, B_WORDS = tile.count, 4 * N
    A_SLAB, B_SLAB = ROWS * WORDS, COLUMNS * WORDS
    B_FIRST, BUFFER = SLABS * A_SLAB, SLABS * (A_SLAB + B_SLAB)
    if 2 * BUFFER * BYTES > STORAGE_BYTES:
        raise ValueError(
            f"two slabs of {tile} take {2 * BUFFER * BYTES} bytes of shared memory, there are {STORAGE_BYTES}"
        )
    of_a, of_b = (
        slab(ROWS, tile.threads, SLABS, precision, "A", A_side),
        slab(COLUMNS, tile.threads, SLABS, precision, "B", B_side),
    )
    start_a, read_a, onward_a, write_a, A_REALS = of_a.start, of_a.read, of_a.onward, of_a.write, of_a.REALS
    start_b, read_b, onward_b, write_b, B_REALS = of_b.start, of_b.read, of_b.onward, of_b.write, of_b.REALS
    mma = multiply[precision]

    @inlined
    def multiply_half(words, begin, half, c):  # type: ignore[no-untyped-def]
        b = cuda.local.array(B_WORDS, np.int32)
        lane, warp = cuda.threadIdx.x & 31, cuda.threadIdx.x >> 5
        group, member = lane >> 2, lane & 3
        for step in range(half * SLABS, (half + 1) * SLABS):
            a_place = begin + step // 2 * A_SLAB + place(warp // ACROSS * M, step & 1, group, member)
            b_place = begin + B_FIRST + step // 2 * B_SLAB + place(warp % ACROSS * N, step & 1, group, member)
            for n in range(N):
                four = read_words(words, b_place + n * (16 * WORDS))
                for w in range(4):
                    b[4 * n + w] = four[w]
            for m in range(M):
                a = read_words(words, a_place + m * (16 * WORDS))
                for n in range(2 * N):
                    at = 4 * (2 * m * N + n)
                    c[at], c[at + 1], c[at + 2], c[at + 3] = mma(
                        a[0], a[1], a[2], a[3], b[2 * n], b[2 * n + 1], c[at], c[at + 1], c[at + 2], c[at + 3]
                    )

    @inlined
    def sums(A, B, rows, columns, first, last, i0, j0, c):  # type: ignore[no-untyped-def]
        words = pointer(storage(), np.int32)
        a_next, b_next = cuda.local.array(A_REALS, np.float32), cuda.local.array(B_REALS, np.float32)
        a_at, b_at = start_a(A, i0, rows, first, last), start_b(B, j0, columns, first, last)
        # short loops in one another are unrolled; one long loop is not, and would put c into memory
        for m in range(M):
            for n in range(8 * N):
                c[m * 8 * N + n] = np.float32(0)
        here, filled, left = 0, False, np.int32(last - first)
        while True:
            if left > 0:
                read_a(a_next, A, a_at, left)
            if filled:
                multiply_half(words, BUFFER - here, 0, c)
            if left > 0:
                write_a(words, here, a_next, a_at)
                read_b(b_next, B, b_at, left)
            if filled:
                multiply_half(words, BUFFER - here, 1, c)
            if left <= 0:
                break
            write_b(words, here + B_FIRST, b_next, b_at)
            cuda.syncthreads()
            here, filled, left = BUFFER - here, True, np.int32(left - STEP)
            a_at, b_at = onward_a(a_at), onward_b(b_at)
        cuda.syncthreads()  # whoever comes next may write where others still read

    @inlined
    def row_of(n):  # type: ignore[no-untyped-def]
        lane, warp = cuda.threadIdx.x & 31, cuda.threadIdx.x >> 5
        return warp // ACROSS * (16 * M) + (lane >> 2) + n // (8 * N) * 16 + (n & 2) * 4

    @inlined
    def column_of(n):  # type: ignore[no-untyped-def]
        lane, warp = cuda.threadIdx.x & 31, cuda.threadIdx.x >> 5
        return warp % ACROSS * (16 * N) + (lane & 3) * 2 + n // 4 % (2 * N) * 8 + (n & 1)

    @inlined
    def column_number(n):  # type: ignore[no-untyped-def]
        return n // 4 % (2 * N) * 2 + (n & 1)

    @inlined
    def first_of(number):  # type: ignore[no-untyped-def]
        return number // 2 * 4 + (number & 1)

    return SimpleNamespace(
        sums=sums, row_of=row_of, column_of=column_of, count=COUNT,
        own_columns=4 * N, column_number=column_number, first_of=first_of,
    )  # fmt: skip
