"""An instruction as numbers: what every device's kernels read.

Words are whole numbers, or a `Place` (a buffer or a constant, whose address is known when memory is bound). Those of a kernel's body are units and
inner, then for each array its address and extents, then whole settings, then real settings as bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from fastnn.plan.buffer import Buffer
from fastnn.plan.instruction import Instruction

__all__ = ["Place", "Product", "Word", "body_words", "product_of"]


@dataclass(frozen=True)
class Place:
    """The address of a buffer, or of a constant that the device's machine has, as a row of zeros."""

    buffer: Buffer | None
    constant: str = ""


Word = int | Place


def body_words(instruction: Instruction, real_word: Callable[[float], int]) -> list[Word]:
    """The words of the loop around the body; `real_word` gives the bits of a real setting."""
    kernel = instruction.kernel
    words: list[Word] = [instruction.units, instruction.inner]
    for buffer, spec in zip(instruction.operands, kernel.arrays.values(), strict=True):
        words.append(Place(buffer))
        if spec[-1] != "*":
            words += _extents(buffer, int(spec[-1]))
    words += [int(instruction.settings[name]) for name in kernel.wholes]
    words += [real_word(instruction.settings[name]) for name in kernel.reals]
    return words


def _extents(buffer: Buffer, axes: int) -> list[Word]:
    """The buffer's shape as `axes` numbers: trailing axes are taken together."""
    if axes == 1 and len(buffer.shape) > 1:
        return [buffer.size]
    head = buffer.shape[: axes - 1]
    tail = prod(buffer.shape[axes - 1 :])
    return [max(n, 0) for n in (*head, tail)] if len(buffer.shape) >= axes else [*buffer.shape, 1]


@dataclass(frozen=True)
class Product:
    """A matrix product:  C[i,j] = start[i,j] + sum_k A[i,k] B[k,j],  with C the instruction's result.

    A[i,k] lies at i * a_row + k * a_k, B[k,j] at j * b_column + k * b_k; `bias`, if there is one, is every row of start.
    """

    A: Buffer
    a_row: int
    a_k: int
    B: Buffer
    b_column: int
    b_k: int
    depth: int
    bias: Buffer | None = None


def product_of(instruction: Instruction) -> Product | None:
    """What an affine map's instruction multiplies; None for other kernels."""
    kernel, operands = instruction.kernel.name, instruction.operands
    if kernel in ("affine.forward", "affine.product"):
        a, W = operands[1], operands[2]
        n_in = W.shape[1]
        return Product(a, n_in, 1, W, n_in, 1, n_in, operands[3] if len(operands) > 3 else None)
    if kernel in ("affine.backward", "affine.transposed"):
        delta, W = operands[1], operands[2]
        n_out, n_in = W.shape
        return Product(delta, n_out, 1, W, 1, n_in, n_out, operands[3] if len(operands) > 3 else None)
    if kernel == "affine.gradient_W":
        delta, a = operands[1], operands[2]
        n_out, n_in = instruction.result.shape
        return Product(delta, 1, n_out, a, 1, n_in, a.shape[0])
    return None
