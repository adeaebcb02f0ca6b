"""Training data that does not fit into the device's memory: windows of some steps, gathered by the host, uploaded while the device works on the one before.

    host      gather window 1 | gather window 2 | ...           into one half of page-locked memory, in the epoch's order
    upload                    | window 1        | window 2      into one half of the device's buffers
    device    window 0        | window 0, 1     | ...

On the device the rows of a window lie in the order of the epoch, so `order` is 0, 1, 2, ... there, and a step begins at row (half, step in the window).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WINDOW_BYTES", "Feed"]

Array = NDArray[Any]
WINDOW_BYTES = 64 << 20
"""Bytes of a window: long to upload (3 ms) beside what a launch costs, and little beside the memory of a GPU."""


class Feed:
    """Rows of `arrays` (name: host array, with as many rows each) by windows of whole steps of `batch` rows."""

    def __init__(
        self, device: Any, arrays: Mapping[str, Array], batch: int, most: int = WINDOW_BYTES
    ) -> None:
        self._device, self._arrays, self._batch = device, dict(arrays), batch
        row_bytes = sum(array.nbytes // max(len(array), 1) for array in arrays.values())
        self.steps = max(1, most // max(row_bytes * batch, 1))
        self._half = self.steps * batch
        self._pinned: dict[str, tuple[Any, Array]] = {}
        self._there: dict[str, Any] = {}
        for name, array in self._arrays.items():
            shape = (2 * self._half, *array.shape[1:])
            nbytes = max(int(np.prod(shape)) * array.itemsize, 8)
            pages = device.pinned(nbytes)
            self._pinned[name] = pages, pages.array[:nbytes].view(array.dtype).reshape(shape)
            self._there[name] = device.allocate(nbytes, f"windows of {name}")
        order = np.arange(2 * self._half, dtype=np.int64)
        self._there["order"] = device.allocate(order.nbytes, "the order of a window")
        device.upload(self._there["order"].address, order)

    def addresses(self) -> dict[str, int]:
        """Where the windows lie on the device, and their order."""
        return {name: memory.address for name, memory in self._there.items()}

    def first_row(self, window: int) -> int:
        """Where the rows of a window begin on the device."""
        return window % 2 * self._half

    def send(self, window: int, rows: Array) -> None:
        """Gather these rows and upload them beside the work, as window number `window`: the device must have done with the one two before."""
        first = self.first_row(window)
        self._device.wait_beside()  # the page-locked half may still be on its way
        for name, array in self._arrays.items():
            here = self._pinned[name][1][first : first + len(rows)]
            np.take(array, rows, axis=0, out=here)
            stride = array.nbytes // max(len(array), 1)
            self._device.upload_beside(self._there[name].address + first * stride, here)
