"""The host's vector unit, and the few machine instructions that Python has no word for.

Addresses travel as int64; `lanes(dtype)` says how many numbers one register holds.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["IR_TYPE", "atomic_add", "atomic_load", "lanes", "pause", "pointer", "register_count"]

IR_TYPE = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
_INT64 = ir.IntType(64)


@cache
def _features() -> frozenset[str]:
    """Features of the processor that Numba generates code for (NUMBA_CPU_FEATURES overrides the host's)."""
    if config.CPU_FEATURES is not None:
        return frozenset(f[1:] for f in config.CPU_FEATURES.split(",") if f.startswith("+"))
    if config.CPU_NAME == "generic":
        return frozenset()
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


@cache
def register_bytes() -> int:
    """Width of one vector register: 64 (AVX-512), 32 (AVX2), 16 (NEON, SSE2 and whatever else)."""
    features = _features()
    if "avx512f" in features:
        return 64
    return 32 if "avx2" in features else 16


@cache
def register_count() -> int:
    """How many vector registers there are: 32 with AVX-512 and on 64-bit ARM, else 16."""
    features = _features()
    return 32 if "avx512f" in features or "neon" in features else 16


def lanes(dtype: str) -> int:
    """Numbers of `dtype` in one vector register."""
    return register_bytes() // np.dtype(dtype).itemsize


@intrinsic
def lanes_of(typing_context: Any, dtype: Any) -> Any:
    """Numbers of this dtype in one vector register, a constant in compiled code."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _INT64(lanes(str(dtype.dtype)))

    return types.int64(dtype), codegen


@intrinsic
def size_of(typing_context: Any, dtype: Any) -> Any:
    """Bytes of one number of this dtype, a constant in compiled code."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _INT64(dtype.dtype.bitwidth // 8)

    return types.int64(dtype), codegen


@intrinsic
def pointer(typing_context: Any, address: Any, dtype: Any) -> Any:
    """pointer(address, dtype): an int64 address as a typed pointer, p[i] without bounds or wrap-around."""
    element = dtype.dtype

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(element)(types.int64, dtype), codegen


@intrinsic
def view(typing_context: Any, address: Any, dtype: Any, shape: Any) -> Any:
    """view(address, dtype, shape): the C-contiguous array that lies there. Nobody counts references to it."""
    array_type = types.Array(dtype.dtype, len(shape), "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(array_type)(context, builder)
        itemsize = _INT64(context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
        extents = [builder.extract_value(arguments[2], axis) for axis in range(array_type.ndim)]
        nitems, strides = _INT64(1), []
        for extent in reversed(extents):
            strides.insert(0, builder.mul(nitems, itemsize))
            nitems = builder.mul(nitems, extent)
        array.data = builder.inttoptr(arguments[0], array.data.type)
        array.shape, array.strides = arguments[2], cgutils.pack_array(builder, strides)
        array.itemsize, array.nitems = itemsize, nitems
        for nobody in ("meminfo", "parent"):
            setattr(array, nobody, getattr(array, nobody).type(None))
        return array._getvalue()

    return array_type(types.int64, dtype, shape), codegen


@intrinsic
def use_widest_registers(typing_context: Any) -> Any:
    """Let LLVM vectorise the function that calls this with the widest registers there are; by itself it stays at half of AVX-512's."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite knows the attributes that have no value; a set takes the others as well
        set.add(builder.function.attributes, f'"prefer-vector-width"="{8 * register_bytes()}"')
        return context.get_dummy_value()

    return types.void(), codegen


LANES = 64
"""Samples that a function of a row handles at once: enough for the widest registers, several times over."""


@intrinsic
def lane_array(typing_context: Any, dtype: Any) -> Any:
    """LANES numbers of this dtype on the stack, as an array."""
    array_type = types.Array(dtype.dtype, 1, "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = context.get_data_type(array_type.dtype)
        place = cgutils.alloca_once(builder, ir.ArrayType(element, LANES))
        array = context.make_array(array_type)(context, builder)
        itemsize = context.get_abi_sizeof(element)
        array.data = builder.bitcast(place, array.data.type)
        array.shape = cgutils.pack_array(builder, [_INT64(LANES)])
        array.strides = cgutils.pack_array(builder, [_INT64(itemsize)])
        array.itemsize, array.nitems = _INT64(itemsize), _INT64(LANES)
        for nobody in ("meminfo", "parent"):
            setattr(array, nobody, getattr(array, nobody).type(None))
        return array._getvalue()

    return array_type(dtype), codegen


@intrinsic
def atomic_add(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to the int64 at `address` as one step; gives what was there before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw(
            "add", builder.inttoptr(arguments[0], _INT64.as_pointer()), arguments[1], "seq_cst"
        )

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_load(typing_context: Any, address: Any) -> Any:
    """Read the int64 at `address`; what other threads wrote before they changed it is visible after."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], _INT64.as_pointer()), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the cache line at `address`, into L2 and up; nothing happens where there is no memory."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer, *[number] * 3]), "llvm.prefetch.p0"
        )
        place = builder.inttoptr(arguments[0], byte_pointer)
        builder.call(function, [place, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def pause(typing_context: Any) -> Any:
    """Tell the core that this is a waiting loop (x86 only; elsewhere nothing)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if "x86" in builder.module.triple:
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause"
            )
            builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def call_kernel(typing_context: Any, address: Any, words: Any, run: Any, t: Any, team: Any) -> Any:
    """Call the compiled kernel at `address`: void kernel(int64 words, int64 run, int64 t, int64 team)."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function_type = ir.FunctionType(ir.VoidType(), [_INT64] * 4)
        builder.call(builder.inttoptr(arguments[0], function_type.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


@intrinsic
def call_yield(typing_context: Any, address: Any) -> Any:
    """Call the operating system's `yield the core` function at `address`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function_type = ir.FunctionType(ir.IntType(32), [])
        builder.call(builder.inttoptr(arguments[0], function_type.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def real_from_bits(typing_context: Any, bits: Any) -> Any:
    """The float64 whose bits are this int64: how real numbers travel among an instruction's words."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), codegen


_X86_FLUSH = 0x8040
"""MXCSR: flush results to zero (bit 15) and take denormal operands for zero (bit 6)."""
_ARM_FLUSH = 1 << 24
"""FPCR: flush to zero."""


@intrinsic
def flush_denormals(typing_context: Any) -> Any:
    """Let this thread take numbers below 1e-38 (float32) for zero; gives the mode it had, for `restore_mode`.

    Momentum that dies away ends in denormal numbers, which cost a hundred cycles each: MNIST ran at half speed after one epoch.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        triple = builder.module.triple
        if "x86" in triple:
            old = _x86_mode(builder)
            _set_x86_mode(builder, builder.or_(old, ir.IntType(32)(_X86_FLUSH)))
            return builder.zext(old, _INT64)
        if "aarch64" in triple or "arm64" in triple:
            get = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_INT64, []), "llvm.aarch64.get.fpcr"
            )
            old = builder.call(get, [])
            _set_arm_mode(builder, builder.or_(old, _INT64(_ARM_FLUSH)))
            return old
        return _INT64(0)

    return types.int64(), codegen


@intrinsic
def restore_mode(typing_context: Any, mode: Any) -> Any:
    """Back to the mode that `flush_denormals` gave."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        triple = builder.module.triple
        if "x86" in triple:
            _set_x86_mode(builder, builder.trunc(arguments[0], ir.IntType(32)))
        elif "aarch64" in triple or "arm64" in triple:
            _set_arm_mode(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _x86_mode(builder: Any) -> Any:
    place = cgutils.alloca_once(builder, ir.IntType(32))
    _x86_mode_call(builder, "llvm.x86.sse.stmxcsr", place)
    return builder.load(place)


def _set_x86_mode(builder: Any, mode: Any) -> None:
    place = cgutils.alloca_once(builder, ir.IntType(32))
    builder.store(mode, place)
    _x86_mode_call(builder, "llvm.x86.sse.ldmxcsr", place)


def _x86_mode_call(builder: Any, name: str, place: Any) -> None:
    byte_pointer = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte_pointer]), name
    )
    builder.call(function, [builder.bitcast(place, byte_pointer)])


def _set_arm_mode(builder: Any, mode: Any) -> None:
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [_INT64]), "llvm.aarch64.set.fpcr"
    )
    builder.call(function, [mode])
