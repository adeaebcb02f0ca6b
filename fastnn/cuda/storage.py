"""The block's shared memory, one piece for all products and sums of a kernel: they use it one after the other."""

from __future__ import annotations

import numpy as np

from fastnn.cuda.toolkit import SIMULATED, address_of, cuda

__all__ = ["STORAGE_BYTES", "storage"]

STORAGE_BYTES = 32 * 1024
"""Two slabs of the largest tile of tensor.py; two blocks with as much fit on a multiprocessor."""
_WORDS = STORAGE_BYTES // 4


@cuda.jit(device=True)
def storage():  # type: ignore[no-untyped-def]
    """Its address, on 16 bytes. Without a dtype: one compiled function, one piece of memory."""
    if SIMULATED:  # which knows no alignment
        words = cuda.shared.array(_WORDS, np.int32)
    else:
        words = cuda.shared.array(_WORDS, np.int32, alignment=16)
    return address_of(words)
