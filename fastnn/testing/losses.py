"""check_loss: the value of one sample, delta = dL/dz, and the second derivative, for targets of either kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Loss
from fastnn.ops import LossOp
from fastnn.ops.loss import link_kernel
from fastnn.testing.claims import nearest_difference, require, require_equal, require_same_bits
from fastnn.testing.compiled import CLASS, ROW, check_ptx, float64_in_float32_build, run_kernel
from fastnn.testing.identity import check_part_identity, found, label
from fastnn.testing.plain import run_kernel_in_python

__all__ = ["check_loss"]

Array = NDArray[Any]
WIDTHS = (1, 2, 4)
SAMPLES = 16
ALONE = 8
"""Samples that are run one by one."""


def check_loss(
    loss: Any,
    *,
    target: Callable[[np.random.Generator, int], Any] | None = None,
    z_range: tuple[float, float] = (-3.0, 3.0),
    finite: bool = False,
    **settings: Any,
) -> None:
    """Raise AssertionError where the loss breaks its contract.

    target    a random row of n targets, target(rng, n); by default such as the loss says that it takes
    z_range   where the network's outputs may lie
    finite    the value must be finite for outputs of +-1e4 and +-1e8 as well; without it, it must not be NaN there
    """
    thing: Loss = found("loss", loss, settings)
    check_part_identity(thing, "loss")
    for kind in ("row", "index"):
        if getattr(thing, kind) is not None:
            _Kind(thing, kind, target or _target(thing), z_range, finite).check()
    if thing.link is not None:
        _check_link(thing, z_range)
    check_ptx(label(thing, "loss"), thing)


class _Kind:
    """A loss for targets of one kind."""

    def __init__(
        self,
        loss: Loss,
        kind: str,
        target: Callable[[np.random.Generator, int], Any],
        z_range: tuple[float, float],
        finite: bool,
    ) -> None:
        self.loss, self.kind, self.target, self.z_range, self.finite = loss, kind, target, z_range, finite
        self.op = LossOp(loss, kind)
        self.who = f"{label(loss, 'loss')} ({kind})"
        self.rng = np.random.default_rng(0)

    def targets(self, samples: int, n: int) -> Array:
        if self.kind == "index":
            return np.arange(samples) % max(n, 2)
        return np.stack([np.asarray(self.target(self.rng, n), np.float64) for _ in range(samples)])

    def outputs(self, samples: int, n: int) -> Array:
        return self.rng.uniform(*self.z_range, size=(samples, n))

    def value(self, z: Array, y: Array, before: float = np.nan, threads: int = 1) -> tuple[Array, Array]:
        """Values and deltas; `before` is what lies in delta beforehand."""
        dtype = z.dtype.name
        delta, values = np.full_like(z, before), np.full(len(z), before, dtype)
        y = y if self.kind == "index" else y.astype(dtype)
        run_kernel(
            self.op.value,
            dtype,
            delta,
            values,
            z,
            y,
            np.ones(len(z), dtype),
            threads=threads,
            settings={"scale": 1.0},
        )
        return values, delta

    def curvature(self, z: Array, y: Array, v: Array, before: float = np.nan) -> Array:
        out = np.full_like(z, before)
        run_kernel(self.op.curvature, z.dtype.name, out, z, y, v, np.ones(len(z)), settings={"scale": 1.0})
        return out

    def check(self) -> None:
        for n in WIDTHS:
            z, y, v = self.outputs(SAMPLES, n), self.targets(SAMPLES, n), self.rng.normal(size=(SAMPLES, n))
            self._writes(z, y, v)
            self._derivatives(z, y, v)
            self._plain(z, y)
            self._extremes(z, y)
        self._dtype()
        self._bits()

    def _derivatives(self, z: Array, y: Array, v: Array) -> None:
        def at(place: tuple[int, ...]) -> str:
            return f"is wrong at z = {z[place[0]].tolist()}, y = {y[place[0]].tolist()}, place {place[1]}"

        def moved(e: Array, h: float) -> Array:
            values, _ = self.value(z + h * e, y)
            return values

        _, delta = self.value(z, y)
        columns = [
            nearest_difference(partial(moved, e), delta[:, j]) for j, e in enumerate(np.eye(z.shape[1]))
        ]
        expected = np.stack(columns, axis=1)
        require_equal(
            delta, expected, f"{self.who}: delta", "the difference of the value is", at, rel=1e-7, abs=1e-8
        )
        if getattr(self.loss, f"{self.kind}_curvature") is not None:
            got = self.curvature(z, y, v)
            expected = nearest_difference(lambda h: self.value(z + h * v, y)[1], got)
            require_equal(
                got, expected, f"{self.who}: curvature", "the difference of delta is", at, rel=1e-7, abs=1e-8
            )

    def _writes(self, z: Array, y: Array, v: Array) -> None:
        """Everything is written, whatever lay there, and nothing else is. Few samples: many go through lanes, which are copies."""
        z, y, v = z[:ALONE], y[:ALONE], v[:ALONE]
        kept_z, kept_y, n = z.copy(), y.copy(), z.shape[1]
        value, delta = self.value(z, y, before=3.0)
        again, delta_again = self.value(z, y, before=7.0)
        untouched = (delta == 3) & (delta_again == 7)
        require(
            not untouched.all(),
            f"{self.who}: delta is never written; dL/dz_j belongs into delta[j], for every j",
        )
        require(not untouched.any(), f"{self.who}: delta is not fully written for {n} outputs")
        require_same_bits(
            delta_again, delta, f"{self.who}: delta depends on what lay there before; it must be overwritten"
        )
        require_same_bits(again, value, f"{self.who}: the value depends on what lay in delta before")
        if getattr(self.loss, f"{self.kind}_curvature") is not None:
            out, out_again = (self.curvature(z, y, v, before=before) for before in (3.0, 7.0))
            untouched = (out == 3) & (out_again == 7)
            require(not untouched.any(), f"{self.who}: curvature leaves places unwritten for {n} outputs")
            require_same_bits(out_again, out, f"{self.who}: curvature depends on what lay in out before")
        require_same_bits(z, kept_z, f"{self.who}: z is written to")
        require_same_bits(y, kept_y, f"{self.who}: y is written to")

    def _plain(self, z: Array, y: Array) -> None:
        value, delta = self.value(z, y)
        plain, plain_delta = np.zeros_like(value), np.zeros_like(delta)
        run_kernel_in_python(
            self.op.value, [plain_delta, plain, z, y, np.ones(len(z))], {"scale": 1.0}, len(z), False, {}
        )
        at = lambda p: f"at z = {z[p[0]].tolist()}"
        require_equal(
            value, plain, f"{self.who}: compiled value", "plain Python gives", at, rel=1e-11, abs=1e-13
        )
        require_equal(
            delta, plain_delta, f"{self.who}: compiled delta", "plain Python gives", at, rel=1e-11, abs=1e-13
        )

    def _extremes(self, z: Array, y: Array) -> None:
        for j in range(z.shape[1]):
            broken = z.copy()
            broken[:, j] = np.nan
            value, _ = self.value(broken, y)
            require(
                np.isnan(value).all(),
                f"{self.who}: the value of NaN is {value[~np.isnan(value)][:1]}, so divergence goes unnoticed",
            )
        for size in (1e4, 1e8):
            far = size * self.rng.choice([-1.0, 1.0], size=z.shape)
            if not (self.z_range[0] < 0 < self.z_range[1]):
                far = np.abs(far) * np.sign(self.z_range[1])
            for name, numbers in zip(("value", "delta"), self.value(far, y), strict=True):
                good = np.isfinite(numbers) if self.finite else ~np.isnan(numbers)
                require(
                    good.all(),
                    f"{self.who}: {name} is {numbers[~good].flat[0] if not good.all() else 0} at outputs of size {size:g}",
                )

    def _dtype(self) -> None:
        roles = {self.kind: {"z": ROW, "y": ROW if self.kind == "row" else CLASS, "delta": ROW}}
        roles[f"{self.kind}_curvature"] = {"z": ROW, "y": roles[self.kind]["y"], "v": ROW, "out": ROW}
        for role, kinds in roles.items():
            function = getattr(self.loss, role)
            if function is None:
                continue
            chosen = {name: self.loss.settings[name] for name in self.loss.takes(function)}
            names = [
                name
                for name in function.__code__.co_varnames[: function.__code__.co_argcount]
                if name not in chosen
            ]
            arguments = dict(zip(names, kinds.values(), strict=True))
            wrong = float64_in_float32_build(function, chosen, arguments, 1 if role == self.kind else 0)
            require(not wrong, f"{self.who}: {role} does not stay in float32: {'; '.join(wrong)}")
        z, y = self.outputs(SAMPLES, 4), self.targets(SAMPLES, 4)
        single, double = self.value(z.astype(np.float32), y)[0], self.value(z, y)[0]
        require_equal(
            single,
            double,
            f"{self.who}: value in float32",
            "in float64 it is",
            lambda p: f"of sample {p[0]}",
            rel=1e-4,
            abs=1e-5,
        )

    def _bits(self) -> None:
        for dtype in ("float32", "float64"):
            z, y = self.outputs(7, 3).astype(dtype), self.targets(7, 3)
            value, delta = self.value(z, y)
            for threads in (1, 2, 3):
                again, delta_again = self.value(z, y, threads=threads)
                sentence = f"{self.who}: not the same from run to run with {threads} threads ({dtype})"
                require_same_bits(again, value, sentence)
                require_same_bits(delta_again, delta, sentence)
            alone = np.concatenate([self.value(z[s : s + 1], y[s : s + 1])[0] for s in range(len(z))])
            require_same_bits(
                alone, value, f"{self.who}: the value of a sample depends on the samples beside it ({dtype})"
            )


def _check_link(loss: Loss, z_range: tuple[float, float]) -> None:
    kernel, who = link_kernel(loss), label(loss, "loss")
    assert kernel is not None
    rng = np.random.default_rng(0)
    for n in WIDTHS:
        z = rng.uniform(*z_range, size=(5, n))
        kept, a, plain = z.copy(), np.full_like(z, np.nan), np.full_like(z, np.nan)
        run_kernel(kernel, "float64", a, z)
        run_kernel_in_python(kernel, [plain, z], {}, len(z), False, {})
        require(not np.isnan(a).any(), f"{who}: link leaves places unwritten for {n} outputs")
        require_same_bits(z, kept, f"{who}: link writes to z")
        require_equal(
            a,
            plain,
            f"{who}: compiled link",
            "plain Python gives",
            lambda p: f"at output {p[1]} of row {p[0]}",
            rel=1e-11,
            abs=1e-13,
        )
    function: Any = loss.link
    chosen = {name: loss.settings[name] for name in loss.takes(function)}
    names = [
        name for name in function.__code__.co_varnames[: function.__code__.co_argcount] if name not in chosen
    ]
    wrong = float64_in_float32_build(function, chosen, dict.fromkeys(names, ROW), 0)
    require(not wrong, f"{who}: link does not stay in float32: {'; '.join(wrong)}")


def _target(loss: Loss) -> Callable[[np.random.Generator, int], Any]:
    def drawn(rng: np.random.Generator, n: int) -> Any:
        draws: dict[str, Callable[[], Any]] = {
            "numbers": lambda: rng.normal(size=n),
            "nonnegative": lambda: rng.exponential(size=n),
            "probabilities": lambda: rng.uniform(size=n),
            "signs": lambda: rng.choice([-1.0, 1.0], size=n),
        }
        return draws[loss.targets]()

    return drawn
