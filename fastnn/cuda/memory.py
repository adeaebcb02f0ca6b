"""Words and memory in CUDA kernels: addresses travel as int64, as they do on the CPU (fastnn/cpu/vector.py), so a launch takes two numbers.

Imported by the modules that `unit.py` writes: this needs numba-cuda.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.cuda.extending import intrinsic

__all__ = ["pointer", "real_from_word", "view"]

_INT64 = ir.IntType(64)


@intrinsic
def pointer(typing_context: Any, address: Any, dtype: Any) -> Any:
    """pointer(address, dtype): an int64 address as a typed pointer, p[i] without bounds or wrap-around."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(dtype.dtype)(types.int64, dtype), codegen


@intrinsic
def real_from_word(typing_context: Any, word: Any, dtype: Any) -> Any:
    """The real number of this dtype whose bits are the lowest of an int64: no float64 on the way to a float32."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        width = dtype.dtype.bitwidth
        bits = arguments[0] if width == 64 else builder.trunc(arguments[0], ir.IntType(width))
        return builder.bitcast(bits, context.get_value_type(signature.return_type))

    return dtype.dtype(types.int64, dtype), codegen


@intrinsic
def view(typing_context: Any, address: Any, dtype: Any, shape: Any) -> Any:
    """view(address, dtype, shape): the C-contiguous array that lies there."""
    array_type = types.Array(dtype.dtype, len(shape), "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(array_type)(context, builder)
        itemsize = _INT64(context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
        extents = [builder.extract_value(arguments[2], axis) for axis in range(array_type.ndim)]
        bytes_below, strides = itemsize, ir.Constant(array.strides.type, ir.Undefined)
        for axis in reversed(range(array_type.ndim)):
            strides = builder.insert_value(strides, bytes_below, axis)
            bytes_below = builder.mul(bytes_below, extents[axis])
        array.data = builder.inttoptr(arguments[0], array.data.type)
        array.shape, array.strides, array.itemsize = arguments[2], strides, itemsize
        array.nitems = builder.sdiv(bytes_below, itemsize)
        return array._getvalue()

    return array_type(types.int64, dtype, shape), codegen
