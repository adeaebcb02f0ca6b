"""What the benchmarks train on: networks, data and one way to call fit."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn as fnn
from fastnn import datasets


def network(*sizes: int, activation: Any = "relu") -> fnn.Network:
    hidden = [fnn.Dense(n, activation) for n in sizes[1:-1]]
    return fnn.Network(sizes[0], [*hidden, fnn.Dense(sizes[-1])], seed=0)


def random_classes(n: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    return random.standard_normal((n, features), dtype=np.float32), random.integers(0, classes, n)


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(X, y) of 1437 samples to train on, (X, y) of 360 to test on; pixels 0 to 1."""
    data = datasets.load("digits")
    order = np.random.default_rng(0).permutation(len(data.X))
    X, y = data.X[order] / 16, data.y[order]
    return X[:1437], y[:1437], X[1437:], y[1437:]


def fit(net: fnn.Network, X: np.ndarray, y: np.ndarray, epochs: int, **settings: Any) -> None:
    chosen = {"loss": "cross_entropy", "batch_size": 64, "seed": 0, "threads": 1, **settings}
    net.fit(X, y, epochs=epochs, verbose=False, **chosen)
