"""Forward passes over any number of rows: machines for a fixed number of rows, kept and used again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cpu import resolve_threads
from fastnn.cpu.ask import Ask, ask, supported
from fastnn.engine import CPU, Device, machine_for, plan_for
from fastnn.graph import Graph
from fastnn.locks import Lock
from fastnn.ops import Kernel, LossOp
from fastnn.plan import build_plan

__all__ = ["Passes", "Prepared"]

Array = NDArray[Any]

ROWS = 256
"""Rows of one pass at least: enough to amortise it. (784-128-10: 1000 rows in 1.38 ms; with 64 at a time 1.60, with all at once 1.56.)"""
PASS_BYTES = 1 << 19
"""More rows where their numbers stay within this, in L2: a pass costs 10 us on top. (8-32-32-2: 1000 rows in 76 us, with 256 at a time 91.)"""
ROWS_ON_GPU = 1 << 16
"""Rows of one pass on a GPU: enough to keep it busy, and activations stay below 300 MB for a thousand numbers a row."""
KEPT = 8

Scaling = tuple[Array, Array]
"""Shift and scale, float64 and C-contiguous, shaped as one sample."""


class Passes:
    """Runs the network forward; `theta` and the running statistics are read where they lie. Threads of the caller take turns: the machines have one memory each."""

    def __init__(self, graph: Graph, theta: Array, dtype: str, statistics: Array | None = None) -> None:
        self._graph, self._theta, self._dtype = graph, theta, dtype
        self._statistics = np.zeros(0, dtype) if statistics is None else statistics
        self._machines: OrderedDict[Any, Any] = OrderedDict()
        self._lock = Lock()
        self._rows = 0  # of one pass; not known before many rows come

    def _cuts(self, n: int, device: Device = CPU) -> list[tuple[int, int]]:
        """First row, and the one behind the last, of the passes for n rows: as equal as can be, so that few plans are needed."""
        if not device.is_cpu:
            return [(start, min(start + ROWS_ON_GPU, n)) for start in range(0, n, ROWS_ON_GPU)]
        if n > ROWS and not self._rows:
            plan = build_plan(self._graph, ROWS, self._dtype)
            outside = sum(plan.externals[name].size * plan.externals[name].itemsize for name in ("X", "out"))
            self._rows = max(ROWS, PASS_BYTES * ROWS // (plan.arena_bytes + outside))
        passes = -(-n // max(self._rows, ROWS))
        size = -(-n // passes) if passes else 1
        return [(start, min(start + size, n)) for start in range(0, n, size)]

    def ask(self, n: int, link: Kernel | None, scaling: Scaling | None) -> Ask:
        """A function that gives outputs for n rows at once; `_unknown` where a team does that."""
        cuts = self._cuts(n)
        (first, stop), (last, end) = cuts[0], cuts[-1]
        plan = build_plan(self._graph, stop - first, self._dtype, link=link)
        rest = (
            None
            if end - last == stop - first
            else build_plan(self._graph, end - last, self._dtype, link=link)
        )
        if resolve_threads(None, plan) > 1:
            return _unknown
        shift, scale = scaling or (None, None)
        return ask(n, plan, rest, self._theta, shift, scale, self._statistics)

    def outputs(
        self, X: Array, link: Kernel | None = None, threads: int | None = None, device: Device = CPU
    ) -> Array:
        """Outputs of all rows: raw, or through the link."""
        assert self._graph.output is not None
        out = np.empty((len(X), *self._graph.output.shape), self._dtype)
        for start, stop in self._cuts(len(X), device):
            with self._lock:
                machine = self._machine(stop - start, link, None, False, threads, device)
                machine.bind("X", X[start:stop])
                machine.bind("out", out[start:stop])
                machine.refresh("theta", "statistics")
                machine.run()
                machine.fetch("out")
                machine.release("X", "out")  # or a machine that is kept would keep the caller's data
        return out

    def outputs_and_loss(
        self,
        X: Array,
        y: Array,
        loss: LossOp,
        weights: Array | None,
        threads: int | None = None,
        device: Device = CPU,
    ) -> tuple[Array, float]:
        """Raw outputs, and the mean loss (weights have mean 1), NaN over no rows."""
        assert self._graph.output is not None
        out = np.empty((len(X), *self._graph.output.shape), self._dtype)
        total = 0.0
        for start, stop in self._cuts(len(X), device):
            with self._lock:
                machine = self._machine(stop - start, None, loss, weights is not None, threads, device)
                machine.bind("X", X[start:stop])
                machine.bind("out", out[start:stop])
                machine.bind("y", y[start:stop])
                if weights is not None:
                    machine.bind("weights", weights[start:stop])
                machine.total[0] = 0.0
                machine.refresh("theta", "statistics")
                machine.run()
                machine.fetch("out")
                machine.release("X", "out", "y", "weights")
                total += machine.total[0] * (stop - start)
        return out, float(total / len(X)) if len(X) else np.nan

    def _machine(
        self,
        rows: int,
        link: Kernel | None,
        loss: LossOp | None,
        weighted: bool,
        threads: int | None,
        device: Device,
    ) -> Any:
        parts = (
            None if link is None else link.signature_key(),
            None if loss is None else loss.value.signature_key(),
        )
        key = (rows, *parts, weighted, threads, device)
        machine = self._machines.get(key)
        if machine is None:
            mode = "infer" if loss is None else "value"
            plan = plan_for(
                device, self._graph, rows, self._dtype, mode, loss=loss, weighted=weighted, link=link
            )
            machine = machine_for(device, plan, threads=threads)
            machine.bind("theta", self._theta)
            machine.bind("statistics", self._statistics)
            self._machines[key] = machine
            if len(self._machines) > KEPT:
                self._machines.popitem(last=False)
        else:
            self._machines.move_to_end(key)
        return machine


def _unknown(X: Any) -> None:
    """Takes the long way."""


class Prepared:
    """Functions that answer net(X) and net.predict(X) for arrays of some numbers of rows, the ones asked for last at hand.

    They know parameters, output, loss and scaler by address: a network whose theta is another array, or whose output, loss or scaler changes, takes
    a new `Prepared`.
    """

    __slots__ = ("_known", "_seen", "outputs", "shown")

    def __init__(self) -> None:
        self.outputs: Ask = _unknown
        self.shown: Ask = _unknown
        self._known: OrderedDict[tuple[str, int], Ask] = OrderedDict()
        self._seen: set[tuple[str, int]] = set()

    def other(self, what: str, X: Any, shape: tuple[int, ...]) -> Array | None:
        """The answer of a function that is not at hand, which then is; None where there is none."""
        if type(X) is not np.ndarray or X.ndim == 0:
            return None
        rows = 1 if X.ndim == len(shape) else len(X)
        known = self._known.get((what, rows))
        if known is None or known is getattr(self, what):
            return None
        out = known(X)
        if out is not None:
            setattr(self, what, known)
        return out

    def add(self, what: str, rows: int, passes: Passes, link: Kernel | None, scaling: Scaling | None) -> None:
        """Prepare a function for so many rows when they come for the second time: plan and memory are not for those who ask once."""
        key = (what, rows)
        if key in self._known or not supported():
            return
        if key not in self._seen:
            if len(self._seen) > 10 * KEPT:
                self._seen.clear()
            self._seen.add(key)
            return
        known = passes.ask(rows, link, scaling)
        self._known[key] = known
        if known is not _unknown:
            setattr(self, what, known)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
