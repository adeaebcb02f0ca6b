"""What is measured: networks, batches, data and settings, the same for every library.

Every case: relu on the hidden layers, softmax cross-entropy on the output, mean over the batch, float32. The data are
shuffled once, before anything is measured: the batches are contiguous slices, the same for all, already in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ETA = 0.01  # small enough that random labels neither diverge nor are learnt: no NaN, no denormal numbers
EPSILON = 1e-10  # Adagrad's
OPTIMIZERS = ("sgd", "adagrad")


@dataclass(frozen=True)
class Case:
    """One network and batch; `steps` is the number of batches in an epoch."""

    sizes: tuple[int, ...]
    batch: int
    steps: int

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes))


CASES = (
    Case((2, 8, 2), batch=4, steps=4000),
    Case((8, 32, 32, 2), batch=32, steps=1000),
    Case((64, 64, 10), batch=64, steps=400),
    Case((784, 30, 10), batch=10, steps=1000),
    Case((784, 128, 10), batch=64, steps=200),
)


def rows(wanted: list[str]) -> list[tuple[Case, str]]:
    """(case, optimizer) pairs; `wanted` keeps those whose 'case/optimizer' starts with one of its strings."""
    pairs = [(case, optimizer) for case in CASES for optimizer in OPTIMIZERS]
    return [(c, o) for c, o in pairs if not wanted or any(f"{c.name}/{o}".startswith(w) for w in wanted)]


def data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """X (samples, n_in) float32 and y (samples,) int64, drawn at random, in C order."""
    random = np.random.default_rng(1)
    n = case.batch * case.steps
    X = random.standard_normal((n, case.sizes[0]), dtype=np.float32)
    return X, random.integers(0, case.sizes[-1], n)


def weights(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """(W, b) of each layer, W of shape (n_out, n_in): everybody starts from these."""
    random = np.random.default_rng(0)
    return [
        (
            (random.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in)).astype(np.float32),
            np.zeros(n_out, np.float32),
        )
        for n_in, n_out in zip(case.sizes, case.sizes[1:], strict=False)
    ]


def flat(layers: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """All weights of `layers` in one vector, for comparing libraries."""
    return np.concatenate([np.ravel(part) for layer in layers for part in layer])
