"""check_optimizer for rules: one parameter at a time, then a linear network, then a run that is cut and resumed."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Rule
from fastnn.network import Network
from fastnn.ops import Kernel
from fastnn.ops.update import update_kernel
from fastnn.testing.claims import require, require_equal, require_same_bits
from fastnn.testing.compiled import REAL, float64_in_float32_build, run_kernel
from fastnn.testing.identity import label
from fastnn.testing.plain import run_kernel_in_python
from fastnn.testing.quadratics import above_bottom, check_resume, linear_network, require_lower

__all__ = ["RuleCheck"]

Array = NDArray[Any]
STEPS = 2000


class RuleCheck:
    """One rule, looked at from all sides."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.who = rule, label(rule, "optimizer")
        self.kernel: Kernel = update_kernel(rule)
        self.settings = {name: float(rule.settings[name]) for name in self.kernel.reals}
        self.eta = float(rule.settings["eta"])

    def check(self, fraction: float) -> None:
        self._dtype()
        self._plain()
        self._numbers()
        self._bits()
        self._comes_down(fraction)
        self._checkpoint()

    def updated(self, w: Array, g: Array, states: list[Array], t: int, threads: int = 1) -> list[Array]:
        """[w, *states] after one step of the compiled rule."""
        w, states = w.copy(), [state.copy() for state in states]
        run_kernel(
            self.kernel,
            w.dtype.name,
            w,
            g,
            *states,
            settings=self.settings,
            step=t,
            eta=self.eta,
            threads=threads,
        )
        return [w, *states]

    def _states(self, like: Array) -> list[Array]:
        return [np.zeros_like(like) for _ in self.rule.state]

    def _dtype(self) -> None:
        function: Any = self.rule.step
        arguments = dict.fromkeys(inspect.signature(function).parameters, REAL)
        wrong = float64_in_float32_build(function, {}, arguments, 1 + len(self.rule.state))
        require(not wrong, f"{self.who}: step does not stay in float32: {'; '.join(wrong)}")

    def _plain(self) -> None:
        rng = np.random.default_rng(0)
        w, g = rng.normal(size=(2, 19))
        states = self._states(w)
        for t in range(4):
            plain = [w.copy(), *(state.copy() for state in states)]
            known = {"t": float(t), "eta": self.eta}
            run_kernel_in_python(self.kernel, [plain[0], g, *plain[1:]], self.settings, len(w), False, known)
            w, *states = self.updated(w, g, states, t)
            for name, got, expected in zip(("w", *self.rule.state), (w, *states), plain, strict=True):
                what = f"{self.who}: compiled {name} of step {t}"
                require_equal(
                    got,
                    expected,
                    what,
                    "plain Python gives",
                    lambda p: f"(parameter {p[0]})",
                    rel=1e-12,
                    abs=1e-14,
                )
            g = rng.normal(size=19)

    def _numbers(self) -> None:
        one = np.ones(1)
        nan = self.updated(one, np.full(1, np.nan), self._states(one), 0)
        seen = any(np.isnan(array).any() for array in nan)
        require(
            seen,
            f"{self.who}: a gradient that is NaN leaves no NaN in w or the state, so divergence goes unnoticed",
        )
        for size in (0.0, 1e-30, -1e-8, 1e8):
            for array, name in zip(
                self.updated(one, np.full(1, size), self._states(one), 0),
                ("w", *self.rule.state),
                strict=True,
            ):
                require(
                    np.isfinite(array).all(),
                    f"{self.who}: {name} is {array[0]} after a first step with gradient {size:g}",
                )

    def _bits(self) -> None:
        rng = np.random.default_rng(1)
        for dtype in ("float32", "float64"):
            w, g = rng.normal(size=(2, 37)).astype(dtype)
            first = self.updated(w, g, self._states(w), 0)
            for threads in (1, 2, 3):
                for got, expected in zip(self.updated(w, g, self._states(w), 0, threads), first, strict=True):
                    require_same_bits(
                        got,
                        expected,
                        f"{self.who}: not the same from run to run with {threads} threads ({dtype})",
                    )
            alone = [self.updated(w[k : k + 1], g[k : k + 1], self._states(w[:1]), 0)[0] for k in range(37)]
            require_same_bits(
                np.concatenate(alone),
                first[0],
                f"{self.who}: a parameter's step depends on its neighbours ({dtype})",
            )

    def _comes_down(self, fraction: float) -> None:
        net, X, y = linear_network()
        start = above_bottom(net, X, y)
        batches = 1 if self.rule.full_batch else 100
        rows, targets = np.tile(X, (batches, 1)), np.tile(y, (batches, 1))
        net.fit(
            rows, targets, loss="squared_error", optimizer=self.rule, epochs=STEPS // (4 if self.rule.full_batch else batches),
            batch_size=len(X), shuffle=False, threads=1, verbose=False,
        )  # fmt: skip
        require_lower(
            self.who,
            start,
            above_bottom(net, X, y),
            fraction,
            f"{STEPS if batches > 1 else STEPS // 4} steps of eta {self.eta:g}",
        )

    def _checkpoint(self) -> None:
        """Three epochs and three more are six: all that the rule knows is in its state."""

        def trained(epochs: int, **options: Any) -> Network:
            net, X, y = linear_network()
            net.fit(
                X,
                y,
                loss="squared_error",
                optimizer=self.rule,
                epochs=epochs,
                batch_size=3,
                seed=4,
                threads=1,
                verbose=False,
                **options,
            )
            return net

        check_resume(trained, self.who)
