"""What a GPU lends, given back when nobody holds it any more: memory, page-locked memory, kernels, graphs."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import DeviceError

__all__ = [
    "ARGUMENTS",
    "Function",
    "Graph",
    "HostMemory",
    "Image",
    "Memory",
    "Pages",
    "Thread",
    "host_place",
    "owner",
    "packer",
]

ARGUMENTS = 8
"""Arguments that a kernel may have."""


class Memory:
    """Memory of the device: `address` (a multiple of 256) and `nbytes`. Kernels that still run when it is given back finish first."""

    __slots__ = ("__weakref__", "address", "nbytes")

    def __init__(self, address: int, nbytes: int) -> None:
        self.address = address
        self.nbytes = nbytes


class Pages:
    """The page-locked memory itself, which NumPy arrays keep alive: they know it as their base."""

    __slots__ = ("__array_interface__", "__weakref__")

    def __init__(self, address: int, nbytes: int) -> None:
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (nbytes,),
            "typestr": "|u1",
            "version": 3,
        }


class HostMemory:
    """Page-locked memory of the host: `array` is all of it, uint8. The memory lives as long as any array made from this one."""

    __slots__ = ("__weakref__", "address", "array", "nbytes")

    def __init__(self, pages: Pages, address: int, nbytes: int) -> None:
        self.array: NDArray[np.uint8] = np.asarray(pages)
        self.address = address
        self.nbytes = nbytes


def owner(array: NDArray[Any]) -> Pages | None:
    """The page-locked memory in which an array lies, if it does."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, Pages) else None


def host_place(array: NDArray[Any], write: bool = False) -> int:
    """The address of a C-contiguous array, to read from or write into."""
    if not array.flags.c_contiguous or (write and not array.flags.writeable):
        wanted = "C-contiguous and writable" if write else "C-contiguous"
        raise DeviceError(
            f"an array that is copied {'from' if write else 'to'} the GPU has to be {wanted}",
            got=f"strides {array.strides} for shape {array.shape}"
            + ("" if array.flags.writeable else ", read-only"),
            hint="np.ascontiguousarray",
        )
    return int(array.__array_interface__["data"][0])


class Image:
    """A loaded cubin."""

    __slots__ = ("__weakref__", "handle")

    def __init__(self, handle: Any) -> None:
        self.handle = handle


class Function:
    """A kernel: its handle for launches, and what the driver knows of it.

    `registers` and `local_bytes` are those of a thread, `shared_bytes` is the static shared memory of a block, `most_threads` what a block
    can have, `parameters` how many int64 it takes (None: the driver is too old to tell), `dynamic_bytes` how much dynamic shared memory a launch
    may have before more is asked for.
    """

    __slots__ = (
        "dynamic_bytes",
        "entry",
        "handle",
        "image",
        "local_bytes",
        "most_threads",
        "pack",
        "parameters",
        "registers",
        "shared_bytes",
    )

    registers: int
    local_bytes: int
    shared_bytes: int
    most_threads: int
    dynamic_bytes: int

    def __init__(self, image: Image, handle: Any, entry: str, parameters: int | None) -> None:
        self.image = image
        self.handle = handle
        self.entry = entry
        self.parameters = parameters
        self.pack = packer(parameters)


class Graph:
    """Recorded launches. It keeps their kernels loaded; the memory they work on is kept by whoever recorded them."""

    __slots__ = ("__weakref__", "functions", "handle")

    def __init__(self, handle: Any, functions: list[Function]) -> None:
        self.handle = handle
        self.functions = frozenset(functions)


class Thread:
    """What a Python thread needs to launch: the stream its work goes to, and the block that arguments are read from.

    The driver copies arguments before a launch returns, so a thread can use one block again and again. The block is a row of addresses, each
    that of one int64 behind it: ctypes aligns both to 8 bytes.
    """

    __slots__ = ("block", "pointers", "recorded", "stream", "values")

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.recorded: list[Function] | None = None
        self.values = (ctypes.c_int64 * ARGUMENTS)()
        first = ctypes.addressof(self.values)
        self.pointers = (ctypes.c_void_p * ARGUMENTS)(*range(first, first + 8 * ARGUMENTS, 8))
        self.block = ctypes.addressof(self.pointers)


def packer(parameters: int | None) -> Callable[..., None]:
    """A function (values, 0, *arguments) that writes this many int64; with None, as many as there are.

    >>> values = (ctypes.c_int64 * 2)()
    >>> packer(2)(values, 0, 7, -1)
    >>> list(values)
    [7, -1]
    """
    if parameters is not None:
        return struct.Struct(f"={parameters}q").pack_into

    def pack(values: Any, at: int, *arguments: int) -> None:
        struct.pack_into(f"={len(arguments)}q", values, at, *arguments)

    return pack
