"""A GPU made of Python: the interface of `driver.Gpu` over the host's memory, kernels run by Numba's CUDA simulator.

For tests of tiny networks. NUMBA_ENABLE_CUDASIM=1, set before Python starts, puts it in the place of a GPU. It has no warps and runs blocks one after the other.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.compiler import module_of
from fastnn.errors import DeviceMemoryError
from fastnn.memory import aligned_zeros

__all__ = ["SimulatedGpu", "SimulatedMemory"]

Array = NDArray[Any]


@dataclass(eq=False)
class SimulatedMemory:
    """A piece of the host's memory that stands for the device's."""

    array: Array

    @property
    def address(self) -> int:
        return int(self.array.ctypes.data)

    @property
    def nbytes(self) -> int:
        return int(self.array.nbytes)


class SimulatedGpu:
    """One multiprocessor that runs one block at a time."""

    name = "Numba's CUDA simulator"
    cc = (9, 0)
    multiprocessors = 1
    memory_bytes = 1 << 30
    shared_bytes = 1 << 20

    def __init__(self) -> None:
        self._kernels: dict[str, Any] = {}
        _make_shared_memory_safe()

    def free_bytes(self) -> int:
        return self.memory_bytes

    def allocate(self, nbytes: int, what: str = "") -> SimulatedMemory:
        if nbytes > self.memory_bytes:
            raise DeviceMemoryError(
                f"the device has too little memory for {what or 'this'}",
                got=f"{self.memory_bytes:,} bytes",
                expected=f"{nbytes:,} bytes",
                hint="a smaller batch",
            )
        return SimulatedMemory(aligned_zeros(max(nbytes, 8), np.uint8))

    def pinned(self, nbytes: int) -> SimulatedMemory:
        return self.allocate(nbytes)

    def upload(self, address: int, array: Array) -> None:
        _bytes(address, array.nbytes)[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    upload_beside = upload

    def download(self, array: Array, address: int) -> None:
        array.reshape(-1).view(np.uint8)[:] = _bytes(address, array.nbytes)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        _bytes(to, nbytes)[:] = _bytes(source, nbytes)

    def zero(self, address: int, nbytes: int) -> None:
        _bytes(address, nbytes)[:] = 0

    def kernel(self, text: str, name: str, arguments: int) -> Any:
        """The kernel in a module of this text, as Python."""
        if text not in self._kernels:
            from fastnn.cuda.toolkit import cuda

            self._kernels[text] = cuda.jit(module_of(text, name).kernel)
        return self._kernels[text]

    def launch(
        self,
        function: Any,
        blocks: int,
        threads: int,
        arguments: tuple[int, ...],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        function[1 if cooperative else blocks, threads, 0, shared](*arguments)

    def record(self, launches: Callable[[], None]) -> Callable[[], None]:
        return launches

    def replay(self, graph: Callable[[], None]) -> None:
        graph()

    def blocks_at_once(self, function: Any, threads: int, shared: int = 0) -> int:
        return 1

    def fork(self) -> None:
        """Uploads beside the work are done at once."""

    def join(self) -> None:
        """Uploads beside the work are done at once."""

    def wait_beside(self) -> None:
        """Uploads beside the work are done at once."""

    def wait(self) -> None:
        """All work is done when launch returns."""


def _make_shared_memory_safe() -> None:
    """Two threads of the simulator that come to a shared array at once would each get one of their own."""
    shared = importlib.import_module("numba.cuda.simulator.kernelapi").FakeCUDAShared
    lock, sharing = threading.Lock(), shared.array

    def array(self: Any, shape: Any, dtype: Any, alignment: Any = None) -> Any:
        if shape == 0:
            return sharing(self, shape, dtype, alignment)
        caller = sys._getframe(1)
        place = caller.f_code.co_filename, caller.f_lineno
        with lock:
            return self._allocations.setdefault(place, np.empty(shape, dtype))

    shared.array = array
    sys.setswitchinterval(1e-4)  # threads of a block meet all the time: 2.5 to 6 times faster


def _bytes(address: int, nbytes: int) -> Array:
    from fastnn.cuda.simulated import view

    return view(address, np.uint8, (nbytes,))
