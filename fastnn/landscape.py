"""What kind of place a point of the loss surface is: by its gradient, and by the signs of the Hessian's eigenvalues.

    stationary          Newton's step p = -H^+ g would gain next to nothing, and where it leads the gradient is gone
      minimum           no eigenvalue is negative, at least one is positive
      maximum           no eigenvalue is positive, at least one is negative
      saddle point      some are positive, some negative
    plateau             gradient and curvature are both next to nothing, and no stationary point is near
    valley              a step of gradient descent gains next to nothing, Newton's step would gain much
    slope               a step of gradient descent gains something

No unit enters. With L the largest size of an eigenvalue, and C the larger of the loss here and that of theta = 0,

    descent = |g|^2 / (2 L C)                  what the best safe step of gradient descent, 1 / L, gains (Taylor)
    newton  = sum_i g_i^2 / (2 |lambda_i| C)   what Newton's step gains, on the quadratic model
    left    = |g(theta + p)| / |g(theta)|      1/e and more on an exponential's tail, however flat; next to 0 near a stationary point

are parts of the loss and stay the same when loss or parameters are measured otherwise. Newton's step, what it gains and what is left are those in
the directions that curve; |lambda| below `error` is no curvature.

Source: the notes, what is hard about optimisation; Dauphin et al. 2014, Identifying and attacking the saddle point problem.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.curvature import curvature
from fastnn.errors import DivergedError, SettingError
from fastnn.lanczos import krylov

__all__ = ["Point", "describe"]

Array = NDArray[Any]

FLAT = 1e-6  # eigenvalues below this part of the largest count as zero; rounding may ask for more
ROUNDING = 64  # epsilons of the dtype, the same
GONE = 0.2  # of the gradient may be left after Newton's step
STEPS = 48  # of Lanczos for Newton's step where the Hessian is too large
LOW = 1e-4  # of the loss at theta = 0: a network that has learned all there is, and whose outputs still grow
ENDS = 4  # eigenvalues at each end of a spectrum that is too large


class Surface(Protocol):
    """What is asked of an objective."""

    n: int

    def value(self, theta: Array) -> float: ...
    def gradient(self, theta: Array) -> Array: ...
    def hvp(self, theta: Array, v: Array) -> Array: ...
    def hessian(self, theta: Array) -> Array: ...


@dataclass(frozen=True)
class Point:
    """A place on the loss surface, with its name and the numbers behind it.

    name                      "minimum", "maximum", "saddle point", "plateau", "valley" or "slope"
    loss, gradient            C(theta) and |dC/dtheta|
    height                    the loss in parts of the larger of it and that of theta = 0
    descent, newton, left     see the equations of fastnn/landscape.py
    largest, smallest         the outermost eigenvalues of the Hessian
    positive, negative, zero  how many eigenvalues have which sign; zero: within `error` of it
    counted                   False: only the ends of the spectrum were looked at, the counts are what was found there
    n                         number of parameters
    """

    name: str
    loss: float
    height: float
    gradient: float
    descent: float
    newton: float
    left: float
    largest: float
    smallest: float
    positive: int
    negative: int
    zero: int
    error: float
    counted: bool
    n: int

    @property
    def stationary(self) -> bool:
        """Whether the gradient vanishes here, or next to here."""
        return self.name in ("minimum", "maximum", "saddle point")

    @property
    def sentence(self) -> str:
        """The name and why."""
        signs = f"{self.positive} positive, {self.negative} negative, {self.zero} zero eigenvalues"
        if not self.counted:
            signs += f" at the ends of the spectrum ({self.n:,} in all)"
        slope = f"|g| = {self.gradient:.3g}"
        bend = f"curvature from {self.smallest:.3g} to {self.largest:.3g}"
        why = {
            "minimum": f"{slope}, {signs}: the loss rises, or stays, in every direction",
            "maximum": f"{slope}, {signs}: the loss falls, or stays, in every direction",
            "saddle point": f"{slope}, {signs}: the loss rises in some directions and falls in others",
            "plateau": f"{slope}, {bend}: next to no slope, and no stationary point where the curvature says there is one",
            "valley": f"{slope}, {bend}: a step of gradient descent gains {self.descent:.1g} of the loss, Newton's would gain {self.newton:.1g}",
            "slope": f"{slope}, {bend}: a step of gradient descent gains {self.descent:.1g} of the loss",
        }[self.name]
        if self.name in ("minimum", "maximum") and self.zero:
            why += ", as far as second derivatives tell"
        if self.name == "plateau" and self.positive + self.negative == 0:
            why = f"{slope}, no curvature: second derivatives see nothing here"
        if self.name == "plateau" and abs(self.height) < LOW:
            why += "; but hardly any loss is left"
        return f"{self.name} at loss {self.loss:.5g}: {why}"

    def __str__(self) -> str:
        return self.sentence


def describe(surface: Surface, theta: Array, dtype: str, tolerance: float = 1e-4, limit: int = 500) -> Point:
    """The Point at theta; SettingError for a tolerance outside 0 to 1, DivergedError where the loss is not finite.

    >>> class Saddle:                                        # C = 1 + (x^2 - y^2) / 2
    ...     n = 2
    ...     def value(self, theta): return 1 + (theta[0] ** 2 - theta[1] ** 2) / 2
    ...     def gradient(self, theta): return theta * [1, -1]
    ...     def hvp(self, theta, v): return v * [1, -1]
    ...     def hessian(self, theta): return np.diag([1.0, -1.0])
    >>> print(describe(Saddle(), np.zeros(2), "float64"))
    saddle point at loss 1: |g| = 0, 1 positive, 1 negative, 0 zero eigenvalues: the loss rises in some directions and falls in others
    >>> describe(Saddle(), np.array([0.3, 0.3]), "float64").name
    'slope'
    """
    if not 0 < tolerance < 1:
        raise SettingError(
            "tolerance is no part of the loss", got=repr(tolerance), expected="0 < tolerance < 1"
        )
    loss = float(surface.value(theta))
    g = np.asarray(surface.gradient(theta), dtype=np.float64)
    if not (math.isfinite(loss) and np.isfinite(g).all()):
        raise DivergedError("loss or gradient are not finite at this theta", got=f"loss {loss}")
    epsilon = float(np.finfo(dtype).eps)
    counted = surface.n <= limit
    values, model = _dense(surface, theta, g) if counted else _sparse(surface, theta, g, dtype)
    size = float(np.abs(values).max())
    error = max(FLAT, ROUNDING * epsilon) * size
    positive, negative = int(np.sum(values > error)), int(np.sum(values < -error))
    at_zero = float(surface.value(np.zeros_like(theta)))
    scale = max(abs(loss), abs(at_zero) if math.isfinite(at_zero) else 0.0)
    slope = float(np.linalg.norm(g))
    noise = epsilon * (size * float(np.linalg.norm(theta)) + math.sqrt(2 * size * scale))
    newton, left = _newton(surface, theta, dtype, *model, error, noise)
    gains = [
        _part(gain, scale) for gain in (slope * slope / (2 * size) if size else math.inf * slope, newton)
    ]
    if slope <= noise:
        gains = [0.0, 0.0]
    name = _name(positive, negative, gains, left, tolerance)
    return Point(
        name, loss, _part(loss, scale), slope, gains[0], gains[1], left, float(values.max()), float(values.min()),
        positive, negative, len(values) - positive - negative, error, counted, surface.n,
    )  # fmt: skip


def _name(positive: int, negative: int, gains: list[float], left: float, tolerance: float) -> str:
    descent, newton = gains
    if not descent <= tolerance:
        return "slope"
    if left > GONE or positive + negative == 0:
        return "plateau"
    if newton > tolerance:
        return "valley"
    return "saddle point" if positive and negative else "minimum" if positive else "maximum"


def _part(amount: float, scale: float) -> float:
    return amount / scale if scale > 0 else (math.inf if amount > 0 else 0.0)


Model = tuple[Array, Array, Array]


def _dense(surface: Surface, theta: Array, g: Array) -> tuple[Array, Model]:
    """All eigenvalues; and (eigenvalues, vectors as columns, slopes along them)."""
    H = np.asarray(surface.hessian(theta), dtype=np.float64)
    if not np.isfinite(H).all():
        raise DivergedError("the Hessian at this theta is not finite")
    values, Q = np.linalg.eigh(H)
    return values, (values, Q, Q.T @ g)


def _sparse(surface: Surface, theta: Array, g: Array, dtype: str) -> tuple[Array, Model]:
    """The ends of the spectrum; and the quadratic model in the directions that g reaches by products with H."""

    def hvp(v: Array) -> Array:
        return surface.hvp(theta, v)

    found = curvature(hvp, surface.n, dtype, k=min(ENDS, surface.n))
    values = np.r_[found.smallest, found.largest[::-1]]
    slope = float(np.linalg.norm(g))
    if slope == 0:
        return values, (np.zeros(0), np.zeros((surface.n, 0)), np.zeros(0))
    basis = krylov(hvp, g, STEPS)
    inner, Y, _ = basis.ritz()
    return values, (inner, basis.V[: basis.m].T @ Y, slope * Y[0])


def _newton(
    surface: Surface,
    theta: Array,
    dtype: str,
    values: Array,
    Q: Array,
    slopes: Array,
    error: float,
    noise: float,
) -> tuple[float, float]:
    """What Newton's step gains on the model, and the part of the gradient that it leaves, in the directions that curve."""
    bent = np.abs(values) > error
    before = float(np.linalg.norm(slopes[bent]))
    if before <= noise:
        return 0.0, 0.0
    steps = -slopes[bent] / values[bent]
    gain = float(np.abs(steps * slopes[bent]).sum()) / 2
    with np.errstate(over="ignore", invalid="ignore"):
        there = (theta + Q[:, bent] @ steps).astype(dtype)
        if not np.isfinite(there).all():
            return gain, math.inf
        after = float(np.linalg.norm(Q[:, bent].T @ surface.gradient(there)))
    return gain, after / before if math.isfinite(after) else math.inf
