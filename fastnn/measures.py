"""How good outputs are: accuracy for classes, root mean squared error and R2 for values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Loss
from fastnn.inputs import Targets

__all__ = ["chosen_classes", "measures"]

Array = NDArray[Any]


def measures(out: Array, targets: Targets, loss: Loss, weights: Array | None = None) -> dict[str, float]:
    """{"accuracy": ...} of raw outputs where the loss is one for classes, else {"rmse": ..., "r2": ...} of what predict() shows;
    NaN where there are no rows. Accuracy counts rows, or with outputs that answer yes or no each for itself, answers."""
    if loss.task == "classification":
        right = _right(out, targets, loss)
        return {"accuracy": float(np.average(right, weights=weights)) if len(out) else np.nan}
    if not len(out):
        return {"rmse": np.nan, "r2": np.nan}
    y = targets.array.astype(np.float64)
    error = _mean_square(out - y, weights)
    spread = _mean_square(y - np.average(y, axis=0, weights=weights), weights)
    return {"rmse": error**0.5, "r2": 1 - error / spread if spread > 0 else np.nan}


def chosen_classes(out: Array) -> Array:
    """The class each row of raw outputs stands for."""
    return (out[:, 0] > 0).astype(np.int64) if out.shape[1] == 1 else out.argmax(axis=1)


def _right(out: Array, targets: Targets, loss: Loss) -> Array:
    """One number a row: whether the class is right, or the share of right answers where each output gives one."""
    y = targets.array
    if targets.kind == "index":
        return np.asarray(chosen_classes(out) == y)
    if loss.independent or out.shape[1] == 1:
        least = 0.0 if loss.targets == "signs" else 0.5
        return np.asarray(((out > 0) == (y > least)).reshape(len(y), -1).mean(axis=1))
    return np.asarray(chosen_classes(out) == y.argmax(axis=1))


def _mean_square(difference: Array, weights: Array | None) -> float:
    rows = (difference**2).reshape(len(difference), -1).mean(axis=1)
    return float(np.average(rows, weights=weights))
