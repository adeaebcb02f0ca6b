"""The loss at the output: one sample at a time, the mean over the batch, and delta = dC/dz to start the backward pass.

    value     values[s] = w_s L(z[s], y[s])              delta[s] = w_s dL/dz
    tangent   ddelta[s] = w_s (d2L/dz2) dz[s]
    link      a[s] = what predict() shows of z[s]

w_s = weight[s] / batch: the weights have mean 1 over the training set, so that the sum over a batch estimates the weighted mean.
"""

from __future__ import annotations

from typing import Any

from fastnn.contracts import Loss
from fastnn.errors import CapabilityError
from fastnn.ops.kernel import Kernel

__all__ = ["LossOp", "link_kernel"]


def value(i, delta, values, z, y, weights, scale):  # type: ignore[no-untyped-def]
    weight = weights[i] * scale
    values[i] = weight * loss(z[i], y[i], delta[i])  # noqa: F821  (loss and curvature are the plugin's)
    for j in range(z.shape[1]):
        delta[i, j] *= weight


def curvature_product(i, ddelta, z, y, dz, weights, scale):  # type: ignore[no-untyped-def]
    weight = weights[i] * scale
    curvature(z[i], y[i], dz[i], ddelta[i])  # noqa: F821
    for j in range(z.shape[1]):
        ddelta[i, j] *= weight


def show(i, a, z):  # type: ignore[no-untyped-def]
    link(z[i], a[i])  # noqa: F821


def link_kernel(loss: Loss) -> Kernel | None:
    """The kernel that turns raw outputs into what predict() shows; None where it shows the raw outputs."""
    if loss.link is None:
        return None
    settings = {s: loss.settings[s] for s in loss.takes(loss.link)}
    return Kernel(
        "loss.link", show, {"a": "2", "z": "2"}, functions={"link": (loss.link, settings)}, by_row=True
    )


class LossOp:
    """A loss for targets of one kind: `index` (classes, int64) or `row` (rows as wide as the output)."""

    def __init__(self, loss: Loss, kind: str) -> None:
        self.loss, self.kind = loss, kind
        target = "i1" if kind == "index" else "2"
        whole = frozenset({"y"}) if kind == "index" else frozenset()

        def bound(function: Any) -> tuple[Any, dict[str, float]]:
            return (function, {s: loss.settings[s] for s in loss.takes(function)})

        self.value = Kernel(
            f"loss.{kind}",
            value,
            {"delta": "2", "values": "1", "z": "2", "y": target, "weights": "1"},
            reals=("scale",),
            functions={"loss": bound(getattr(loss, kind))},
            whole_functions=whole,
            by_row=True,
            extra_results=1,
        )
        curvature = getattr(loss, f"{kind}_curvature")
        self._curvature = (
            None
            if curvature is None
            else Kernel(
                f"loss.{kind}_curvature",
                curvature_product,
                {"ddelta": "2", "z": "2", "y": target, "dz": "2", "weights": "1"},
                reals=("scale",),
                functions={"curvature": bound(curvature)},
                whole_functions=whole,
                by_row=True,
            )
        )

    @property
    def curvature(self) -> Kernel:
        if self._curvature is None:
            raise CapabilityError(
                f"loss {self.loss.name!r} has no {self.kind}_curvature, which exact second order needs",
                hint="use another loss, or an optimizer of first order",
            )
        return self._curvature
