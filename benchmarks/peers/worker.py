"""One library in its own process: reads a JSON command a line, answers with a JSON line.

Commands: {"do": "prepare", "case": "2-8-2", "optimizer": "sgd", "seconds": 0.1, "threads": 1} compiles, warms up and
chooses how many epochs make a sample; {"do": "sample"} measures once. Standard output carries answers only.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any


def measure(adapter: Any, epochs: int) -> tuple[float, float]:
    """(wall, CPU) seconds of `epochs` epochs from the initial weights."""
    adapter.reset()
    cpu, wall = time.process_time(), time.perf_counter()
    adapter.run(epochs)
    return time.perf_counter() - wall, time.process_time() - cpu


class Worker:
    def __init__(self, library: str) -> None:
        self.module = importlib.import_module(f"{library}_adapter")

    def prepare(self, case: str, optimizer: str, seconds: float, threads: int) -> dict[str, Any]:
        from cases import CASES

        self.case = next(c for c in CASES if c.name == case)
        begin = time.perf_counter()
        self.adapter = self.module.Adapter(self.case, optimizer, threads)
        self.adapter.run(1)
        first = time.perf_counter() - begin
        measure(self.adapter, 1)
        theta = self.adapter.theta()  # after one epoch: equal in all libraries when they do the same work
        fixed, _ = measure(self.adapter, 1)
        more, _ = measure(self.adapter, 5)
        self.epochs = max(2, round(seconds / max((more - fixed) / 4, 1e-6)))
        measure(self.adapter, self.epochs)
        return {"epochs": self.epochs, "first_seconds": first, "theta": theta.tolist()}

    def sample(self) -> dict[str, Any]:
        if self.module.FIXED_COST:
            wall_1, cpu_1 = measure(self.adapter, 1)
            wall, cpu = measure(self.adapter, 1 + self.epochs)
            wall, cpu = wall - wall_1, cpu - cpu_1
        else:
            wall, cpu = measure(self.adapter, self.epochs)
        steps = self.epochs * self.case.steps
        return {"wall_us": 1e6 * wall / steps, "cpu_us": 1e6 * cpu / steps}


def main(library: str, cpus: list[int]) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints goes to standard error
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)  # before the import: thread pools size themselves by it
    try:
        worker = Worker(library)
    except ImportError as error:
        print(json.dumps({"absent": str(error)}), file=answers)
        return
    print(json.dumps({"version": worker.module.VERSION}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(worker, command.pop("do"))(**command)), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
