"""Words and memory in CUDA kernels: addresses travel as int64, as they do on the CPU (fastnn/cpu/vector.py), so a launch takes two numbers.

Imported by kernels through `toolkit.py`: this needs numba-cuda. `simulated.py` has the same names for the simulator.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types

from fastnn.cuda.numba_cuda import cuda, intrinsic

__all__ = ["address_of", "grid_barrier", "njit", "pointer", "real_from_word", "vectors", "view"]

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


@intrinsic
def address_of(typing_context: Any, array: Any) -> Any:
    """address_of(array): the generic address of an array's first element, in shared memory too."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _INT64)

    return types.int64(array), codegen


def vectors(width: int) -> Any:
    """A function (pointer, index) -> the `width` numbers from there on, by one load; the pointer lies on 16 bytes, and index is a multiple of `width`."""

    @intrinsic
    def load(typing_context: Any, numbers: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            element = context.get_data_type(numbers.dtype)
            place = builder.gep(arguments[0], [arguments[1]])
            place = builder.bitcast(place, ir.VectorType(element, width).as_pointer())
            loaded = builder.load(place, align=width * context.get_abi_sizeof(element))
            out = context.get_constant_undef(signature.return_type)
            for n in range(width):
                number = builder.extract_element(loaded, ir.IntType(32)(n))
                out = builder.insert_value(out, number, n)
            return out

        return types.UniTuple(numbers.dtype, width)(numbers, types.int64), codegen

    return load


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def grid_barrier() -> None:
    """All threads of the grid meet; what they wrote before is seen by all after it. The launch must be cooperative."""
    cuda.cg.this_grid().sync()
