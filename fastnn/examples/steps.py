"""What the examples of optimisation share: paths that the library's optimizers take, and the loss over two parameters.

A path is an array (steps + 1, parameters): theta before the first step and after every one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn

Array = NDArray[Any]

__all__ = ["grid", "two_weights", "walk", "walk_by_batches"]


def walk(
    net: fnn.Network, X: Array, y: Array, steps: int, loss: str, optimizer: str, **settings: Any
) -> Array:
    """The path of `steps` steps on the whole training set, from where the network is; it ends early where the loss overflows."""
    path = [net.theta.copy()]
    note = fnn.LambdaCallback(on_epoch_end=lambda run, row: path.append(run.net.theta.copy()))
    try:
        net.fit(
            X, y, loss=loss, optimizer=optimizer, epochs=steps, batch_size=len(X), shuffle=False, threads=1,
            callbacks=[note], verbose=False, **settings,
        )  # fmt: skip
    except fnn.DivergedError:
        pass
    return np.array(path)


def walk_by_batches(
    net: fnn.Network, X: Array, y: Array, steps: int, loss: str, batch: int, seed: int = 0, **settings: Any
) -> Array:
    """The path of stochastic gradient descent: every step sees `batch` rows, drawn without replacement until all were seen."""
    random = np.random.default_rng(seed)
    path, order = [net.theta.copy()], np.zeros(0, dtype=int)
    for _ in range(steps):
        if len(order) < batch:
            order = random.permutation(len(X))
        rows, order = order[:batch], order[batch:]
        path.append(walk(net, X[rows], y[rows], 1, loss, "sgd", **settings)[-1])
    return np.array(path)


def grid(
    objective: fnn.Objective, u: Array, v: Array, theta: Array | None = None, axes: Any = (0, 1)
) -> Array:
    """C over a grid of two parameters, (len(v), len(u)); the others stay as in `theta`."""
    at = np.zeros(objective.n) if theta is None else np.array(theta, dtype=float)
    height = np.empty((len(v), len(u)))
    for j, at[axes[1]] in enumerate(v):
        for i, at[axes[0]] in enumerate(u):
            height[j, i] = objective.value(at)
    return height


def two_weights(activation: str = "tanh", seed: int = 0) -> fnn.Network:
    """z = w2 f(w1 x): two neurons in a row without biases, so that theta = (w1, w2) is a point of the plane."""
    layers = [
        fnn.Conv(1, kernel=1, bias=False, activation=activation),
        fnn.Conv(1, kernel=1, bias=False),
        fnn.Flatten(),
    ]
    return fnn.Network((1, 1, 1), layers, seed=seed, dtype="float64")
