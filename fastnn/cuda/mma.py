"""Tensor cores by inline PTX: D = A B + C of one warp, the roundings that it asks for, and 128-bit access to memory.

    multiply["tf32"]   m16n8k8    A (16, 8), B (8, 8), C and D (16, 8)       4 + 2 words a lane, 4 sums
    multiply["bf16"]   m16n8k16   A (16, 16), B (16, 8), C and D (16, 8)     4 + 2 words a lane, 4 sums

A word is 32 bits: one number rounded to TF32, or two rounded to bf16, the lower half first. Sums are float32. Compute capability 8.0 and up.
Kernels take these names from here in both worlds: in Numba's simulator they are those of `mma_reference.py`.
"""

from __future__ import annotations

from typing import Any

from fastnn.cuda.toolkit import SIMULATED

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

if SIMULATED:
    from fastnn.cuda.mma_reference import (
        address_at,
        here,
        multiply,
        pack,
        read_real,
        read_reals,
        read_words,
        write_word,
        write_words,
    )
else:
    from llvmlite import ir
    from numba import types

    from fastnn.cuda.numba_cuda import intrinsic

    WORD, REAL, LANE = ir.IntType(32), ir.FloatType(), types.UniTuple(types.float32, 4)

    def _multiply(shape: str, kind: str) -> Any:
        """(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3) -> this lane's four sums."""
        text = (
            f"mma.sync.aligned.{shape}.row.col.f32.{kind}.{kind}.f32 "
            "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
        )
        function = ir.FunctionType(ir.LiteralStructType([REAL] * 4), [WORD] * 6 + [REAL] * 4)
        constraint = ",".join(["=f"] * 4 + ["r"] * 6 + ["f"] * 4)

        @intrinsic
        def multiply(
            typing_context: Any,
            a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any, c0: Any, c1: Any, c2: Any, c3: Any,
        ) -> Any:  # fmt: skip
            def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                # all lanes of the warp meet here: the compiler must not move it under a condition
                sums = builder.call(
                    ir.InlineAsm(function, text, constraint), arguments, attrs=("convergent", "nounwind")
                )
                made = context.get_constant_undef(signature.return_type)
                for n in range(4):
                    made = builder.insert_value(made, builder.extract_value(sums, n), n)
                return made

            return LANE(*[types.int32] * 6, *[types.float32] * 4), codegen

        return multiply

    multiply = {"tf32": _multiply("m16n8k8", "tf32"), "bf16": _multiply("m16n8k16", "bf16")}

    @intrinsic
    def _tf32(typing_context: Any, x: Any) -> Any:
        """The word of one number: to the nearest, ties away from zero."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            function = ir.FunctionType(WORD, [REAL])
            return builder.asm(function, "cvt.rna.tf32.f32 $0, $1;", "=r,f", arguments, side_effect=False)

        return types.int32(types.float32), codegen

    @intrinsic
    def _bf16(typing_context: Any, low: Any, high: Any) -> Any:
        """The word of two numbers: to the nearest, ties to even. PTX names the upper half first."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            function = ir.FunctionType(WORD, [REAL, REAL])
            text = "cvt.rn.bf16x2.f32 $0, $2, $1;"
            return builder.asm(function, text, "=r,f,f", arguments, side_effect=False)

        return types.int32(types.float32, types.float32), codegen

    pack = {"tf32": _tf32, "bf16": _bf16}

    def _four(builder: Any, context: Any, signature: Any, place: Any, element: Any) -> Any:
        """The four numbers at a place that lies on 16 bytes."""
        loaded = builder.load(
            builder.bitcast(place, ir.VectorType(element, 4).as_pointer(place.type.addrspace)), align=16
        )
        made = context.get_constant_undef(signature.return_type)
        for n in range(4):
            made = builder.insert_value(made, builder.extract_element(loaded, ir.IntType(32)(n)), n)
        return made

    @intrinsic
    def read_words(typing_context: Any, words: Any, index: Any) -> Any:
        """read_words(words, index): four words from a pointer to shared memory, on 16 bytes; index is a multiple of 4."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _four(builder, context, signature, builder.gep(arguments[0], [arguments[1]]), WORD)

        return types.UniTuple(types.int32, 4)(words, types.int64), codegen

    @intrinsic
    def write_words(typing_context: Any, words: Any, index: Any, four: Any) -> Any:
        """write_words(words, index, four): the store that belongs to `read_words`."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vector = ir.VectorType(WORD, 4)
            place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), vector.as_pointer())
            value: Any = ir.Constant(vector, ir.Undefined)
            for n in range(4):
                number = builder.extract_value(arguments[2], n)
                value = builder.insert_element(value, number, ir.IntType(32)(n))
            builder.store(value, place, align=16)
            return context.get_dummy_value()

        return types.none(words, types.int64, types.UniTuple(types.int32, 4)), codegen

    @intrinsic
    def write_word(typing_context: Any, words: Any, index: Any, word: Any) -> Any:
        """write_word(words, index, word): words[index] = word for an index that is not negative."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.store(arguments[2], builder.gep(arguments[0], [arguments[1]]))
            return context.get_dummy_value()

        return types.none(words, types.int64, types.int32), codegen

    @intrinsic
    def address_at(typing_context: Any, p: Any, index: Any) -> Any:
        """address_at(p, index): the address of p[index]."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.ptrtoint(builder.gep(arguments[0], [arguments[1]]), ir.IntType(64))

        return types.int64(p, types.int64), codegen

    @intrinsic
    def here(typing_context: Any, x: Any) -> Any:
        """here(x): x. What is computed from it is computed here: the compiler would keep many strides' multiples in registers around a loop."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            function = ir.FunctionType(ir.IntType(x.bitwidth), [ir.IntType(x.bitwidth)])
            text, constraint = (
                ("mov.b64 $0, $1;", "=l,l") if x.bitwidth == 64 else ("mov.b32 $0, $1;", "=r,r")
            )
            return builder.asm(function, text, constraint, arguments, side_effect=True)

        return x(x), codegen

    # An address says whose memory it is: from a plain pointer, the load would have to find out.
    @intrinsic
    def read_real(typing_context: Any, address: Any) -> Any:
        """read_real(address): the float32 at this address of global memory."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], REAL.as_pointer(1)), align=4)

        return types.float32(types.int64), codegen

    @intrinsic
    def read_reals(typing_context: Any, address: Any) -> Any:
        """read_reals(address): four float32 from this address of global memory, a multiple of 16, on."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _four(
                builder, context, signature, builder.inttoptr(arguments[0], REAL.as_pointer(1)), REAL
            )

        return LANE(types.int64), codegen
