"""What `mma.py`'s instructions do, in Python, for Numba's CUDA simulator: written from the PTX ISA alone, so that it can judge `slab.py`.

Every lane puts its fragments of A and B where the tables of the PTX ISA, "Matrix Fragments for mma.m16n8k8" and "... mma.m16n8k16 with floating
point type", say that they belong; when all have done so, each reads its four sums of the product. The simulator has no warps: the block meets
instead, so all warps of a block must multiply equally often, as those of `tensor.py` do.

    cvt.rna.tf32.f32      to the nearest of 10 bits, ties away from zero; what is not finite stays; the 13 bits below are 0
    cvt.rn.bf16x2.f32     to the nearest of 7 bits, ties to even; NaN becomes 0x7fff
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.numba_cuda import cuda
from fastnn.cuda.simulated import address_of

__all__ = [
    "address_at",
    "here",
    "multiply",
    "pack",
    "read_real",
    "read_reals",
    "read_words",
    "write_word",
    "write_words",
]

Four = tuple[Any, Any, Any, Any]


def _a_place(i: int, lane: int, kind: str) -> tuple[int, int]:
    """Row and column of A's element i: (16, 8), 4 elements a lane, in TF32; (16, 16), 8 elements a lane, in bf16."""
    group, member = lane >> 2, lane % 4
    if kind == "tf32":
        return (group if i in (0, 2) else group + 8), (member if i < 2 else member + 4)
    row = group if 0 <= i < 2 or 4 <= i < 6 else group + 8
    return row, member * 2 + (i & 1) + (0 if i < 4 else 8)


def _b_place(i: int, lane: int, kind: str) -> tuple[int, int]:
    """Row and column of B's element i: (8, 8), 2 elements a lane, in TF32; (16, 8), 4 elements a lane, in bf16."""
    group, member = lane >> 2, lane % 4
    if kind == "tf32":
        return (member if i == 0 else member + 4), group
    return member * 2 + (i & 1) + (0 if i < 2 else 8), group


def _c_place(i: int, lane: int) -> tuple[int, int]:
    """Row and column of sum i: (16, 8), 4 sums a lane, for both kinds."""
    group, member = lane >> 2, lane % 4
    return (group if i < 2 else group + 8), member * 2 + (i & 1)


def _elements(word: int, kind: str) -> list[np.float32]:
    """What a register holds: TF32 ignores the 13 lowest bits; of bf16 the lower half comes first."""
    bits = int(word) & 0xFFFFFFFF
    halves = [bits & 0xFFFFE000] if kind == "tf32" else [(bits & 0xFFFF) << 16, bits & 0xFFFF0000]
    return list(np.array(halves, np.uint32).view(np.float32))


_turns = threading.local()
"""How often a thread has multiplied: two tables take turns, so that one meeting an instruction is enough."""


def _multiply(kind: str, k: int) -> Callable[..., Four]:
    # for both turns and up to 32 warps; blocks run one after the other
    table_a, table_b = np.zeros((2, 32, 16, k), np.float32), np.zeros((2, 32, k, 8), np.float32)

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def reference(
        a0: int, a1: int, a2: int, a3: int, b0: int, b1: int, c0: Any, c1: Any, c2: Any, c3: Any
    ) -> Four:
        thread, turn = cuda.threadIdx.x, getattr(_turns, "n", 0)
        _turns.n = 1 - turn
        warp, lane = thread // 32, thread % 32
        a, b = table_a[turn, warp], table_b[turn, warp]
        for i, element in enumerate([x for word in (a0, a1, a2, a3) for x in _elements(word, kind)]):
            a[_a_place(i, lane, kind)] = element
        for i, element in enumerate([x for word in (b0, b1) for x in _elements(word, kind)]):
            b[_b_place(i, lane, kind)] = element
        cuda.syncthreads()
        sums = []
        with np.errstate(all="ignore"):  # infinity times the zeros beside a matrix
            for i, c in enumerate((c0, c1, c2, c3)):
                row, column = _c_place(i, lane)
                sums.append(np.float32(c + a[row] @ b[:, column]))
        return sums[0], sums[1], sums[2], sums[3]

    multiply: Callable[..., Four] = reference
    return multiply


multiply = {"tf32": _multiply("tf32", 8), "bf16": _multiply("bf16", 16)}


def _bits(x: float) -> int:
    return int(np.float32(x).view(np.uint32))


def _word(bits: int) -> np.int32:
    return np.int32(np.uint32(bits & 0xFFFFFFFF).view(np.int32))


def _tf32(x: float) -> np.int32:
    return _word((_bits(x) + (0x1000 if np.isfinite(x) else 0)) & 0xFFFFE000)


def _bf16_bits(x: float) -> int:
    if np.isnan(x):
        return 0x7FFF
    bits = _bits(x)
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def _bf16(low: float, high: float) -> np.int32:
    return _word(_bf16_bits(high) << 16 | _bf16_bits(low))


pack: dict[str, Any] = {"tf32": _tf32, "bf16": _bf16}


def read_words(words: NDArray[np.int32], index: int) -> Four:
    """Four words of an array; index is a multiple of 4."""
    _check(index % 4 == 0, f"index {index} is no multiple of 4")
    return words[index], words[index + 1], words[index + 2], words[index + 3]


def write_words(words: NDArray[np.int32], index: int, four: Four) -> None:
    _check(index % 4 == 0, f"index {index} is no multiple of 4")
    for n in range(4):
        words[index + n] = four[n]


def write_word(words: NDArray[np.int32], index: int, word: int) -> None:
    _check(index >= 0, f"index {index} is negative")
    words[index] = word


def address_at(p: NDArray[Any], index: int) -> int:
    return address_of(p) + p.itemsize * int(index)


def here(x: int) -> int:
    return x


def read_real(address: int) -> np.float32:
    return np.float32(ctypes.c_float.from_address(int(address)).value)


def read_reals(address: int) -> Four:
    _check(address % 16 == 0, f"address {address} is no multiple of 16")
    return (
        read_real(address),
        read_real(address + 4),
        read_real(address + 8),
        read_real(address + 12),
    )


def _check(holds: bool, otherwise: str) -> None:
    """What the hardware would trap on."""
    if not holds:
        raise IndexError(otherwise)
