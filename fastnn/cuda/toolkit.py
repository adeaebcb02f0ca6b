"""What kernels of this package are written with: numba-cuda's `cuda` and our intrinsics, or their twins of Numba's CUDA simulator.

The one place that imports numba.cuda for kernels. Modules that `unit.py` and `stage.py` write import from here, so they run in both.
NUMBA_ENABLE_CUDASIM=1, set before Python starts, chooses the simulator: kernels are Python then, and memory is the host's.
"""

from __future__ import annotations

from typing import Any

from numba import cuda as _cuda
from numba.core import config

SIMULATED: bool = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]

if SIMULATED:
    from fastnn.cuda.simulated import address_of, grid_barrier, pointer, real_from_word, vectors, view
else:
    from fastnn.cuda.memory import address_of, grid_barrier, pointer, real_from_word, vectors, view

__all__ = [
    "SIMULATED",
    "address_of",
    "cuda",
    "grid_barrier",
    "pointer",
    "real_from_word",
    "vectors",
    "view",
]

cuda: Any = _cuda
