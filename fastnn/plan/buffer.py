"""A buffer: a named run of numbers that instructions read and write, somewhere in memory that the device provides.

space      theta, g, v, hv (the flat vectors of parameters), statistics, arena (placed by the plan), private (every thread has its own), or the name of something bound at run time (X, y, out, ones, ...)
shape      with the batch in front where `batched`
offset     in elements from the start of the space (arena: set by `place_buffers`)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

__all__ = ["FLAT_VECTORS", "PRIVATE", "STATISTICS", "Buffer"]

FLAT_VECTORS = ("theta", "g", "v", "hv")
PRIVATE = "private"
STATISTICS = "statistics"


class Buffer:
    """Where numbers lie; views of one root share its place."""

    def __init__(
        self,
        name: str,
        space: str,
        shape: Sequence[int],
        dtype: str,
        *,
        batched: bool,
        offset: int = 0,
        root: Buffer | None = None,
    ) -> None:
        self.name, self.space, self.shape, self.dtype = name, space, tuple(shape), dtype
        self.batched = batched
        self._offset = offset
        self.root: Buffer = root.root if root is not None else self
        self.written = False

    @property
    def offset(self) -> int:
        return self.root._offset if self.root is not self else self._offset

    @offset.setter
    def offset(self, value: int) -> None:
        assert self.root is self
        self._offset = value

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def row_size(self) -> int:
        """Numbers in one row (one sample of the batch)."""
        return prod(self.shape[1:])

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        return max(self.size, 0) * self.itemsize

    def view(self, shape: Sequence[int] | None = None) -> Buffer:
        """The same place under another shape, with a `written` of its own."""
        shape = self.shape if shape is None else tuple(shape)
        return Buffer(self.name, self.space, shape, self.dtype, batched=self.batched, root=self)

    def same_place(self, other: Buffer) -> bool:
        return self.root is other.root or (
            self.space == other.space
            and self.space in (*FLAT_VECTORS, STATISTICS)
            and self.offset == other.offset
        )

    def __repr__(self) -> str:
        return f"<buffer {self.name} {self.shape} in {self.space}>"
