"""check_activation: a = f(z), element by element or row by row, and its derivatives.

Derivatives are those of the compiled float64 kernels, against fourth-order central differences of the compiled values: h = 1e-3 leaves an
error of some 1e-12, so that 1e-7 tells a wrong formula from a right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Activation, RowActivation
from fastnn.ops import Activate
from fastnn.testing.claims import STEP, nearest_difference, require, require_equal, require_same_bits
from fastnn.testing.compiled import REAL, check_ptx, float64_in_float32_build, run_kernel
from fastnn.testing.identity import check_part_identity, found, label
from fastnn.testing.plain import run_kernel_in_python
from fastnn.testing.rows import RowCheck

__all__ = ["check_activation"]

Array = NDArray[Any]
POINTS = (
    -30.0,
    -8.3,
    -5.1,
    -3.0,
    -2.2,
    -1.4,
    -1.0,
    -0.61,
    -0.2,
    -0.03,
    0.0,
    0.02,
    0.11,
    0.5,
    0.83,
    1.0,
    1.7,
    2.6,
    3.9,
    6.2,
    9.7,
    30.0,
)
EXTREMES = (1e4, -1e4, 1e30, -1e30, 5e-324, -5e-324)


def check_activation(
    activation: Any, *, points: Sequence[float] = POINTS, finite: bool = False, **settings: Any
) -> None:
    """Raise AssertionError where the activation breaks its contract.

    `points` are the z at which it is looked at; those nearer than 4e-3 to one of its kinks are left out for derivatives.
    With `finite`, value and derivatives must be finite at +-1e30 as well; without it they must not be NaN there.
    """
    thing: Activation | RowActivation = found("activation", activation, settings)
    check_part_identity(thing, "activation")
    z = np.asarray(points, np.float64)
    if isinstance(thing, Activation):
        _Scalar(thing, finite).check(z)
    else:
        RowCheck(thing, finite).check(z)
    check_ptx(label(thing, "activation"), thing)


class _Scalar:
    def __init__(self, activation: Activation, finite: bool) -> None:
        self.activation, self.finite, self.who = activation, finite, label(activation, "activation")
        op = Activate(activation)
        self.forward, self.backward = op.kernels()[:2]
        self.second = op.kernels()[3] if op.second_order else None

    def value(self, z: Array, threads: int = 1) -> Array:
        a = np.full_like(z, 7)
        run_kernel(self.forward, z.dtype.name, a, z, threads=threads)
        return a

    def slope(self, z: Array) -> Array:
        out = np.full_like(z, 7)
        run_kernel(self.backward, z.dtype.name, out, np.ones_like(z), z, self.value(z))
        return out

    def curvature(self, z: Array) -> Array:
        assert self.second is not None
        out, one = np.full_like(z, 7), np.ones_like(z)
        run_kernel(self.second, z.dtype.name, out, one, np.zeros_like(z), z, one, self.value(z))
        return out

    def check(self, z: Array) -> None:
        self._derivatives(z)
        self._dtype()
        self._plain(z)
        self._not_a_number()
        self._bits(z)

    def _derivatives(self, z: Array) -> None:
        away = np.array([all(abs(x - kink) > 4 * STEP for kink in self.activation.kinks) for x in z], bool)
        smooth = z[away]
        kinks = (
            f"; its kinks are {self.activation.kinks}"
            if self.activation.kinks
            else ", and it declares no kinks"
        )

        def at(place: tuple[int, ...]) -> str:
            return f"is wrong at z = {smooth[place[0]]:g}{kinks}"

        slope = self.slope(smooth)
        expected = nearest_difference(lambda h: self.value(smooth + h), slope)
        require_equal(
            slope,
            expected,
            f"{self.who}: slope",
            "the difference of value is",
            at,
            rel=1e-7,
            abs=1e-8,
        )
        if self.second is not None:
            curvature = self.curvature(smooth)
            expected = nearest_difference(lambda h: self.slope(smooth + h), curvature)
            require_equal(
                curvature,
                expected,
                f"{self.who}: curvature",
                "the difference of slope is",
                at,
                rel=1e-7,
                abs=1e-8,
            )

    def _dtype(self) -> None:
        for role, arguments in (("value", ("z",)), ("slope", ("z", "a")), ("curvature", ("z", "a"))):
            function = getattr(self.activation, role)
            if function is not None:
                chosen = {name: self.activation.settings[name] for name in self.activation.takes(function)}
                wrong = float64_in_float32_build(function, chosen, dict.fromkeys(arguments, REAL), 1)
                require(not wrong, f"{self.who}: {role} does not stay in float32: {'; '.join(wrong)}")
        z = np.array([-2.5, -0.4, 0.3, 1.5, 4.0])
        single = self.value(z.astype(np.float32))
        require_equal(
            single,
            self.value(z),
            f"{self.who}: value in float32",
            "in float64 it is",
            lambda p: f"at z = {z[p[0]]:g}",
            rel=1e-5,
            abs=1e-5,
        )

    def _plain(self, z: Array) -> None:
        a, compiled = np.zeros_like(z), self.value(z)
        for k in range(len(z)):
            try:
                run_kernel_in_python(self.forward, [a[k : k + 1], z[k : k + 1]], {}, 1, False, {})
            except (
                ValueError,
                OverflowError,
                ZeroDivisionError,
            ):  # Python raises where compiled code gives NaN or infinity
                a[k] = np.nan if np.isnan(compiled[k]) else np.copysign(np.inf, compiled[k])
        require_equal(
            compiled,
            a,
            f"{self.who}: compiled value",
            "plain Python gives",
            lambda p: f"at z = {z[p[0]]:g}",
            rel=1e-12,
            abs=1e-14,
        )

    def _not_a_number(self) -> None:
        require(
            np.isnan(self.value(np.array([np.nan]))[0]),
            f"{self.who}: value of NaN is not NaN, so a broken network goes unnoticed",
        )
        z = np.array(EXTREMES)
        roles = {"value": self.value(z), "slope": self.slope(z)} | (
            {} if self.second is None else {"curvature": self.curvature(z)}
        )
        for role, numbers in roles.items():
            for x, number in zip(z, numbers, strict=True):
                good = np.isfinite(number) if self.finite else not np.isnan(number)
                require(good, f"{self.who}: {role} is {number} at z = {x:g}")

    def _bits(self, z: Array) -> None:
        for dtype in ("float32", "float64"):
            many = np.resize(z, 37).astype(dtype)  # a length that fills no number of vector registers
            a = self.value(many)
            for threads in (1, 2, 3):
                require_same_bits(
                    self.value(many, threads),
                    a,
                    f"{self.who}: value differs from run to run with {threads} threads",
                )
            alone = np.concatenate([self.value(many[k : k + 1]) for k in range(len(many))])
            require_same_bits(
                alone, a, f"{self.who}: value of one number depends on the numbers beside it ({dtype})"
            )
