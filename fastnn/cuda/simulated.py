"""Twins of `memory.py` for Numba's CUDA simulator: the same names, on addresses of the host."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.numba_cuda import cuda

__all__ = ["address_of", "grid_barrier", "njit", "pointer", "real_from_word", "vectors", "view"]

_FAR = 1 << 40
"""Numbers in an array that stands for a pointer: more than any index."""


def njit(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Nothing is compiled."""
    return lambda function: function


def pointer(address: int, dtype: Any) -> NDArray[Any]:
    """The numbers from an address on."""
    return _array(address, dtype, (_FAR,))


def view(address: int, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The C-contiguous array that lies there."""
    first = int(shape[0]) or _FAR  # 0: as many rows as there are
    return _array(address, dtype, (first, *(int(n) for n in shape[1:])))


class _Pointed(np.ndarray):
    """Numbers at an address. Nobody knows where they end: to print them all would end the process."""

    def __repr__(self) -> str:
        return f"<{self.dtype} at {self.ctypes.data:#x}>"


def _array(address: int, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    if 0 in shape or address == 0:
        return np.zeros(0, dtype)
    interface = {
        "data": (int(address), False),
        "shape": shape,
        "typestr": np.dtype(dtype).str,
        "version": 3,
    }
    return np.asarray(SimpleNamespace(__array_interface__=interface)).view(_Pointed)


def real_from_word(word: int, dtype: Any) -> Any:
    """The real number of this dtype whose bits are the lowest of an int64."""
    return np.array([word], np.int64).view(dtype)[0]


def address_of(array: NDArray[Any]) -> int:
    """Where the first element lies. The simulator hands kernels its own view of an array."""
    own: Any = getattr(array, "_ary", array)
    return int(own.ctypes.data)


def vectors(width: int) -> Callable[[Any, int], tuple[Any, ...]]:
    """A function (array, index) -> the `width` numbers from there on."""

    def load(array: Any, index: int) -> tuple[Any, ...]:
        return tuple(array[index + n] for n in range(width))

    return load


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def grid_barrier() -> None:
    """The simulator runs blocks one after the other: a cooperative grid is one block there."""
    cuda.syncthreads()
