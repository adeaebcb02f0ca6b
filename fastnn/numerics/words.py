"""Floating-point numbers as words of bits: what the formulas in float32.py and float64.py need beyond arithmetic.

A word is sign, exponent + bias, fraction. Whole numbers n travel as `shifted` = n + MAGIC with MAGIC = 1.5 2^fraction: that
addition rounds to a whole number by itself, which then stands in the lowest bits of the word. So nothing is converted to an
integer, which has no meaning for NaN, and for int64 no vector instruction before AVX-512.

Everything here is LLVM code for Numba's generic target: the same on CPU and CUDA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "clamp",
    "exponent",
    "fma",
    "lowered",
    "magnitude",
    "polynomial",
    "power",
    "scaled",
    "select",
    "with_sign",
]


class _Format:
    """Where exponent and fraction lie in the word."""

    def __init__(self, name: str, number: ir.Type, width: int, fraction: int) -> None:
        self.name, self.number, self.word, self.fraction = name, number, ir.IntType(width), fraction
        self.bias = 2 ** (width - fraction - 2) - 1
        self.magic = (self.bias + fraction << fraction) + (1 << fraction - 1)
        self.sign = -1 << width - 1

    def bits(self, builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        return builder.bitcast(x, self.word)

    def real(self, builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
        return builder.bitcast(bits, self.number)

    def fma(self, builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        kind = ir.FunctionType(self.number, [self.number] * 3)
        return builder.call(
            cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.{self.name}"), [a, b, c]
        )


_FORMATS = {
    types.float32: _Format("f32", ir.FloatType(), 32, 23),
    types.float64: _Format("f64", ir.DoubleType(), 64, 52),
}


def _typed(x: Any, arity: int, emit: Callable[..., ir.Value]) -> Any:
    """The signature of `arity` numbers like x, and its code emit(format, builder, *numbers); None refuses x."""
    form = _FORMATS.get(x)
    return form and (
        x(*[x] * arity),
        lambda _, builder, signature, arguments: emit(form, builder, *arguments),
    )


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once where the processor can and twice where it cannot, in vector and in scalar code alike."""
    return _typed(a, 3, lambda form, builder, *abc: form.fma(builder, *abc))


def polynomial(*coefficients: float) -> Any:
    """A compiled function p(x) = c0 + x (c1 + x (c2 + ...))."""

    def emit(form: _Format, builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        *rest, total = (form.number(c) for c in coefficients)
        for c in reversed(rest):
            total = form.fma(builder, total, x, c)
        return total

    @intrinsic
    def p(typing_context: Any, x: Any) -> Any:
        return _typed(x, 1, emit)

    return p


@intrinsic
def select(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b; both are computed, and nothing branches."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return builder.select(*arguments)

    return a(types.boolean, a, a), codegen


@intrinsic
def clamp(typing_context: Any, x: Any, low: Any, high: Any) -> Any:
    """x, but at least low and at most high; NaN stays NaN."""

    def emit(form: _Format, builder: ir.IRBuilder, x: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
        return builder.select(builder.fcmp_ordered(">", x, high), high, x)

    return _typed(x, 3, emit)


@intrinsic
def magnitude(typing_context: Any, x: Any) -> Any:
    """|x|."""
    return _typed(
        x,
        1,
        lambda form, builder, x: form.real(
            builder, builder.and_(form.bits(builder, x), form.word(~form.sign))
        ),
    )


@intrinsic
def with_sign(typing_context: Any, x: Any, y: Any) -> Any:
    """x >= 0 with the sign of y."""

    def emit(form: _Format, builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        sign = builder.and_(form.bits(builder, y), form.word(form.sign))
        return form.real(builder, builder.or_(form.bits(builder, x), sign))

    return _typed(x, 2, emit)


@intrinsic
def power(typing_context: Any, shifted: Any) -> Any:
    """2^n where that is a normal number."""

    def emit(form: _Format, builder: ir.IRBuilder, shifted: ir.Value) -> ir.Value:
        biased = builder.add(form.bits(builder, shifted), form.word(form.bias))
        return form.real(builder, builder.shl(biased, form.word(form.fraction)))

    return _typed(shifted, 1, emit)


@intrinsic
def scaled(typing_context: Any, x: Any, shifted: Any) -> Any:
    """x 2^n in two factors: it may become infinite, denormal or 0, and is rounded once."""

    def emit(form: _Format, builder: ir.IRBuilder, x: ir.Value, shifted: ir.Value) -> ir.Value:
        n = builder.sub(form.bits(builder, shifted), form.word(form.magic - 2 * form.bias))
        half = builder.lshr(n, form.word(1))
        for part in (half, builder.sub(n, half)):
            x = builder.fmul(x, form.real(builder, builder.shl(part, form.word(form.fraction))))
        return x

    return _typed(x, 2, emit)


@intrinsic
def exponent(typing_context: Any, x: Any, low: Any) -> Any:
    """n, shifted, with low <= x 2^-n < 2 low, for normal x > 0 and 0.5 <= low <= 1."""

    def emit(form: _Format, builder: ir.IRBuilder, x: ir.Value, low: ir.Value) -> ir.Value:
        steps = builder.sub(form.bits(builder, x), form.bits(builder, low))
        biased = builder.add(steps, form.word(form.bias << form.fraction))
        n = builder.lshr(biased, form.word(form.fraction))
        return form.real(builder, builder.add(n, form.word(form.magic - form.bias)))

    return _typed(x, 2, emit)


@intrinsic
def lowered(typing_context: Any, x: Any, shifted: Any) -> Any:
    """x 2^-n where x and the result are normal numbers; x where n is 0."""

    def emit(form: _Format, builder: ir.IRBuilder, x: ir.Value, shifted: ir.Value) -> ir.Value:
        n = builder.shl(form.bits(builder, shifted), form.word(form.fraction))
        return form.real(builder, builder.sub(form.bits(builder, x), n))

    return _typed(x, 2, emit)
