"""One library in its own process: reads a JSON command a line, answers with a JSON line.

    {"do": "prepare", "case": {...}, "optimizer": "sgd", "theta": "file.npy"}
                                           compiles, warms up, and if asked to, writes the weights after a few epochs
    {"do": "calibrate", "seconds": 0.1}    chooses how many epochs make a sample
    {"do": "sample"}                       measures once
    {"do": "predictors", "sizes": [8, 32, 32, 2], "batch": 1}
                                           makes the ways to ask for outputs, and checks their answers
    {"do": "latencies", "name": "net(x)", "seconds": 0.1}
                                           times single calls
    {"do": "layer", "layer": {...}, "folder": "..."}
                                           makes the ways to compute a convolution's three products, and writes their results
    {"do": "lenet", "batch": 64, "samples": 4096, "theta": "file.npy"}
                                           trains LeNet-5 for an epoch, and writes its weights
    {"do": "epoch"}                        times an epoch of that
    {"do": "resnet", "folder": "..."}      makes the ways to ask ResNet-50 for one image, and writes their answers

Standard output carries answers only; an error of the library comes back as {"error": ...}.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

LONG = 0.2
"""Seconds of an epoch beside which the fixed cost of a call is nothing."""


def measure(trainer: Any, epochs: int) -> tuple[float, float]:
    """(wall, CPU) seconds of `epochs` epochs from the initial weights."""
    trainer.reset()
    cpu, wall = time.process_time(), time.perf_counter()
    trainer.run(epochs)
    return time.perf_counter() - wall, time.process_time() - cpu


class Worker:
    def __init__(self, library: str, threads: int | None) -> None:
        self.module = importlib.import_module(f"adapters.{library}_adapter")
        self.library, self.threads = library, threads
        self.fixed_cost = self.module.FIXED_COST
        self.trainer: Any = None

    def prepare(self, case: dict[str, Any], optimizer: str, theta: str | None = None) -> dict[str, Any]:
        import numpy as np
        from cases import Case, problem

        self.case = Case(**{**case, "sizes": tuple(case["sizes"])})
        self.trainer = None  # the one before gives its memory back first
        self.trainer = self.module.Trainer(problem(self.case, optimizer), self.threads)
        self.trainer.run(1)
        if theta is not None:
            measure(self.trainer, self.case.check)
            weights = self.trainer.theta()  # equal in all libraries when they do the same work
            if weights is not None:
                np.save(theta, weights)
        return {"note": self.trainer.note}

    def calibrate(self, seconds: float) -> dict[str, Any]:
        few, _ = measure(self.trainer, 1)
        self.epochs, self.steps = 1, self.case.steps
        if few > 2 * seconds and self.steps > 1 and hasattr(self.trainer, "shorten"):
            self.steps = max(1, int(self.steps * seconds / few))
            self.trainer.shorten(self.steps)
            few, _ = measure(self.trainer, 1)
        taken = few
        # not by a difference of two times: where they are noisy it may be anything
        while taken < seconds / 2:
            self.epochs = math.ceil(self.epochs * min(seconds / taken, 8))
            taken, _ = measure(self.trainer, self.epochs)
        estimate = 1e6 * taken / (self.epochs * self.steps)
        self.subtracts = self.fixed_cost and few < LONG
        # the least of three: one that was interrupted counts for nothing
        self.short_runs = 3 if few < LONG / 20 else 1
        if self.subtracts:
            self.epochs = max(3, self.epochs)  # or the difference of two times would be mostly noise
        return {"epochs": self.epochs, "estimate_us": estimate}

    def sample(self) -> dict[str, Any]:
        if self.subtracts:
            wall_1, cpu_1 = min(measure(self.trainer, 1) for _ in range(self.short_runs))
            wall, cpu = measure(self.trainer, 1 + self.epochs)
            wall, cpu = wall - wall_1, cpu - cpu_1
        else:
            wall, cpu = measure(self.trainer, self.epochs)
        steps = self.epochs * self.steps
        return {"wall_us": 1e6 * wall / steps, "cpu_us": 1e6 * cpu / steps}

    def predictors(self, sizes: list[int], batch: int) -> dict[str, Any]:
        """Ways to ask for outputs, and how far each one's answer is from the exact one."""
        import numpy as np
        from cases import exact, samples

        x = samples(tuple(sizes), batch)
        self.calls = self.module.predictors(tuple(sizes), x)
        outputs, probabilities = exact(tuple(sizes), x)
        apart = {}
        for name, call in self.calls.items():
            answer = call()
            found = np.asarray(answer.numpy() if hasattr(answer, "numpy") else answer)
            rows = found.reshape(len(x), -1)
            apart[name] = min(float(np.abs(rows - right).max()) for right in (outputs, probabilities))
        return {"apart": apart}

    @property
    def images(self) -> Any:
        """What this library does with images."""
        return importlib.import_module(f"adapters.{self.library}_images")

    def layer(self, layer: dict[str, Any], folder: str) -> dict[str, Any]:
        from images import Layer

        return self._ways(self.images.layer(Layer(**layer), self.threads), folder)

    def resnet(self, folder: str) -> dict[str, Any]:
        return self._ways(self.images.resnet(Path(folder), self.threads), folder)

    def _ways(self, calls: dict[str, Any], folder: str) -> dict[str, Any]:
        """Keeps the calls for `latencies`; writes what each one gives."""
        import numpy as np

        self.calls = calls
        for k, call in enumerate(calls.values()):
            np.save(Path(folder, f"{self.library}@{self.threads} {k}.npy"), np.asarray(call()))
        return {"ways": list(calls)}

    def lenet(self, batch: int, samples: int, theta: str) -> dict[str, Any]:
        import numpy as np
        from images import digits

        self.trainer = None
        self.trainer = self.images.LeNet(*digits(samples), batch, self.threads)
        self.trainer.run(1)  # compiles
        measure(self.trainer, 1)
        np.save(theta, self.trainer.theta())
        return {}

    def epoch(self) -> dict[str, Any]:
        wall, cpu = measure(self.trainer, 1)
        return {"wall": wall, "cpu": cpu}

    def peak(self) -> dict[str, Any]:
        """GFLOP/s of so many cores at once on registers alone."""
        import peak

        return {"gflops": peak.of_cores(self.threads or 1)}

    def latencies(self, name: str, seconds: float, least: int = 20) -> dict[str, Any]:
        """Nanoseconds of single calls, for about `seconds`, but `least` at least."""
        call, clock = self.calls[name], time.perf_counter_ns
        few = min(5, least)
        begin = clock()
        for _ in range(few):
            call()
        count = int(min(max(seconds * few * 1e9 / (clock() - begin), least), 5000))
        taken = [0] * count
        for k in range(count):
            begin = clock()
            call()
            taken[k] = clock() - begin
        return {"ns": taken}


def main(library: str, threads: int | None, cpus: list[int]) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints goes to standard error
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)  # before the import: thread pools size themselves by it
    try:
        worker = Worker(library, threads)
    except ImportError as error:
        print(json.dumps({"absent": str(error)}), file=answers)
        return
    print(json.dumps({"version": worker.module.VERSION}), file=answers)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # noqa: BLE001  (the others go on; the table says why)
            text = str(error).strip() or type(error).__name__
            answer = {"error": f"{type(error).__name__}: {text.splitlines()[0][:200]}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], *json.loads(sys.argv[2]))
