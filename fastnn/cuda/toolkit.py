"""What kernels of this package are written with: numba-cuda's `cuda` and our intrinsics, or their twins of Numba's CUDA simulator.

Modules that `unit.py` and `tape.py` write import from here, so they run in both.
NUMBA_ENABLE_CUDASIM=1, set before Python starts, chooses the simulator: kernels are Python then, and memory is the host's.
"""

from __future__ import annotations

import importlib
from typing import Any

from fastnn.cuda.numba_cuda import SIMULATED, cuda

__all__ = [
    "SIMULATED",
    "address_of",
    "cuda",
    "grid_barrier",
    "inlined",
    "njit",
    "pointer",
    "real_from_word",
    "vectors",
    "view",
]

inlined: Any = cuda.jit(device=True) if SIMULATED else cuda.jit(device=True, forceinline=True)
"""Of functions that take a thread's arrays: registers cannot be indexed, so they must become part of their caller."""

_words: Any = importlib.import_module(f"fastnn.cuda.{'simulated' if SIMULATED else 'memory'}")
njit: Any = _words.njit
"""Of bodies and plugin functions; the simulator runs them as Python too, or every tiny fit would wait 8 s for Numba."""
address_of, grid_barrier, pointer = _words.address_of, _words.grid_barrier, _words.pointer
real_from_word, vectors, view = _words.real_from_word, _words.vectors, _words.view
