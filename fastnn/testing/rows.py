"""check_activation for a whole row at a time: J^T delta, J dz and the change of J^T delta against differences of the value."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import RowActivation
from fastnn.ops import RowActivate
from fastnn.testing.claims import difference, require, require_equal, require_same_bits
from fastnn.testing.compiled import ROW, float64_in_float32_build, run_kernel
from fastnn.testing.identity import label
from fastnn.testing.plain import run_kernel_in_python

__all__ = ["RowCheck"]

Array = NDArray[Any]


class RowCheck:
    """One row activation, looked at from all sides."""

    def __init__(self, activation: RowActivation, finite: bool) -> None:
        self.activation, self.finite, self.who = activation, finite, label(activation, "activation")
        op = RowActivate(activation)
        self.kernels = dict(
            zip(("value", "backward", "tangent", "backward_tangent"), op.kernels(), strict=False)
        )

    def run(self, role: str, *rows: Array, threads: int = 1) -> Array:
        out = np.full_like(rows[0], np.nan)
        run_kernel(self.kernels[role], rows[0].dtype.name, out, *rows, threads=threads)
        return out

    def value(self, z: Array) -> Array:
        return self.run("value", z)

    def check(self, points: Array) -> None:
        rng = np.random.default_rng(0)
        for n in (1, 2, 5):
            z, dz, delta, ddelta = rng.normal(size=(4, 3, n))
            self._derivatives(z, dz, delta, ddelta)
        self._plain(z)
        self._dtype()
        self._extremes(points)
        for dtype in ("float32", "float64"):
            rows = rng.normal(size=(7, 5)).astype(dtype)
            a = self.value(rows)
            for threads in (1, 2, 3):
                require_same_bits(
                    self.run("value", rows, threads=threads),
                    a,
                    f"{self.who}: value differs from run to run with {threads} threads",
                )

    def _derivatives(self, z: Array, dz: Array, delta: Array, ddelta: Array) -> None:
        n = z.shape[1]
        a = self.value(z)
        units = np.eye(n)

        def along(e: Array, h: float) -> Array:
            return self.value(z + h * e)

        J = np.stack([difference(partial(along, e)) for e in units], axis=2)  # [s, output, input]

        def compare(role: str, got: Array, expected: Array, is_what: str) -> None:
            at = lambda p: f"is wrong at z = {z[p[0]].tolist()}, place {p[1]}"
            require_equal(got, expected, f"{self.who}: {role}", is_what, at, rel=1e-7, abs=1e-8)

        compare(
            "backward",
            self.run("backward", delta, z, a),
            np.einsum("soi,so->si", J, delta),
            "J^T delta by differences of value is",
        )
        if "tangent" not in self.kernels:
            return
        da = self.run("tangent", dz, z, a)
        compare("tangent", da, np.einsum("soi,si->so", J, dz), "J dz by differences of value is")

        def moved(h: float) -> Array:
            return self.run("backward", delta + h * ddelta, z + h * dz, self.value(z + h * dz))

        got = self.run("backward_tangent", delta, ddelta, z, dz, a, da)
        compare("backward_tangent", got, difference(moved), "the difference of backward is")

    def _plain(self, z: Array) -> None:
        a = np.zeros_like(z)
        run_kernel_in_python(self.kernels["value"], [a, z], {}, len(z), False, {})
        require_equal(
            self.value(z),
            a,
            f"{self.who}: compiled value",
            "plain Python gives",
            lambda p: f"at z = {z[p[0]].tolist()}",
            rel=1e-12,
            abs=1e-14,
        )

    def _dtype(self) -> None:
        for role in self.kernels:
            function = getattr(self.activation, role)
            chosen = {name: self.activation.settings[name] for name in self.activation.takes(function)}
            names = [
                name
                for name in function.__code__.co_varnames[: function.__code__.co_argcount]
                if name not in chosen
            ]
            wrong = float64_in_float32_build(function, chosen, dict.fromkeys(names, ROW), 0)
            require(not wrong, f"{self.who}: {role} does not stay in float32: {'; '.join(wrong)}")

    def _extremes(self, points: Array) -> None:
        for j in range(3):
            z = np.array([[0.5, -1.0, 2.0]])
            z[0, j] = np.nan
            require(
                np.isnan(self.value(z)).any(), f"{self.who}: NaN at place {j} of z leaves no NaN in value"
            )
        for size in (1e4, 1e30):
            for z in (np.array([[size, -size, 0.0]]), np.full((1, 3), size), np.full((1, 3), -size)):
                a = self.value(z)
                good = np.isfinite(a) if self.finite else ~np.isnan(a)
                require(good.all(), f"{self.who}: value is {a[0].tolist()} at z = {z[0].tolist()}")
