"""One training step in fastnn, through the public `fit`.

A call of `fit` has a fixed cost (checks, plan, history), which the measurement takes out by comparing two numbers of
epochs; what an epoch costs beside its steps (a history row, the return to Python) stays in.
"""

from __future__ import annotations

import numpy as np
from cases import EPSILON, ETA, Case, data, flat, weights

import fastnn as fnn

VERSION = fnn.__version__
FIXED_COST = True


class Adapter:
    def __init__(self, case: Case, optimizer: str, threads: int) -> None:
        layers = [fnn.Dense(n, "relu") for n in case.sizes[1:-1]]
        self.net = fnn.Network(case.sizes[0], [*layers, fnn.Dense(case.sizes[-1])], seed=0)
        self.X, self.y = data(case)
        self.start = flat(weights(case))
        settings = {"eta": ETA} if optimizer == "sgd" else {"eta": ETA, "epsilon": EPSILON}
        self.settings = {
            "loss": "cross_entropy",
            "optimizer": fnn.registry.get("optimizer", optimizer, **settings),
            "batch_size": case.batch,
            "shuffle": False,
            "threads": threads,
            "verbose": False,
        }
        self.reset()

    def reset(self) -> None:
        assert self.net.theta.size == self.start.size
        self.net.theta[:] = self.start

    def run(self, epochs: int) -> None:
        self.net.fit(self.X, self.y, epochs=epochs, **self.settings)

    def theta(self) -> np.ndarray:
        return np.array(self.net.theta)
