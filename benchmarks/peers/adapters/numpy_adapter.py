"""NumPy, written well: every array is made before the first step, every operation writes into one of them (`out=`).

All parameters, gradients and moments lie in flat vectors, so that a rule is a handful of passes over memory whatever the
number of layers. The gradient of softmax cross-entropy takes one row maximum, one exp, one sum.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from cases import Problem, flat, weights

VERSION = np.__version__
FIXED_COST = False


def views(vector: np.ndarray, sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(W, b) of each layer inside a flat vector."""
    found, place = [], 0
    for n_in, n_out in pairwise(sizes):
        W = vector[place : place + n_in * n_out].reshape(n_out, n_in)
        place += n_in * n_out
        found.append((W, vector[place : place + n_out]))
        place += n_out
    return found


class Trainer:
    note = ""

    def __init__(self, problem: Problem, threads: int | None) -> None:
        self.case, self.X, y = problem.case, problem.X, problem.y
        self.rule, self.settings = getattr(self, problem.optimizer), problem.settings
        case = self.case
        self.Y = y if case.loss == "squared_error" else np.eye(case.sizes[-1], dtype=np.float32)[y]
        self.start = flat(problem.layers)
        self.vector, self.g = self.start.copy(), np.zeros_like(self.start)
        self.layers, self.gradients = views(self.vector, case.sizes), views(self.g, case.sizes)
        self.a = [np.zeros((case.batch, n), np.float32) for n in case.sizes[1:]]
        self.delta = [np.zeros_like(a) for a in self.a]
        self.column = np.zeros((case.batch, 1), np.float32)
        self.ones = np.full(case.batch, 1, np.float32)
        self.room = np.zeros_like(self.start)
        self.reset()

    def reset(self) -> None:
        self.vector[:] = self.start
        self.mean, self.square, self.t = np.zeros_like(self.start), np.zeros_like(self.start), 0

    def run(self, epochs: int) -> None:
        batch = self.case.batch
        for _ in range(epochs):
            for first in range(0, len(self.X), batch):
                self.gradient(self.X[first : first + batch], self.Y[first : first + batch])
                self.rule()

    def shorten(self, steps: int) -> None:
        self.X, self.Y = self.X[: steps * self.case.batch], self.Y[: steps * self.case.batch]

    def epoch(self, order: np.ndarray) -> None:
        x = np.empty((self.case.batch, self.X.shape[1]), np.float32)
        y = np.empty((self.case.batch, self.Y.shape[1]), np.float32)
        for rows in order.reshape(-1, self.case.batch):
            self.gradient(np.take(self.X, rows, 0, x), np.take(self.Y, rows, 0, y))
            self.rule()

    def classes(self, X: np.ndarray) -> np.ndarray:
        a = X
        for k, (W, b) in enumerate(self.layers):
            a = a @ W.T
            a += b
            if k < len(self.layers) - 1:
                np.maximum(a, 0, out=a)
        return a.argmax(1)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> None:
        """g, by back-propagation."""
        below = x
        last = len(self.layers) - 1
        for layer, (W, b) in enumerate(self.layers):
            a = self.a[layer]
            np.matmul(below, W.T, out=a)
            a += b
            if layer < last:
                np.maximum(a, 0, out=a) if self.case.hidden == "relu" else np.tanh(a, out=a)
            below = a
        delta = self.delta[last]
        if self.case.loss == "cross_entropy":
            np.max(below, axis=1, keepdims=True, out=self.column)
            np.subtract(below, self.column, out=delta)
            np.exp(delta, out=delta)
            np.sum(delta, axis=1, keepdims=True, out=self.column)
            delta /= self.column
            delta -= y
        else:
            np.subtract(below, y, out=delta)
        delta *= np.float32(1 / len(x))
        for layer in range(last, -1, -1):
            g_W, g_b = self.gradients[layer]
            np.matmul(delta.T, self.a[layer - 1] if layer else x, out=g_W)
            np.matmul(self.ones, delta, out=g_b)
            if layer:
                a, next_delta = self.a[layer - 1], self.delta[layer - 1]
                np.matmul(delta, self.layers[layer][0], out=next_delta)
                if self.case.hidden == "relu":
                    np.sign(a, out=a)  # a >= 0, and nobody reads it again
                else:
                    a *= a
                    np.subtract(1, a, out=a)
                next_delta *= a
                delta = next_delta

    def sgd(self) -> None:
        self.g *= np.float32(self.settings["eta"])
        self.vector -= self.g

    def adam(self) -> None:
        s, room = self.settings, self.room
        self.t += 1
        self.mean *= np.float32(s["beta1"])
        self.square *= np.float32(s["beta2"])
        np.multiply(self.g, np.float32(1 - s["beta1"]), out=room)
        self.mean += room
        self.g *= self.g
        self.g *= np.float32(1 - s["beta2"])
        self.square += self.g
        np.sqrt(self.square, out=room)
        room *= np.float32(1 / np.sqrt(1 - s["beta2"] ** self.t))
        room += np.float32(s["epsilon"])
        np.divide(self.mean, room, out=room)
        room *= np.float32(s["eta"] / (1 - s["beta1"] ** self.t))
        self.vector -= room

    def adagrad(self) -> None:
        np.multiply(self.g, self.g, out=self.room)
        self.square += self.room
        np.sqrt(self.square, out=self.room)
        self.room += np.float32(self.settings["epsilon"])
        self.g /= self.room
        self.sgd()

    def theta(self) -> np.ndarray:
        return self.vector.copy()


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    layers = weights(sizes)
    rows = [np.zeros((len(x), n), np.float32) for n in sizes[1:]]
    columns = [np.zeros(n, np.float32) for n in sizes[1:]]
    transposed = [np.ascontiguousarray(W.T) for W, _ in layers]

    def forward(a: np.ndarray, into: list[np.ndarray], one: bool) -> np.ndarray:
        for (W, b), T, z in zip(layers, transposed, into, strict=True):
            np.dot(W, a, out=z) if one else np.dot(a, T, out=z)
            np.add(z, b, out=z)
            if z is not into[-1]:
                np.maximum(z, 0, out=z)
            a = z
        return a

    found = {"matrices": lambda: forward(x, rows, False)}
    if len(x) == 1:
        found["vectors"] = lambda: forward(x[0], columns, True)
    return found
