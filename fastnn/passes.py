"""Forward passes over any number of rows: machines for a fixed number of rows, kept and used again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cpu import Machine, resolve_threads
from fastnn.graph import Graph
from fastnn.ops import Kernel, LossOp
from fastnn.plan import build_plan

__all__ = ["Passes"]

Array = NDArray[Any]

ROWS = 256
"""Rows of one pass: enough to amortise it, few enough that the activations of small networks stay in L2."""
KEPT = 8


class Passes:
    """Runs the network forward; `theta` is read where it lies. Threads of the caller take turns: the machines have one memory each."""

    def __init__(self, graph: Graph, theta: Array, dtype: str) -> None:
        self._graph, self._theta, self._dtype = graph, theta, dtype
        self._machines: OrderedDict[Any, Machine] = OrderedDict()
        self._lock = threading.Lock()

    def outputs(self, X: Array, link: Kernel | None = None, threads: int | None = None) -> Array:
        """Outputs of all rows: raw, or through the link."""
        assert self._graph.output is not None
        out = np.empty((len(X), *self._graph.output.shape), self._dtype)
        for start in range(0, len(X), ROWS):
            stop = min(start + ROWS, len(X))
            with self._lock:
                machine = self._machine(stop - start, link, None, False, threads)
                machine.bind("X", X[start:stop])
                machine.bind("out", out[start:stop])
                machine.run()
                machine.release("X", "out")  # or a machine that is kept would keep the caller's data
        return out

    def outputs_and_loss(
        self, X: Array, y: Array, loss: LossOp, weights: Array | None, threads: int | None = None
    ) -> tuple[Array, float]:
        """Raw outputs, and the mean loss (weights have mean 1), NaN over no rows."""
        assert self._graph.output is not None
        out = np.empty((len(X), *self._graph.output.shape), self._dtype)
        total = 0.0
        for start in range(0, len(X), ROWS):
            stop = min(start + ROWS, len(X))
            with self._lock:
                machine = self._machine(stop - start, None, loss, weights is not None, threads)
                machine.bind("X", X[start:stop])
                machine.bind("out", out[start:stop])
                machine.bind("y", y[start:stop])
                if weights is not None:
                    machine.bind("weights", weights[start:stop])
                machine.total[0] = 0.0
                machine.run()
                machine.release("X", "out", "y", "weights")
                total += machine.total[0] * (stop - start)
        return out, float(total / len(X)) if len(X) else np.nan

    def _machine(
        self, rows: int, link: Kernel | None, loss: LossOp | None, weighted: bool, threads: int | None
    ) -> Machine:
        parts = (
            None if link is None else link.signature_key(),
            None if loss is None else loss.value.signature_key(),
        )
        key = (rows, *parts, weighted, threads)
        machine = self._machines.get(key)
        if machine is None:
            mode = "infer" if loss is None else "value"
            plan = build_plan(self._graph, rows, self._dtype, mode, loss=loss, weighted=weighted, link=link)
            machine = Machine(plan, threads=resolve_threads(threads, plan))
            machine.bind("theta", self._theta)
            self._machines[key] = machine
            if len(self._machines) > KEPT:
                self._machines.popitem(last=False)[1].close()
        else:
            self._machines.move_to_end(key)
        return machine
