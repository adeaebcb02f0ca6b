"""A whole run to an accuracy, one library in a fresh process:  learning.py LIBRARY FOLDER SEED BEGIN

Runs twice: from the start of the process (import, reading the images, compiling, training, looking at the test images after every
epoch), and once more from the first weights, when everything is compiled. Prints one line of JSON.

All libraries begin with the same weights and see the images in the same orders, one an epoch.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cases import SETTINGS, Case, Problem, weights

GOAL = 0.975
SIZES = (784, 128, 10)
ETA, BATCH = 0.002, 100  # the fastest of some fifteen settings of Adam and SGD that were tried with fastnn
EPOCHS = 15


class Task:
    """Images as float32 rows in 0 to 1, labels int64, and how far the run is."""

    sizes = SIZES

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.X, self.X_test = (
            np.load(folder / f"{name}_X.npy").astype(np.float32) / np.float32(255)
            for name in ("train", "test")
        )
        self.y, self.y_test = (
            np.load(folder / f"{name}_y.npy").astype(np.int64) for name in ("train", "test")
        )
        settings = {**SETTINGS["adam"], "eta": ETA}
        case = Case(SIZES, BATCH, len(self.X) // BATCH)
        self.problem = Problem(case, "adam", self.X, self.y, weights(SIZES, seed), settings)
        self.accuracies: list[float] = []

    def orders(self) -> Iterator[np.ndarray]:
        """The order of the images in each epoch; the same that fastnn draws."""
        for epoch in range(EPOCHS):
            yield np.random.default_rng([self.seed, 2, epoch]).permutation(len(self.X))

    def reached(self, classes: np.ndarray) -> bool:
        """Whether these classes of the test images are good enough; called after every epoch."""
        self.accuracies.append(float((np.asarray(classes) == self.y_test).mean()))
        return self.accuracies[-1] >= GOAL


def learn(task: Task, module: Any) -> None:
    """Epochs until the accuracy is reached. An adapter may have a `learn` of its own."""
    if hasattr(module, "learn"):
        module.learn(task)
        return
    trainer = module.Trainer(task.problem, None)
    for order in task.orders():
        trainer.epoch(order)
        if task.reached(trainer.classes(task.X_test)):
            return


def main(library: str, folder: Path, seed: int, begin: float) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to standard error
    module = importlib.import_module(f"adapters.{library}_adapter")
    imported = time.time() - begin
    task = Task(folder, seed)
    read = time.time() - begin - imported
    learn(task, module)
    total = time.time() - begin
    accuracies, task.accuracies = task.accuracies, []
    start = time.perf_counter()
    learn(task, module)
    warm = time.perf_counter() - start
    answer = {
        "version": module.VERSION,
        "import": imported,
        "read": read,
        "total": total,
        "warm": warm,
        "epochs": len(accuracies),
        "warm_epochs": len(task.accuracies),
        "accuracy": max(accuracies),
    }
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
