"""Quadratics for the checks of optimizers: a linear network with squared error, and runs that are cut and resumed."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.callbacks import Checkpoint
from fastnn.network import Network
from fastnn.registry import registry
from fastnn.testing.claims import require, require_same_bits

__all__ = ["above_bottom", "check_resume", "linear_network", "require_lower"]

Array = NDArray[Any]


def linear_network() -> tuple[Network, Array, Array]:
    """A linear network and data: the squared error is a quadratic in theta with 8 parameters, curvatures from 0.4 to 2 or so."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(8, 3))
    y = X @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(8, 2))
    net = Network(3, [registry.get("layer", "dense", n_out=2)], seed=1, dtype="float64")
    return net, X, y


def above_bottom(net: Network, X: Array, y: Array) -> float:
    """Loss above the least-squares solution."""
    design = np.column_stack([X, np.ones(len(X))])
    best = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(0.5 * (((net(X) - y) ** 2).sum() - ((best - y) ** 2).sum()) / len(X))


def require_lower(who: str, start: float, end: float, fraction: float, effort: str) -> None:
    require(math.isfinite(end), f"{who}: the loss of a quadratic is {end} after {effort}")
    require(
        end < fraction * start,
        f"{who}: a quadratic went from {start:.3g} above its bottom to {end:.3g} in {effort}, not below {fraction:g} of it",
    )


def check_resume(trained: Callable[..., Network], who: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run-{epoch}.safetensors"
        whole = trained(6, callbacks=Checkpoint(path))
        resumed = trained(6, resume=str(path).format(epoch=3))
    require_same_bits(
        resumed.theta,
        whole.theta,
        f"{who}: a run resumed from a checkpoint is another run than the whole one",
    )
    require_same_bits(trained(6).theta, whole.theta, f"{who}: two runs with one seed differ")
