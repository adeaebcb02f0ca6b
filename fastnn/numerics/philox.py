"""Random numbers in compiled code: the counter-based generator Philox4x32-10.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A random number is a function of a key and a counter, so a
dropout mask needs no storage and does not depend on threads, blocks or the order of work.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["philox", "uniform"]

_U32, _U64 = np.uint32, np.uint64
_LOW = _U64(0xFFFFFFFF)
_SHIFT = _U64(32)


@njit(error_model="numpy", nogil=True, inline="always")
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Four 32-bit random words from a counter of four and a key of two 32-bit words (all uint32)."""
    for _ in range(10):
        first = _U64(0xD2511F53) * _U64(c0)
        second = _U64(0xCD9E8D57) * _U64(c2)
        c0, c1, c2, c3 = (
            _U32(_U32(second >> _SHIFT) ^ c1 ^ k0),
            _U32(second & _LOW),
            _U32(_U32(first >> _SHIFT) ^ c3 ^ k1),
            _U32(first & _LOW),
        )
        k0 = _U32((_U64(k0) + _U64(0x9E3779B9)) & _LOW)
        k1 = _U32((_U64(k1) + _U64(0xBB67AE85)) & _LOW)
    return c0, c1, c2, c3


@njit(error_model="numpy", nogil=True, inline="always")
def uniform(seed, step, stream, i):  # type: ignore[no-untyped-def]
    """A float32 in [0, 1), a function of its four whole-number arguments alone."""
    counter = _U64(i)
    word = philox(
        _U32(counter & _LOW),
        _U32(counter >> _SHIFT),
        _U32(_U64(step) & _LOW),
        _U32(_U64(stream) & _LOW),
        _U32(_U64(seed) & _LOW),
        _U32(_U64(seed) >> _SHIFT),
    )[0]
    return np.float32(word >> _U32(8)) * np.float32(2.0**-24)
