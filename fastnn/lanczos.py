"""Largest and smallest eigenvalues of a symmetric matrix H that is known by its products H v: Lanczos, restarted.

    H V = V T + beta v e^T      V orthonormal, T = V^T H V small; T y = lambda y
    |H (V y) - lambda (V y)| = beta |y_last|: some eigenvalue of H is as near to lambda as that

Every new vector is made orthogonal to all before it, twice (twice is enough: Parlett 1998, section 6.9), so no
eigenvalue appears as a ghost of another. When the basis is full, the best vectors of both ends stay and the
rest goes (thick restart). A single start sees an eigenvalue of several dimensions once; where the basis holds
n vectors, all eigenvalues are found with all their copies.

Source: Lanczos 1950; Wu and Simon 2000, Thick-restart Lanczos method for large symmetric eigenvalue problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import DivergedError

__all__ = ["Basis", "Extremes", "extremes", "krylov"]

Array = NDArray[Any]
Operator = Callable[[Array], Array]

NOTHING = 1e-13  # of the largest eigenvalue: what is left of H v lies in the span of what was there
EVERY = 5  # steps between two looks at the eigenvalues of T


@dataclass
class Extremes:
    """Eigenvalues in ascending order, their vectors as rows, the residuals |H x - lambda x|, and how they were found.

    asymmetry   largest |v^T H w - w^T H v| that was seen: what rounding does to products
    products    number of H v
    converged   every residual is within the tolerance
    """

    values: Array
    vectors: Array
    residuals: Array
    asymmetry: float
    products: int
    converged: bool


class Basis:
    """Orthonormal vectors V (rows) and T = V^T H V, grown by one product a step. Float64, whatever H computes in."""

    def __init__(self, operator: Operator, n: int, size: int, start: Array, seed: int) -> None:
        self.operator, self.n, self.size = operator, n, min(size, n)
        self.V = np.zeros((self.size + 1, n))
        self.T = np.zeros((self.size + 1, self.size))
        self.V[0] = start / np.linalg.norm(start)
        self.random = np.random.default_rng([seed, 1])
        self.m = 0  # columns of T that are known
        self.beta = self.scale = self.asymmetry = 0.0
        self.products = 0

    @property
    def full(self) -> bool:
        return self.m == self.size

    def apply(self, v: Array) -> Array:
        """H v in float64; DivergedError where it is not finite."""
        self.products += 1
        w = np.asarray(self.operator(v), dtype=np.float64)
        if not np.isfinite(w).all():
            raise DivergedError(
                "the Hessian at this theta is not finite", hint="look at objective.value(theta)"
            )
        return w

    def grow(self) -> None:
        """One more column of T, one more row of V."""
        j, V, T = self.m, self.V, self.T
        w = self.apply(V[j])
        before = V[: j + 1]
        h = before @ w
        w -= h @ before
        again = before @ w
        w -= again @ before
        h += again
        if j:
            self.asymmetry = max(self.asymmetry, float(np.abs(h[:j] - T[j, :j]).max()))
        T[: j + 1, j] = h
        self.beta = float(np.linalg.norm(w))
        self.scale = max(self.scale, float(np.abs(h).max()), self.beta)
        self.m += 1
        if j + 1 == self.n:
            return
        if self.beta <= NOTHING * self.scale:  # the span is invariant: on with a new direction
            self.beta = 0.0
            w = self.random.standard_normal(self.n)
            for _ in range(2):
                w -= (V[: j + 1] @ w) @ V[: j + 1]
        V[j + 1] = w / np.linalg.norm(w)
        T[j + 1, j] = self.beta

    def ritz(self) -> tuple[Array, Array, Array]:
        """(lambda, y as columns, residuals) of T, ascending."""
        T = np.triu(self.T[: self.m, : self.m])
        values, Y = np.linalg.eigh(T + np.triu(T, 1).T)
        return values, Y, self.beta * np.abs(Y[-1])

    def restart(self, keep: Array) -> None:
        """Keep these Ritz vectors and the direction that comes next."""
        values, Y, _ = self.ritz()
        p, m = len(keep), self.m
        self.V[:p] = Y[:, keep].T @ self.V[:m]
        self.V[p] = self.V[m]
        self.T[:] = 0
        self.T[np.arange(p), np.arange(p)] = values[keep]
        self.T[p, :p] = self.beta * Y[-1, keep]
        self.m = p


def krylov(operator: Operator, start: Array, size: int) -> Basis:
    """The basis of `size` steps from `start`, without restarts."""
    basis = Basis(operator, start.size, size, start, seed=0)
    while not basis.full:
        basis.grow()
    return basis


def extremes(
    operator: Operator, n: int, k: int, tolerance: float, seed: int = 0, size: int = 32, products: int = 1000
) -> Extremes:
    """The k smallest and k largest eigenvalues (all n where 2 k >= n) of the symmetric n x n matrix behind `operator`.

    tolerance   of the residuals, in parts of the largest eigenvalue's size
    size        vectors in the basis, at least 2 k + 4; it takes 8 (size + 1) n bytes
    products    give up after so many products H v; `converged` says so

    >>> H = np.diag([-3.0, 1.0, 2.0, 7.0])
    >>> extremes(lambda v: H @ v, n=4, k=1, tolerance=1e-9).values.round(6)
    array([-3.,  7.])
    """
    start = np.random.default_rng([seed, 0]).standard_normal(n)
    basis = Basis(operator, n, max(size, 2 * k + 4), start, seed)
    while True:
        basis.grow()
        over = basis.products >= products
        if not (basis.full or over or basis.m % EVERY == 0):
            continue
        values, Y, residuals = basis.ritz()
        ends = _ends(basis.m, k)
        enough = tolerance * float(np.abs(values).max())
        there = basis.m == n or (basis.m >= 2 * k and bool((residuals[ends] <= enough).all()))
        if there or over:
            break
        if basis.full:
            basis.restart(_ends(basis.m, k + (basis.size - 2 * k) // 4))
    return _measured(basis, Y[:, ends].T @ basis.V[: basis.m], enough)


def _ends(m: int, k: int) -> Array:
    """The first k and the last k of m, each once."""
    return np.arange(m) if 2 * k >= m else np.r_[:k, m - k : m]


def _measured(basis: Basis, X: Array, enough: float) -> Extremes:
    """Values and residuals once more, by one product each: what T says of them is only as good as T."""
    values, residuals = np.empty(len(X)), np.empty(len(X))
    for i, x in enumerate(X):
        x /= np.linalg.norm(x)
        Hx = basis.apply(x)
        values[i] = x @ Hx
        residuals[i] = np.linalg.norm(Hx - values[i] * x)
    order = np.argsort(values)
    noise = 2 * basis.asymmetry  # below that, residuals are rounding
    converged = bool((residuals <= 2 * enough + noise).all())
    return Extremes(values[order], X[order], residuals[order], basis.asymmetry, basis.products, converged)
