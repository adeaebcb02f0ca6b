"""fastnn, through the public `fit`, `net(x)` and `predict`.

A call of `fit` has a fixed cost (checks, plan, history), which the measurement takes out by comparing two numbers of
epochs; what an epoch costs beside its steps (a history row, the return to Python) stays in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cases import Problem, flat, weights
from learning import BATCH, EPOCHS, ETA, Task

import fastnn as fnn

VERSION = fnn.__version__
FIXED_COST = True


def network(sizes: tuple[int, ...], hidden: str = "relu", seed: int = 0) -> fnn.Network:
    layers = [fnn.Dense(n, hidden) for n in sizes[1:-1]]
    net = fnn.Network(sizes[0], [*layers, fnn.Dense(sizes[-1])], seed=0)
    net.theta = flat(weights(sizes, seed))
    return net


class Trainer:
    """`threads` None: as many as fastnn finds worth while."""

    note = ""

    def __init__(self, problem: Problem, threads: int | None) -> None:
        case = problem.case
        self.net = network(case.sizes, case.hidden)
        self.X, self.y = problem.X, problem.y
        self.settings = {
            "loss": case.loss,
            "optimizer": fnn.registry.get("optimizer", problem.optimizer, **problem.settings),
            "batch_size": case.batch,
            "shuffle": False,
            "threads": threads,
            "verbose": False,
        }
        self.start = self.net.theta.copy()

    def reset(self) -> None:
        self.net.theta[:] = self.start

    def run(self, epochs: int) -> None:
        self.net.fit(self.X, self.y, epochs=epochs, **self.settings)

    def theta(self) -> np.ndarray:
        return np.array(self.net.theta)


def learn(task: Task) -> None:
    """Training with fit's own shuffling; it draws the same orders."""
    net = network(task.sizes, seed=task.seed)

    class Watch(fnn.Callback):
        def on_epoch_end(self, run: Any, row: dict[str, float]) -> None:
            if task.reached(net.predict_classes(task.X_test)):
                run.stop("reached")

    net.fit(
        task.X, task.y, loss="cross_entropy", optimizer="adam", eta=ETA, epochs=EPOCHS, batch_size=BATCH,
        seed=task.seed, callbacks=Watch(), verbose=False,
    )  # fmt: skip


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    net = network(sizes)
    net.loss = fnn.registry.get("loss", "cross_entropy")
    return {"net(x)": lambda: net(x), "net.predict(x)": lambda: net.predict(x)}
