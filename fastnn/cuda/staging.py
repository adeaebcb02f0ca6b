"""Small uploads through page-locked memory of our own, so that they wait for nothing.

A copy from ordinary memory may read it later than it returns, or wait for all work before it: CUDA promises neither. Copied here first, the
host's array is free at once and the stream goes on. The memory has two halves; one is written again when the copies out of it are done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.held import HostMemory
from fastnn.locks import Lock

__all__ = ["SMALL", "Staging"]

SMALL = 1 << 16
"""Bytes up to which an upload goes this way."""

HALF = 8 * SMALL
ALIGNED = 64


class Staging:
    """A place for small uploads. `record` marks a point of the work stream by an event, `reach` waits until it is passed."""

    def __init__(
        self,
        memory: HostMemory,
        events: tuple[Any, Any],
        copy: Callable[[int, int, int], None],
        record: Callable[[Any], None],
        reach: Callable[[Any], None],
    ) -> None:
        self._memory = memory
        self._events = events
        self._copy = copy
        self._record = record
        self._reach = reach
        self._lock = Lock()
        self._half = 0
        self._used = 0
        self._marked = [False, False]

    def send(self, address: int, array: NDArray[Any]) -> None:
        """Copy an array of at most SMALL bytes to a device address, in order with all work."""
        nbytes = array.nbytes
        with self._lock:
            if self._used + nbytes > HALF:
                self._turn()
            at = self._half * HALF + self._used
            self._memory.array[at : at + nbytes] = array.reshape(-1).view(np.uint8)
            self._used += -(-nbytes // ALIGNED) * ALIGNED
            self._copy(address, self._memory.address + at, nbytes)

    def _turn(self) -> None:
        """On to the other half, when its copies are done."""
        self._record(self._events[self._half])
        self._marked[self._half] = True
        self._half, self._used = 1 - self._half, 0
        if self._marked[self._half]:
            self._reach(self._events[self._half])
