"""check_optimizer for solvers: on a quadratic that answers only what `needs` names, and in a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import class_config
from fastnn.network import Network
from fastnn.testing.claims import require, require_same_bits
from fastnn.testing.identity import label
from fastnn.testing.quadratics import check_resume, linear_network, require_lower

__all__ = ["SolverCheck"]

Array = NDArray[Any]
NEEDS = ("value", "gradient", "hvp", "hessian")


class SolverCheck:
    """One solver, looked at from all sides."""

    def __init__(self, solver: Any) -> None:
        self.solver, self.who = solver, label(solver, "optimizer")

    def check(self, fraction: float) -> None:
        needs = self.solver.needs
        require(not isinstance(needs, str), f"{self.who}: needs is text, not a tuple of {', '.join(NEEDS)}")
        unknown = set(needs) - set(NEEDS)
        require(not unknown, f"{self.who}: needs names {sorted(unknown)}; known are {', '.join(NEEDS)}")
        bowl = _Bowl(needs, self.who)
        theta = bowl.start.copy()
        before = bowl.above(theta)
        self._steps(bowl, theta, 100)
        require_lower(self.who, before, bowl.above(theta), fraction, "100 steps")
        again = bowl.start.copy()
        self._steps(bowl, again, 100)
        require_same_bits(again, theta, f"{self.who}: two runs from one start differ")
        single = bowl.start.astype(np.float32)
        self._steps(bowl, single, 3)
        require(single.dtype == np.float32, f"{self.who}: theta must be updated in place, in its own dtype")
        self._asks_for_the_network()

    def _steps(self, bowl: _Bowl, theta: Array, count: int) -> None:
        solver, kept = self._fresh(), theta
        state = solver.start(theta)
        for _ in range(count):
            state = solver.step(bowl, theta, state)
        require(
            theta is kept and np.isfinite(theta).all(),
            f"{self.who}: theta is not finite after {count} steps on a quadratic",
        )

    def _fresh(self) -> Any:
        return type(self.solver)(
            **{name: value for name, value in class_config(self.solver).items() if name != "name"}
        )

    def _asks_for_the_network(self) -> None:
        def trained(epochs: int, **options: Any) -> Network:
            net, X, y = linear_network()
            net.fit(
                X,
                y,
                loss="squared_error",
                optimizer=self._fresh(),
                epochs=epochs,
                seed=4,
                verbose=False,
                **options,
            )
            return net

        trained(1)
        check_resume(trained, self.who)


class _Bowl:
    """C(theta) = (theta - bottom)^T A (theta - bottom) / 2 + 3; refuses what the solver did not say it needs."""

    n = 5

    def __init__(self, needs: tuple[str, ...], who: str) -> None:
        rng = np.random.default_rng(0)
        Q = np.linalg.qr(rng.normal(size=(self.n, self.n)))[0]
        self.A = Q @ np.diag([0.3, 0.5, 1.0, 1.5, 2.0]) @ Q.T
        self.bottom, self.start, self.needs, self.who = (
            rng.normal(size=self.n),
            rng.normal(size=self.n) + 2,
            needs,
            who,
        )

    def above(self, theta: Array) -> float:
        """How far the value lies above the lowest."""
        off = theta.astype(np.float64) - self.bottom
        return float(0.5 * off @ self.A @ off)

    def _asked(self, what: str) -> None:
        require(
            what in self.needs,
            f"{self.who}: asks the objective for {what}, which its needs {tuple(self.needs)} don't name",
        )

    def value(self, theta: Array) -> float:
        self._asked("value")
        return self.above(theta) + 3

    def gradient(self, theta: Array) -> Array:
        self._asked("gradient")
        slope: Array = self.A @ (theta - self.bottom)
        return slope

    def hvp(self, theta: Array, v: Array) -> Array:
        self._asked("hvp")
        product: Array = self.A @ v
        return product

    def hessian(self, theta: Array) -> Array:
        self._asked("hessian")
        return np.array(self.A)
