"""What a machine on a GPU works on: one region of the device's memory for all that is the network's own, and data beside it.

Host arrays are bound by name, as on the CPU; what stands for them on the device is uploaded and fetched when asked for. Training data too large for the
device comes by windows (feed.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.device import choice, geometry, the_device
from fastnn.cuda.program import Program
from fastnn.memory import ALIGNMENT
from fastnn.plan import FLAT_VECTORS, Plan
from fastnn.plan.fits import check_fits

__all__ = ["FED", "Bound"]

Array = NDArray[Any]
MOVED = ("theta", "statistics")
"""What training moves."""
FED = ("X", "y", "weights", "order")
"""What comes by windows where X does."""
RESIDENT_SHARE = 0.8
"""Of the free memory, what training data may take; activations come on top."""
SMALL = 16 << 20
"""Bytes that are kept for the next array of this name: to allocate costs more than to upload."""
_DATA = ("X", "y", "order", "weights", "ones", "out")


class Bound:
    """Memory of some programs on the device; `results` are addresses of total and bad.

    `bind(name, array)` says which host array an external buffer stands for: it is uploaded now. `refresh` uploads it again, `fetch` brings it back.
    """

    def __init__(self, plan: Plan, last: Plan | None, precision: str) -> None:
        self.plan, self.device, self._geometry = plan, the_device(), geometry(precision)
        self.programs = [Program(p, self._geometry, precision) for p in (plan, last) if p is not None]
        self._itemsize = np.dtype(plan.dtype).itemsize
        self._held: dict[str, Any] = {}
        self._hosts: dict[str, Array] = {}
        self._bases: dict[str, int] = {}
        self._near: dict[str, tuple[int, int]] = {}
        self._fed, self._stale = False, True
        self._lay_out()

    def _spaces(self) -> set[str]:
        return set.union(*(program.spaces() for program in self.programs))

    def _lay_out(self) -> None:
        """Places in the region for everything that is the network's own."""
        sizes: dict[str, int] = {}
        for program in self.programs:
            plan = program.plan
            for space in program.spaces() - {*_DATA, "total", "bad"}:
                if space in FLAT_VECTORS:
                    size = plan.graph.n_parameters * self._itemsize
                elif space == "arena":
                    size = plan.arena_bytes
                elif space == "parts":
                    size = program.parts * self._itemsize
                else:
                    size = plan.externals[space].bytes
                sizes[space] = max(sizes.get(space, 0), size)
        end = 0
        for space, size in sorted(sizes.items()):
            self._near[space] = end, size
            end += -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        what = "parameters, gradients, optimizer state and activations"
        self._region = self.device.allocate(max(end, ALIGNMENT), what)
        self._bases |= {space: self._region.address + offset for space, (offset, _) in self._near.items()}

    def bind(self, name: str, array: Array) -> None:
        """External buffer `name` is this array, now."""
        check_fits((program.plan for program in self.programs), name, array)
        self._hosts[name] = array
        if self._is_fed(name, array):
            self._stale = True
            return
        if name not in self._near and name in self._spaces():
            memory = self._held.get(name)
            if memory is None or memory.nbytes < array.nbytes:
                self._held[name] = memory = self.device.allocate(
                    max(array.nbytes, 1), f"{name} {array.shape}"
                )
            if self._bases.get(name) != memory.address:
                self._bases[name], self._stale = memory.address, True
        if name != "out":
            self.refresh(name)

    def _is_fed(self, name: str, array: Array) -> bool:
        """Whether the rows of the training data come by windows: X is too large for the device, and the rest follows X."""
        if "order" not in self._spaces() or name not in FED:
            return False
        if name == "X":
            most = choice().resident_bytes
            self._fed = array.nbytes > (RESIDENT_SHARE * self.device.free_bytes() if most is None else most)
        return self._fed

    def refresh(self, *names: str) -> None:
        """Upload again what the arrays of these buffers hold."""
        for name in names:
            if self._fed and name in FED:
                continue  # sent by windows
            if name in self._bases and self._hosts[name].nbytes:
                self.device.upload(self._bases[name], self._hosts[name])

    def fetch(self, *names: str) -> None:
        """Bring these buffers back into their arrays."""
        for name in names:
            if name in self._bases and self._hosts[name].nbytes:
                self.device.download(self._hosts[name], self._bases[name])

    def release(self, *names: str) -> None:
        """Let go of these arrays, and of what stands for them on the device where that is large."""
        for name in names:
            self._hosts.pop(name, None)
            if name in self._held and self._held[name].nbytes > SMALL:
                del self._held[name], self._bases[name]

    def keep(self) -> dict[str, Any]:
        """theta and the running statistics as they are now, on the device; `kept` gives them as arrays."""
        memories = {}
        for name in MOVED:
            if name in self._near:
                offset, size = self._near[name]
                memories[name] = self.device.allocate(max(size, 1), f"a copy of {name}")
                self.device.copy(memories[name].address, self._region.address + offset, size)
        return memories

    def kept(self, memories: dict[str, Any]) -> dict[str, Array]:
        """What `keep` kept."""
        graph = self.plan.graph
        sizes = {"theta": graph.n_parameters, "statistics": graph.n_statistics}
        arrays: dict[str, Array] = {name: np.empty(sizes[name], self.plan.dtype) for name in memories}
        for name, memory in memories.items():
            self.device.download(arrays[name], memory.address)
        return arrays

    def _upload(self, what: str, array: Array) -> Any:
        memory = self.device.allocate(max(array.nbytes, 8), what)
        if array.nbytes:
            self.device.upload(memory.address, array)
        return memory
