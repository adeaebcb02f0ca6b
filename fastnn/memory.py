"""Arrays that start on a cache line: a vector load or store that crosses a line costs two, and rows of W all would."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["ALIGNMENT", "aligned_zeros"]

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register."""


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[np.generic]:
    """Zeros of this shape and dtype, the first of them at a multiple of ALIGNMENT bytes."""
    size = (shape if isinstance(shape, int) else math.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)
