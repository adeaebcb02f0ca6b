"""Networks, batches and data: the cases of benchmarks/peers, in a list that stays the same when a library is added there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastnn as fnn

ONE_THREAD = time.process_time
"""The timer of what runs on one thread: seconds of the processor, so that others on the machine disturb less."""
ETA = 1e-3  # small enough that random labels neither diverge nor are learnt: no NaN, no denormal numbers


@dataclass(frozen=True)
class Case:
    """One network and batch; a timed call of fit makes `steps` steps in each of `epochs` epochs."""

    sizes: tuple[int, ...]
    batch: int
    steps: int
    epochs: int = 1
    activation: str = "relu"

    def network(self) -> fnn.Network:
        hidden = [fnn.Dense(n, self.activation) for n in self.sizes[1:-1]]
        return fnn.Network(self.sizes[0], [*hidden, fnn.Dense(self.sizes[-1])], seed=0)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """X (samples, n_in) float32 and classes y (samples,), drawn at random."""
        random = np.random.default_rng(1)
        n = self.batch * self.steps
        X = random.standard_normal((n, self.sizes[0]), dtype=np.float32)
        return X, random.integers(0, self.sizes[-1], n)


CASES = {
    "2-8-2 / 4": Case((2, 8, 2), 4, 4000, epochs=10),
    "8-32-32-2 / 32": Case((8, 32, 32, 2), 32, 1000, epochs=4),
    "64-64-10 / 64": Case((64, 64, 10), 64, 500, epochs=2),
    "784-30-10 / 10": Case((784, 30, 10), 10, 1000),
    "784-128-10 / 64": Case((784, 128, 10), 64, 200),
    "784-512-512-10 / 128": Case((784, 512, 512, 10), 128, 20),
    "1024-1024-1024-1024 / 256": Case((1024, 1024, 1024, 1024), 256, 5),
    "4-32-16-4 tanh / 10000": Case((4, 32, 16, 4), 10_000, 1, epochs=100, activation="tanh"),
}


def fit(net: fnn.Network, X: np.ndarray, y: np.ndarray, epochs: int, **settings: Any) -> None:
    """A fit without shuffling, on one thread unless `settings` say otherwise."""
    chosen = {"loss": "cross_entropy", "eta": ETA, "shuffle": False, "seed": 0, "threads": 1, **settings}
    net.fit(X, y, epochs=epochs, verbose=False, **chosen)
