"""Curvature of the loss at a point: the ends of the Hessian's spectrum, and the learning rate that they allow.

    H x = lambda x        H = d2C/dtheta2 at theta, by exact products H v
    L = largest lambda    on a quadratic, gradient descent contracts along x by |1 - eta lambda| a step:
    eta < 2 / L           it converges along every direction of positive curvature; above, it diverges along the steepest

Along a direction of negative curvature it leaves theta whatever eta is: 2 / L limits nothing there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import SettingError
from fastnn.lanczos import Operator, extremes

__all__ = ["Curvature", "curvature"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Curvature:
    """The largest and smallest eigenvalues of the Hessian at a point.

    largest, smallest    (k,), from the outermost inwards: largest[0] is L, smallest[0] the least of all
    largest_residuals, smallest_residuals   (k,), |H x - lambda x| as measured: an eigenvalue lies as near as this to lambda,
                         give or take `precision`
    largest_vectors, smallest_vectors       (k, n), unit vectors x
    precision            what rounding in the network's dtype does to the eigenvalues, estimated. Too low where the loss is next to 0, below
                         the dtype's epsilon: what remains of its derivative, p - y, is then rounding itself. Ask a float64 network there.
    products             number of Hessian-vector products that it took
    converged            every residual is within the tolerance that was asked for
    n                    number of parameters
    """

    largest: Array
    smallest: Array
    largest_residuals: Array
    smallest_residuals: Array
    largest_vectors: Array = field(repr=False)
    smallest_vectors: Array = field(repr=False)
    precision: float
    products: int
    converged: bool
    n: int

    @property
    def L(self) -> float:
        """The largest eigenvalue: the curvature of the steepest way up."""
        return float(self.largest[0])

    @property
    def error(self) -> float:
        """Eigenvalues that are nearer to 0 than this have no sign: the largest residual and the precision."""
        return float(max(self.largest_residuals.max(), self.smallest_residuals.max())) + self.precision

    @property
    def negative(self) -> Array:
        """Those of `smallest` that are negative beyond doubt: directions of a saddle point or a maximum."""
        found: Array = self.smallest[self.smallest < -self.smallest_residuals - self.precision]
        return found

    @property
    def eta_limit(self) -> float:
        """2 / L: gradient descent with a larger learning rate diverges from here along the steepest direction. inf where L is not positive."""
        sure = self.L > self.largest_residuals[0] + self.precision
        return 2 / self.L if sure else math.inf

    def __str__(self) -> str:
        lines = [
            f"largest eigenvalues   {_row(self.largest)}    (residual {self.largest_residuals.max():.1g})",
            f"smallest eigenvalues  {_row(self.smallest)}    (residual {self.smallest_residuals.max():.1g})",
            f"precision             {self.precision:.1g}    ({self.products} Hessian-vector products, {self.n:,} parameters)",
        ]
        if math.isinf(self.eta_limit):
            lines.append("no limit for eta: no direction curves upwards, L is not positive")
        else:
            lines.append(f"gradient descent      eta < 2 / L = {self.eta_limit:.5g}")
        if len(self.negative):
            many = "" if len(self.negative) < len(self.smallest) else "at least "
            lines.append(
                f"{many}{len(self.negative)} negative: here the loss curves downwards, whatever eta is"
            )
        if not self.converged:
            lines.append("not converged: allow more products, or a larger tolerance")
        return "\n".join(lines)


def curvature(
    hvp: Operator,
    n: int,
    dtype: str,
    k: int = 1,
    tolerance: float | None = None,
    products: int = 1000,
    seed: int = 0,
) -> Curvature:
    """The k largest and k smallest eigenvalues of the symmetric n x n matrix behind `hvp`, which computes in `dtype`.

    tolerance   of the residuals, in parts of the largest eigenvalue; the root of the dtype's epsilon by default. The eigenvalues
                themselves are better: their error is that of the residual squared over the gap to the next.

    >>> H = np.diag([2.0, 5.0, -1.0])
    >>> found = curvature(lambda v: H @ v, n=3, dtype="float64")
    >>> round(found.L, 6), found.negative.round(6), round(found.eta_limit, 6)
    (5.0, array([-1.]), 0.4)
    """
    for name, value, most in (("k", k, n), ("products", products, None)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value <= (most or value):
            raise SettingError(
                f"{name} is no number of {'eigenvalues' if most else 'products'}",
                got=repr(value),
                expected=f"1 to {most}" if most else "1 or more",
            )
    epsilon = float(np.finfo(dtype).eps)
    limit = math.sqrt(epsilon) if tolerance is None else float(tolerance)
    if not 0 < limit < 1:
        raise SettingError(
            "tolerance is out of its domain", got=repr(tolerance), expected="0 < tolerance < 1"
        )
    found = extremes(hvp, n, k, limit, seed, size=max(32, 4 * k + 16), products=products)
    high = np.arange(len(found.values))[::-1][:k]
    low = np.arange(len(found.values))[:k]
    size = float(np.abs(found.values).max())
    return Curvature(
        largest=found.values[high],
        smallest=found.values[low],
        largest_residuals=found.residuals[high],
        smallest_residuals=found.residuals[low],
        largest_vectors=found.vectors[high],
        smallest_vectors=found.vectors[low],
        precision=max(found.asymmetry, 8 * epsilon * size),
        products=found.products,
        converged=found.converged,
        n=n,
    )


def _row(values: Array) -> str:
    return "  ".join(f"{value:.6g}" for value in values)
