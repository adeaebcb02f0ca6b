"""A machine: programs with memory of their own, ready to run as often as you like without allocating anything."""

from __future__ import annotations

import ctypes
import time

import numpy as np
from numpy.typing import NDArray

from fastnn.cpu.crew import MOST_WORKERS
from fastnn.cpu.gemm import scratch_size
from fastnn.cpu.pace import Pace
from fastnn.cpu.program import Program
from fastnn.cpu.runner import FRAME, RUN_WORDS, runner
from fastnn.cpu.team import COUNTER_WORDS, core_count, the_team, yield_address
from fastnn.memory import ALIGNMENT, aligned_zeros
from fastnn.plan import Plan
from fastnn.plan.buffer import PRIVATE
from fastnn.plan.fits import check_fits

__all__ = ["Machine"]

Array = NDArray[np.generic]
MOVED = ("theta", "statistics")
"""What training moves."""
_AT = {name: place for place, name in enumerate(FRAME)}


class Machine:
    """Runs a plan (`last`: the plan for the rest of an epoch that is no full batch) with a team of `threads`.

    `bind(name, array)` says where an external buffer lies (theta, g, X, y, out, order, ...): no copy is made, and the array must stay C-contiguous.
    `total` is the sum of the losses of all steps since it was set to 0, `bad` is 1 after a loss that was not finite.
    """

    def __init__(self, plan: Plan, last: Plan | None = None, threads: int = 1) -> None:
        self.plan, self.threads = plan, min(threads, MOST_WORKERS + 1)
        self.programs = [Program(p, self.threads) for p in (plan, last) if p is not None]
        self._arena = aligned_zeros(max(p.plan.arena_bytes for p in self.programs), np.uint8)
        self._scratch_bytes = scratch_size(plan.dtype) * np.dtype(plan.dtype).itemsize
        self._scratch = aligned_zeros(self._scratch_bytes * self.threads, np.uint8)
        self._run = aligned_zeros(RUN_WORDS * self.threads, np.int64)
        self._zeros = aligned_zeros(max(p.zero_row for p in self.programs), plan.dtype)
        self._counter = aligned_zeros(COUNTER_WORDS, np.int64)
        self.total = np.zeros(1, np.float64)
        self.bad = np.zeros(1, np.int64)
        self._etas = np.zeros(1, np.float64)
        self._frame = np.zeros(len(FRAME), np.int64)
        self._bound: dict[str, Array] = {}
        ones = np.ones(
            plan.batch, plan.dtype
        )  # weights where there are none; outside the arena, which both plans write to
        own = {"arena": self._arena, "zeros": self._zeros, "ones": ones, "total": self.total, "bad": self.bad}
        for name, array in own.items():
            self.bind(name, array)
        self._give_private_memory()
        self._fill_frame()
        self._runner = runner()
        self.runner_address: int = ctypes.cast(self._runner, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
        self.frame_address: int = self._frame.ctypes.data
        self._pace = Pace(self.threads, core_count() if self.threads > 1 else 1)
        self._counter_address: int = self._counter.ctypes.data

    def bind(self, name: str, array: Array) -> None:
        """External buffer `name` lies in `array`."""
        check_fits((program.plan for program in self.programs), name, array)
        self._bound[name] = array
        for program in self.programs:
            program.bind(name, array.ctypes.data)

    def release(self, *names: str) -> None:
        """Let go of the arrays of these external buffers; they must be bound again before the next run."""
        for name in names:
            self._bound.pop(name, None)

    def refresh(self, *names: str) -> None:
        """The arrays that are bound are the memory that is worked on: nothing to upload."""

    def fetch(self, *names: str) -> None:
        """Nothing to download either."""

    def keep(self) -> dict[str, Array]:
        """theta and the running statistics as they are now; `kept` gives them as arrays."""
        return {name: self._bound[name].copy() for name in MOVED if name in self._bound}

    def kept(self, kept: dict[str, Array]) -> dict[str, Array]:
        """What `keep` kept."""
        return kept

    def finite(self) -> bool:
        """Whether all parameters are finite."""
        theta = self._bound["theta"]
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.isfinite(theta.sum()) or np.isfinite(theta).all())

    def run(self) -> None:
        """One pass."""
        self._paced(1)

    def run_steps(self, first: int, etas: NDArray[np.float64], step: int) -> int:
        """Steps `first`, first + 1, ... of an epoch, with one learning rate each; gives how many were finished.

        `step` numbers the first of them from the beginning of the fit. Stops before the update of a step whose loss is not finite.
        """
        self._etas = np.ascontiguousarray(etas, dtype=np.float64)
        frame, count, done = self._frame, len(etas), 0
        while done < count:
            steps = count if self.threads == 1 else self._pace.steps(count - done)
            frame[_AT["first"]], frame[_AT["count"]], frame[_AT["step"]] = first + done, steps, step + done
            frame[_AT["etas"]] = self._etas.ctypes.data + 8 * done
            self._paced(steps)
            finished = int(frame[_AT["done"]])
            done += finished
            if finished < steps:
                break
        return done

    def _paced(self, steps: int) -> None:
        """Run what the frame says, by as many threads as pay off now."""
        if self.threads == 1:
            self._runner(self.frame_address, 0, 1)
            return
        pace, wall, cpu = self._pace, time.perf_counter(), time.process_time()
        if pace.threads == 1:
            self._runner(self.frame_address, 0, 1)
        else:
            the_team().run(self.runner_address, self.frame_address, pace.threads, self._counter_address)
        pace.saw(steps, time.perf_counter() - wall, time.process_time() - cpu)

    def _give_private_memory(self) -> None:
        lines = -(-max(p.plan.private_bytes for p in self.programs) // ALIGNMENT)
        self._private = aligned_zeros((self.threads, lines * ALIGNMENT), np.uint8)
        for program in self.programs:
            program.bind(PRIVATE, self._private.ctypes.data, lines * ALIGNMENT)

    def seed(self, seed: int) -> None:
        """The seed of everything random inside a step."""
        self._frame[_AT["seed"]] = np.uint64(seed % 2**64).astype(np.int64)

    def full_steps(self, n_samples: int) -> None:
        """How many steps of an epoch over n_samples are full batches; the next one takes the rest."""
        self._frame[_AT["full_steps"]] = n_samples // self.plan.batch

    def _fill_frame(self) -> None:
        frame, last = self._frame, self.programs[-1]
        full = self.programs[0]
        for prefix, program in (("", full), ("last_", last)):
            frame[_AT[f"{prefix}table"]] = program.table.ctypes.data
            frame[_AT[f"{prefix}length"]] = len(program.table)
            frame[_AT[f"{prefix}words"]] = program.words.ctypes.data
            frame[_AT[f"{prefix}words_bytes"]] = program.words[0].nbytes
        frame[_AT["counter"]], frame[_AT["yield_function"]] = self._counter.ctypes.data, yield_address()
        frame[_AT["count"]], frame[_AT["full_steps"]], frame[_AT["batch"]] = 1, 1, self.plan.batch
        frame[_AT["etas"]], frame[_AT["bad"]] = self._etas.ctypes.data, self.bad.ctypes.data
        frame[_AT["run"]] = self._run.ctypes.data
        frame[_AT["scratch"]], frame[_AT["scratch_bytes"]] = self._scratch.ctypes.data, self._scratch_bytes
