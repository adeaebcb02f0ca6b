"""What is measured: networks, batches, data and settings, the same for every library.

Classifiers: relu on the hidden layers, softmax cross-entropy on the output, mean over the batch. The one regression is the
example of SimpleChains.jl: the exponential of 2 x 2 matrices, tanh on the hidden layers, half the squared error summed over
the outputs, all 10,000 samples in one batch. Everything is float32, shuffled once, before anything is measured: the batches
are contiguous slices, the same for all, already in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

# small enough that random labels neither diverge nor are learnt: no NaN, no denormal numbers
SETTINGS: dict[str, dict[str, float]] = {
    "sgd": {"eta": 0.01},
    "adam": {"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    "adagrad": {"eta": 0.01, "epsilon": 1e-10},
}
DEFAULT = ("sgd", "adam")
PUBLISHED_US = 164.0
"""An epoch of 4-32-16-4 in SimpleChains.jl on an i7-1165G7, 4 cores: 1.64 s for 10,000 (its documentation, smallmlp)."""


@dataclass(frozen=True)
class Case:
    """One network and batch; `steps` is the number of batches in an epoch."""

    sizes: tuple[int, ...]
    batch: int
    steps: int
    hidden: str = "relu"
    loss: str = "cross_entropy"
    optimizers: tuple[str, ...] = ("sgd", "adam", "adagrad")

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes))

    @property
    def samples(self) -> int:
        return self.batch * self.steps

    @property
    def check(self) -> int:
        """Epochs after which the libraries' weights are compared."""
        return max(1, 20 // self.steps)

    @property
    def flops(self) -> int:
        """Of one step: three products a layer, less the one that nobody needs; a multiply-add counts two."""
        weights = [n_in * n_out for n_in, n_out in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(weights) - weights[0])


CASES = (
    Case((2, 8, 2), batch=4, steps=1000),
    Case((8, 32, 32, 2), batch=32, steps=500),
    Case((64, 64, 10), batch=64, steps=400),
    Case((784, 30, 10), batch=10, steps=500),
    Case((784, 128, 10), batch=64, steps=200),
    Case((784, 512, 512, 10), batch=128, steps=25),
    Case((1024, 1024, 1024, 1024), batch=256, steps=4),
    Case((4, 32, 16, 4), 10_000, 1, hidden="tanh", loss="squared_error", optimizers=("adam",)),
)


def rows(wanted: list[str], optimizers: list[str]) -> list[tuple[Case, str]]:
    """(case, optimizer) pairs; `wanted` keeps those whose 'case/optimizer' starts with one of its strings."""
    pairs = [(case, optimizer) for case in CASES for optimizer in optimizers if optimizer in case.optimizers]
    return [(c, o) for c, o in pairs if not wanted or any(f"{c.name}/{o}".startswith(w) for w in wanted)]


def data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """X (samples, n_in) float32, drawn at random, and y: labels (samples,) int64, or values (samples, n_out) float32."""
    random = np.random.default_rng(1)
    X = random.standard_normal((case.samples, case.sizes[0]), dtype=np.float32)
    if case.loss == "squared_error":
        return X, exponentials(X)
    return X, random.integers(0, case.sizes[-1], case.samples)


@dataclass(frozen=True)
class Problem:
    """A case with its data, the weights to start from, and the optimizer's settings."""

    case: Case
    optimizer: str
    X: np.ndarray
    y: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    settings: dict[str, float]


def problem(case: Case, optimizer: str) -> Problem:
    return Problem(case, optimizer, *data(case), weights(case.sizes), SETTINGS[optimizer])


def exponentials(X: np.ndarray) -> np.ndarray:
    """exp of the 2 x 2 matrices in the rows of X: with s = tr/2, B = A - s, q^2 = -det B, e^s (cosh(q) + sinh(q)/q B)."""
    A = X.reshape(-1, 2, 2).astype(np.complex128)
    s = (A[:, 0, 0] + A[:, 1, 1])[:, None, None] / 2
    B = A - s * np.eye(2)
    q = np.sqrt(-np.linalg.det(B))[:, None, None]
    return (
        np.real(np.exp(s) * (np.cosh(q) * np.eye(2) + np.sinh(q) / q * B)).reshape(-1, 4).astype(np.float32)
    )


def weights(sizes: tuple[int, ...], seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """(W, b) of each layer, W of shape (n_out, n_in): everybody starts from these."""
    random = np.random.default_rng(seed)
    return [
        (
            (random.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)).astype(np.float32),
            np.zeros(n_out, np.float32),
        )
        for n_in, n_out in pairwise(sizes)
    ]


def flat(layers: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """All weights of `layers` in one vector, for comparing libraries."""
    return np.concatenate([np.ravel(part) for layer in layers for part in layer])


def samples(sizes: tuple[int, ...], batch: int) -> np.ndarray:
    """x (batch, n_in) float32 to predict for."""
    return np.random.default_rng(2).standard_normal((batch, sizes[0]), dtype=np.float32)


def exact(sizes: tuple[int, ...], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs in float64, and the probabilities that softmax makes of them."""
    a = x.astype(np.float64)
    layers = weights(sizes)
    for k, (W, b) in enumerate(layers):
        a = a @ W.T + b
        if k < len(layers) - 1:
            a = np.maximum(a, 0)
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return a, e / e.sum(axis=1, keepdims=True)
