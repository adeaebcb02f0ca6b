"""A machine on a GPU: programs with memory of their own there. The counterpart of fastnn/cpu/machine.py, with the same methods.

Parameters, gradients, optimizer state and activations lie in one region of the device's memory; data beside it. Words and tables are uploaded when something was bound,
the frame before every call; what comes back is the frame's first words, and what is fetched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.device import choice, geometry, kernel, the_device
from fastnn.cuda.program import Program, kinds_of
from fastnn.cuda.storage import STORAGE_BYTES
from fastnn.cuda.tape import (
    ADVANCE,
    BAD,
    BATCH,
    COUNT,
    DONE,
    ETA,
    ETAS,
    FRAME,
    FULL,
    GONE,
    ROW,
    RUN,
    SEED,
    STEP,
    TOTAL,
    tape_text,
)
from fastnn.cuda.unit import StageText, launch_text
from fastnn.errors import FastnnError
from fastnn.memory import ALIGNMENT
from fastnn.plan import FLAT_VECTORS, Plan

__all__ = ["CudaMachine"]

Array = NDArray[Any]
_AT = {name: place for place, name in enumerate(FRAME)}
_DATA = ("X", "y", "order", "weights", "ones", "out")
_RESULTS = 3

BLOCK_FLOPS = 2_000_000
"""Floating-point operations of a step up to which one block does them all: some 20 us of one multiprocessor. Not measured yet: benchmarks/peers/gpu.py measures each way."""
GRID_FLOPS = 500_000_000
"""Up to which all steps run in one launch of a grid that meets: barriers of 1 to 2 us, in place of launches. Not measured yet."""
GRAPH_STEPS = 8
"""Steps recorded in one graph: a replay costs microseconds, whatever is in it."""


class CudaMachine:
    """Runs a plan (`last`: the plan for the rest of an epoch that is no full batch) on the GPU.

    `bind(name, array)` says which host array an external buffer stands for: it is uploaded now. `refresh` uploads it again, `fetch` brings it back.
    `total` is the sum of the losses of all steps since it was set to 0, `bad` is 1 after a loss that was not finite.
    """

    def __init__(self, plan: Plan, last: Plan | None = None, precision: str = "float32") -> None:
        self.plan, self.device, self._geometry = plan, the_device(), geometry()
        self.programs = [Program(p, self._geometry, precision) for p in (plan, last) if p is not None]
        self.total, self.bad = np.zeros(1, np.float64), np.zeros(1, np.int64)
        self._itemsize = np.dtype(plan.dtype).itemsize
        self._held: dict[str, Any] = {}
        self._hosts: dict[str, Array] = {}
        self._frame = np.zeros(len(FRAME), np.int64)
        self._on_device = self.device.allocate(8 * len(FRAME), "a frame")
        self._bases = {"total": self._on_device.address + 8 * TOTAL, "bad": self._on_device.address + 8 * BAD}
        self._near: dict[str, tuple[int, int]] = {}
        self._lay_out()
        self._kinds = kinds_of(self.programs)
        self._tables = self._upload(
            "tables", np.concatenate([p.table(self._kinds).reshape(-1) for p in self.programs])
        )
        self._stale = True
        self._seed, self._full, self._steps = 0, 1, 0
        self._functions: dict[Any, Any] = {}
        self._graphs: dict[tuple[int, int], Any] = {}
        if "ones" in self._spaces():
            self.bind("ones", np.ones(plan.batch, plan.dtype))

    # ---- memory
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
        if not array.flags.c_contiguous:
            raise FastnnError(f"the array for {name!r} is not C-contiguous", hint="np.ascontiguousarray")
        self._check(name, array)
        self._hosts[name] = array
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

    def _check(self, name: str, array: Array) -> None:
        """Kernels look at nothing: an array that is too small would be read beyond its end."""
        for program in self.programs:
            buffer = program.plan.externals.get(name)
            if buffer is None or name == "ones":
                continue
            fits = (
                array.size == buffer.size
                if -1 not in buffer.shape
                else array.size % max(buffer.row_size, 1) == 0
            )
            if not fits or array.dtype != buffer.dtype:
                raise FastnnError(
                    f"the array for {name!r} does not fit the plan",
                    got=f"{array.shape}, {array.dtype}",
                    expected=f"{buffer.shape}, {buffer.dtype}",
                )

    def refresh(self, *names: str) -> None:
        """Upload again what the arrays of these buffers hold."""
        for name in names:
            if name in self._bases and self._hosts[name].nbytes:
                self.device.upload(self._bases[name], self._hosts[name])

    def fetch(self, *names: str) -> None:
        """Bring these buffers back into their arrays."""
        for name in names:
            if name in self._bases and self._hosts[name].nbytes:
                self.device.download(self._hosts[name], self._bases[name])

    def release(self, *names: str) -> None:
        """Let go of these arrays, and of what stands for them on the device."""
        for name in names:
            self._hosts.pop(name, None)
            self._held.pop(name, None)
            self._bases.pop(name, None)

    def keep(self) -> Any:
        """theta as it is now, on the device; `kept` gives it as an array."""
        offset, size = self._near["theta"]
        memory = self.device.allocate(max(size, 1), "a copy of the parameters")
        self.device.copy(memory.address, self._region.address + offset, size)
        return memory

    def kept(self, memory: Any) -> Array:
        """What `keep` kept."""
        theta = np.empty(self.plan.graph.n_parameters, self.plan.dtype)
        self.device.download(theta, memory.address)
        return theta

    def finite(self) -> bool:
        """Whether all parameters are finite."""
        words = np.array(
            [self._bases["theta"], self.plan.graph.n_parameters, self._on_device.address + 8 * BAD], np.int64
        )
        text = launch_text(
            StageText("forms.check(real)", None, result=2, result_type="np.int64"), self.plan.dtype
        )
        self._to_frame(0)
        memory = self._upload("words of a check", words)
        blocks = max(1, min(-(-int(words[1]) // self._geometry.threads), 8 * self.device.multiprocessors))
        self.device.launch(
            self._function("check", text), blocks, self._geometry.threads, (memory.address, self._run_address)
        )
        self.device.download(self._frame[:_RESULTS], self._on_device.address)
        return not self._frame[BAD]

    def _upload(self, what: str, array: Array) -> Any:
        memory = self.device.allocate(max(array.nbytes, 8), what)
        if array.nbytes:
            self.device.upload(memory.address, array)
        return memory

    # ---- running
    def seed(self, seed: int) -> None:
        """The seed of everything random inside a step."""
        self._seed = int(np.uint64(seed % 2**64).astype(np.int64))

    def full_steps(self, n_samples: int) -> None:
        """How many steps of an epoch over n_samples are full batches; the next one takes the rest."""
        self._full = n_samples // self.plan.batch

    def run(self) -> None:
        """One pass."""
        self._go(0, np.zeros(1), 0)

    def run_steps(self, first: int, etas: NDArray[np.float64], step: int) -> int:
        """Steps `first`, first + 1, ... of an epoch, with one learning rate each; gives how many were finished.

        `step` numbers the first of them from the beginning of the fit. Stops before the update of a step whose loss is not finite.
        """
        return self._go(first, etas, step)

    def _go(self, first: int, etas: NDArray[np.float64], step: int) -> int:
        count = len(etas)
        if self._stale:
            self._fill()
        how = choice().how or self._how()
        rates = np.zeros(count, np.int64)
        rates.view(self.plan.dtype)[:: 8 // self._itemsize] = etas
        memory = self._rates(rates)
        frame = self._frame
        frame[GONE], frame[STEP], frame[ROW], frame[SEED], frame[ETA] = (
            0,
            step,
            first * self.plan.batch,
            self._seed,
            rates[0],
        )
        frame[ETAS], frame[COUNT], frame[BATCH] = memory, count, self.plan.batch
        frame[FULL] = count if len(self.programs) == 1 else self._full - first
        self._to_frame(int(self.bad[0]))
        if how in ("block", "grid"):
            self._walk(how)
        else:
            self._launch_steps(first, count, how)
        self.device.download(frame[:_RESULTS], self._on_device.address)
        self.total[:], self.bad[:] = frame[:1].view(np.float64), frame[BAD]
        return int(frame[DONE])

    def _to_frame(self, bad: int) -> None:
        self._frame[: TOTAL + 1] = self.total.view(np.int64)
        self._frame[BAD], self._frame[DONE] = bad, 0
        self.device.upload(self._on_device.address, self._frame)

    def _rates(self, rates: NDArray[np.int64]) -> int:
        """Learning rates on the device; gives their address."""
        memory = self._held.get("rates")
        if memory is None or memory.nbytes < rates.nbytes:
            self._held["rates"] = memory = self.device.allocate(2 * rates.nbytes, "learning rates")
        self.device.upload(memory.address, rates)
        return int(memory.address)

    def _fill(self) -> None:
        """Words, with the addresses of all that is bound, and the frame's part that stays."""
        addressed = [program.address(self._bases, set(self._near)) for program in self.programs]
        words, marks = (np.concatenate([pair[n] for pair in addressed]) for n in (0, 1))
        if "words" not in self._held:
            self._held["words"] = self._upload("words", words)
            self._held["marks"] = self._upload("marks", marks)
        else:
            self.device.upload(self._held["words"].address, words)
            self.device.upload(self._held["marks"].address, marks)
        frame, at = self._frame, self._held["words"].address
        table, last = self._tables.address, self.programs[-1]
        for prefix, program in (("", self.programs[0]), ("last_", last)):
            later = program is not self.programs[0]
            frame[_AT[f"{prefix}table"]] = table + (24 * len(self.programs[0].stages) if later else 0)
            frame[_AT[f"{prefix}length"]] = len(program.stages)
            frame[_AT[f"{prefix}words"]] = at + (self.programs[0].words.nbytes if later else 0)
        frame[_AT["region"]], frame[_AT["region_words"]] = self._region.address, self._region.nbytes // 8
        frame[_AT["all_words"]], frame[_AT["words_words"]] = at, len(words)
        frame[_AT["marks"]] = self._held["marks"].address
        self._stale = False

    @property
    def _shared_bytes(self) -> int:
        """Dynamic shared memory of a block that holds the region and all words."""
        return int(self._region.nbytes + sum(program.words.nbytes for program in self.programs))

    @property
    def _fits_a_block(self) -> bool:
        most: int = self.device.shared_bytes
        return self._shared_bytes + STORAGE_BYTES <= most

    def _how(self) -> str:
        flops = self.plan.flops
        if flops <= BLOCK_FLOPS and self._fits_a_block:
            return "block"
        return "grid" if flops <= GRID_FLOPS else "graph"

    def _walk(self, how: str) -> None:
        """All steps in one launch."""
        block, threads = how == "block", self._geometry.threads
        resident = block and self._fits_a_block
        text = tape_text(self._kinds, self.plan.dtype, resident, block)
        function = self._function(("tape", block, resident), text, 1)
        shared = self._shared_bytes if resident else 0
        blocks = 1
        if not block:
            most = max(stage.blocks for program in self.programs for stage in program.stages)
            blocks = min(self.device.blocks_at_once(function, threads), most)
        self.device.launch(function, blocks, threads, (self._on_device.address,), shared, not block)

    def _launch_steps(self, first: int, count: int, how: str) -> None:
        """Stage after stage, each in a launch of its own: recorded in a graph, or one by one."""
        done = 0
        while done < count:
            which = 0 if len(self.programs) == 1 or first + done < self._full else 1
            of_this = (
                min(count, self._full - first) - done
                if which == 0 and len(self.programs) > 1
                else count - done
            )
            steps = GRAPH_STEPS if of_this >= GRAPH_STEPS else 1
            if how == "direct":
                steps = 1
                self._launch_step(which)
            else:
                graph = self._graphs.get((which, steps))
                if graph is None:
                    self._load(which)

                    def launches(which: int = which, steps: int = steps) -> None:
                        for _ in range(steps):
                            self._launch_step(which)

                    graph = self._graphs[which, steps] = self.device.record(launches)
                self.device.replay(graph)
            done += steps

    def _load(self, which: int) -> None:
        """Compile and load all that a step launches: not while it is recorded."""
        for stage in self.programs[which].stages:
            self._stage_function(stage.text)
        self._function("advance", ADVANCE)

    def _launch_step(self, which: int) -> None:
        device, program, threads = self.device, self.programs[which], self._geometry.threads
        at = self._held["words"].address + (self.programs[0].words.nbytes if which else 0)
        most = 16 * device.multiprocessors
        for stage, first in zip(program.stages, program.firsts, strict=True):
            function, blocks = self._stage_function(stage.text), min(stage.blocks, most)
            device.launch(function, blocks, threads, (at + 8 * first, self._run_address))
        device.launch(self._function("advance", ADVANCE), 1, threads, (self._on_device.address, 0))

    @property
    def _run_address(self) -> int:
        return int(self._on_device.address + 8 * RUN)

    def _stage_function(self, stage: StageText) -> Any:
        if stage.text not in self._functions:
            text = launch_text(stage, self.plan.dtype)
            self._functions[stage.text] = kernel(self.device, text, stage.name, 2)
        return self._functions[stage.text]

    def _function(self, key: Any, text: str, arguments: int = 2) -> Any:
        if key not in self._functions:
            name = key if isinstance(key, str) else key[0]
            self._functions[key] = kernel(self.device, text, name, arguments)
        return self._functions[key]
