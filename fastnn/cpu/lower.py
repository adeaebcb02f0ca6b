"""From an instruction to compiled code and its words: the tuned kernel where there is one, else the loop around the body."""

from __future__ import annotations

import struct
from collections.abc import Callable

from fastnn.compile import Unit
from fastnn.cpu.lower_convolve import (
    bias_gradient,
    convolution,
    convolution_backward,
    weight_gradient,
    winograd_convolution,
    winograd_weights,
)
from fastnn.cpu.unit import HEADER, OPTIONS, kernel_unit
from fastnn.plan import Instruction
from fastnn.plan.words import Place, Word, body_words, product_of

__all__ = ["ONE", "ZEROS", "lower", "real_word"]

COLUMN_BLOCK = 32
"""Columns of a product that are dealt out together: two registers of float32, so that shares are whole cache lines and whole panels."""
ZEROS, ONE = Place(None, "zeros"), Place(None, "ones")


def real_word(value: float) -> int:
    """The bits of a float64 as an int64."""
    word: int = struct.unpack("<q", struct.pack("<d", float(value)))[0]
    return word


def lower(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """The unit to call and the words to call it with."""
    tuned = TUNED.get(instruction.kernel.name)
    found = None if tuned is None else tuned(instruction, dtype)
    return _body(instruction, dtype) if found is None else found


def _body(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    kernel, result = instruction.kernel, instruction.result
    same = tuple(
        position
        for position, (buffer, spec) in enumerate(
            zip(instruction.operands, kernel.arrays.values(), strict=True)
        )
        if position > 0 and spec == "*" and buffer.same_place(result)
    )
    words = body_words(instruction, real_word)
    if kernel.vector is not None:
        kernel = kernel.vector
        words[1] = kernel.inner(result.shape, instruction.axes)
    return kernel_unit(kernel, dtype, instruction.accumulate, same), words


def _product_unit(dtype: str) -> Unit:
    text = HEADER.format(dtype=dtype) + (
        f"from fastnn.cpu.dense import product\n\n\n@cfunc('void(int64, int64, int64, int64)', _nrt=False, {OPTIONS})\n"
        "def kernel(words, run, t, team):\n    product(real, words, run, t, team)\n"
    )
    return Unit(f"dense_product_{dtype}", text)


def _product(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    p, C = product_of(instruction), instruction.result
    assert p is not None
    columns = C.row_size
    start: tuple[Word, int] = (Place(C), columns) if instruction.accumulate else (ZEROS, 0)
    if p.bias is not None:
        start = Place(p.bias), 0
    transposed = int(p.b_k == 1)
    words: list[Word] = [instruction.units, 0, Place(C), columns, *start, Place(p.A), p.a_row, p.a_k]
    words += [Place(p.B), p.b_column if transposed else p.b_k, transposed]
    if instruction.by_column:
        words[0] = -(-columns // COLUMN_BLOCK)
        return _product_unit(dtype), [*words, columns, p.depth, COLUMN_BLOCK, C.shape[0]]
    return _product_unit(dtype), [*words, columns, p.depth, 0, C.shape[0]]


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


TUNED: dict[str, Callable[[Instruction, str], tuple[Unit, list[Word]] | None]] = {
    "affine.forward": _product,
    "affine.product": _product,
    "affine.backward": _product,
    "affine.transposed": _product,
    "affine.gradient_W": _product,
    "affine.gradient_b": _gradient_b,
    "convolve.forward": convolution,
    "convolve.product": convolution,
    "convolve.backward": convolution_backward,
    "convolve.winograd_forward": winograd_convolution,
    "convolve.winograd_product": winograd_convolution,
    "convolve.winograd_backward": winograd_convolution,
    "convolve.gradient_W": weight_gradient,
    "convolve.gradient_b": bias_gradient,
    "winograd.weights": winograd_weights,
}
"""Kernels with a tuned CPU version, or none (None) for some shapes; tests hold each against its body."""
