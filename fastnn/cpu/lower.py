"""From an instruction to compiled code and its words: the tuned kernel where there is one, else the loop around the body.

Words are whole numbers, or a `Place` (a buffer or a constant, whose address is known when memory is bound).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from fastnn.compile import Unit
from fastnn.cpu.unit import HEADER, OPTIONS, kernel_unit
from fastnn.plan import Buffer, Instruction

__all__ = ["ONE", "ZEROS", "Place", "Word", "lower", "real_word"]


@dataclass(frozen=True)
class Place:
    """The address of a buffer, or of a constant that every machine has: a row of zeros, a one."""

    buffer: Buffer | None
    constant: str = ""


COLUMN_BLOCK = 32
"""Columns of a product that are dealt out together: two registers of float32, so that shares are whole cache lines and whole panels."""
ZEROS, ONE = Place(None, "zeros"), Place(None, "ones")
Word = int | Place


def real_word(value: float) -> int:
    """The bits of a float64 as an int64."""
    word: int = struct.unpack("<q", struct.pack("<d", float(value)))[0]
    return word


def lower(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """The unit to call and the words to call it with."""
    tuned = TUNED.get(instruction.kernel.name)
    return tuned(instruction, dtype) if tuned is not None else _body(instruction, dtype)


def _body(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    kernel, result = instruction.kernel, instruction.result
    same = tuple(
        position
        for position, (buffer, spec) in enumerate(
            zip(instruction.operands, kernel.arrays.values(), strict=True)
        )
        if position > 0 and spec == "*" and buffer.same_place(result)
    )
    words: list[Word] = [instruction.units, instruction.inner]
    for buffer, spec in zip(instruction.operands, kernel.arrays.values(), strict=True):
        words.append(Place(buffer))
        if spec[-1] != "*":
            words += _extents(buffer, int(spec[-1]))
    words += [int(instruction.settings[name]) for name in kernel.wholes]
    words += [real_word(instruction.settings[name]) for name in kernel.reals]
    return kernel_unit(kernel, dtype, instruction.accumulate, same), words


def _extents(buffer: Buffer, axes: int) -> list[Word]:
    """The buffer's shape as `axes` numbers: trailing axes are taken together."""
    if axes == 1 and len(buffer.shape) > 1:
        return [buffer.size]
    head = buffer.shape[: axes - 1]
    tail = 1
    for n in buffer.shape[axes - 1 :]:
        tail *= n
    return [max(n, 0) for n in (*head, tail)] if len(buffer.shape) >= axes else [*buffer.shape, 1]


def _product_unit(dtype: str) -> Unit:
    text = HEADER.format(dtype=dtype) + (
        f"from fastnn.cpu.dense import product\n\n\n@cfunc('void(int64, int64, int64, int64)', _nrt=False, {OPTIONS})\n"
        "def kernel(words, run, t, team):\n    product(real, words, run, t, team)\n"
    )
    return Unit(f"dense_product_{dtype}", text)


def _product(
    instruction: Instruction,
    dtype: str,
    start: tuple[Word, int] | None,
    A: tuple[Buffer, int, int],
    B: tuple[Buffer, int, int],
    depth: int,
) -> tuple[Unit, list[Word]]:
    C = instruction.result
    columns = C.row_size
    if start is None:
        start = (Place(C), columns) if instruction.accumulate else (ZEROS, 0)
    words: list[Word] = [
        instruction.units,
        0,
        Place(C),
        columns,
        *start,
        Place(A[0]),
        *A[1:],
        Place(B[0]),
        *B[1:],
    ]
    if instruction.by_column:
        words[0] = -(-columns // COLUMN_BLOCK)
        return _product_unit(dtype), [*words, columns, depth, COLUMN_BLOCK, C.shape[0]]
    return _product_unit(dtype), [*words, columns, depth, 0, C.shape[0]]


def _forward(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    _, a, W, b = instruction.operands
    n_in = W.shape[1]
    return _product(instruction, dtype, (Place(b), 0), (a, n_in, 1), (W, n_in, 1), n_in)


def _accumulated_forward(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    _, a, W = instruction.operands
    n_in = W.shape[1]
    return _product(instruction, dtype, None, (a, n_in, 1), (W, n_in, 1), n_in)


def _backward(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    _, delta, W = instruction.operands
    n_out, n_in = W.shape
    return _product(instruction, dtype, None, (delta, n_out, 1), (W, n_in, 0), n_out)


def _gradient_W(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    _, delta, a = instruction.operands
    n_out, n_in = instruction.result.shape
    return _product(instruction, dtype, None, (delta, 1, n_out), (a, n_in, 0), a.shape[0])


def _gradient_b(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """The column sums of delta, as the product of a row of ones and delta."""
    g, delta = instruction.operands
    batch, n_out = delta.shape
    start = Place(g) if instruction.accumulate else ZEROS
    words: list[Word] = [
        instruction.units,
        0,
        Place(g),
        n_out,
        start,
        0,
        ONE,
        0,
        0,
        Place(delta),
        n_out,
        0,
        n_out,
        batch,
        1,
        1,
    ]
    return _product_unit(dtype), words


TUNED: dict[str, Callable[[Instruction, str], tuple[Unit, list[Word]]]] = {
    "affine.forward": _forward,
    "affine.product": _accumulated_forward,
    "affine.backward": _backward,
    "affine.gradient_W": _gradient_W,
    "affine.gradient_b": _gradient_b,
}
"""Kernels with a tuned CPU version; tests hold each against its body."""
