"""A machine on a GPU: programs with memory of their own there. The counterpart of fastnn/cpu/machine.py, with the same methods.

Words and tables are uploaded when something was bound (bound.py), the frame before every call; what comes back is the frame's first words, and what is fetched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.bound import FED, Bound
from fastnn.cuda.device import choice, kernel
from fastnn.cuda.feed import Feed
from fastnn.cuda.program import kinds_of
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
from fastnn.cuda.unit import StageText, check_text, launch_text
from fastnn.plan import Plan

__all__ = ["CudaMachine"]

Array = NDArray[Any]
_AT = {name: place for place, name in enumerate(FRAME)}
_RESULTS = 3
BLOCK_FLOPS = 2_000_000
"""Floating-point operations of a step up to which one block does them all: some 20 us of one multiprocessor. Not measured yet: benchmarks/peers/gpu.py measures each way."""
GRID_FLOPS = 500_000_000
"""Up to which all steps run in one launch of a grid that meets: barriers of 1 to 2 us, in place of launches. Not measured yet."""
RESERVED = 1024
"""Bytes of shared memory that CUDA keeps of every block."""
GRAPH_STEPS = 8
"""Steps recorded in one graph: a replay costs microseconds, whatever is in it."""


class CudaMachine(Bound):
    """Runs a plan (`last`: the plan for the rest of an epoch that is no full batch) on the GPU.

    `total` is the sum of the losses of all steps since it was set to 0, `bad` is 1 after a loss that was not finite.
    """

    def __init__(self, plan: Plan, last: Plan | None = None, precision: str = "float32") -> None:
        super().__init__(plan, last, precision)
        self.total, self.bad = np.zeros(1, np.float64), np.zeros(1, np.int64)
        self._frame = np.zeros(len(FRAME), np.int64)
        self._on_device = self._upload("a frame", self._frame)
        at = self._on_device.address
        self._bases |= {"total": at + 8 * TOTAL, "bad": at + 8 * BAD}
        self._kinds = kinds_of(self.programs)
        tables = [program.table(self._kinds).reshape(-1) for program in self.programs]
        self._tables = self._upload("tables", np.concatenate(tables))
        self._seed, self._full = 0, 1
        self._feed: Feed | None = None
        self._functions: dict[Any, Any] = {}
        self._graphs: dict[tuple[int, int], Any] = {}
        if "ones" in self._spaces():
            self.bind("ones", np.ones(plan.batch, plan.dtype))

    def finite(self) -> bool:
        """Whether all parameters are finite."""
        words = np.array(
            [self._bases["theta"], self.plan.graph.n_parameters, self._on_device.address + 8 * BAD], np.int64
        )
        text = launch_text(check_text(), self.plan.dtype)
        self._to_frame(0)
        memory = self._upload("words of a check", words)
        blocks = max(1, min(-(-int(words[1]) // self._geometry.threads), 8 * self.device.multiprocessors))
        self.device.launch(
            self._function("check", text), blocks, self._geometry.threads, (memory.address, self._run_address)
        )
        self.device.download(self._frame[:_RESULTS], self._on_device.address)
        return not self._frame[BAD]

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
        if self._fed:
            return self._go_by_windows(first, etas, step)
        self._launch(first, etas, step, first * self.plan.batch)
        return self._result()

    def _go_by_windows(self, first: int, etas: NDArray[np.float64], step: int) -> int:
        """As `_go`, with the rows of the next window on their way while the device works on one."""
        if self._feed is None:
            rows = {name: self._hosts[name] for name in FED[:-1] if name in self._hosts}
            self._feed = Feed(self.device, rows, self.plan.batch)
            self._bases |= self._feed.addresses()
            self._stale = True
        feed, batch, order = self._feed, self.plan.batch, self._hosts["order"]
        starts = range(0, len(etas), feed.steps)

        def send(window: int) -> None:
            begin = first + starts[window]
            end = first + min(starts[window] + feed.steps, len(etas))
            feed.send(window, order[begin * batch : end * batch])

        done = 0
        send(0)
        for window, start in enumerate(starts):
            rates = etas[start : start + feed.steps]
            self.device.join()
            self._launch(first + start, rates, step + start, feed.first_row(window))
            if window + 1 < len(starts):
                send(window + 1)
            finished = self._result()
            done += finished
            if finished < len(rates):
                break
        return done

    def _launch(self, first: int, etas: NDArray[np.float64], step: int, row: int) -> None:
        """Steps `first` and on of an epoch, the first of which begins at `row` of the order on the device; returns before they have run."""
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
            row,
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

    def _result(self) -> int:
        """Wait for what was launched; gives how many steps were finished."""
        frame = self._frame
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
        return self._shared_bytes + STORAGE_BYTES + RESERVED <= most

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
