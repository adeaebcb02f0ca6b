"""SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss: the library's loss kernels on rows of scores, then the standard's reductions.

Scores are (batch, classes, ...), targets (batch, ...): every place is a row of classes. With weights, a row counts by the weight of its class;
`ignore_index` gives it weight 0. The mean is over the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Loss
from fastnn.errors import CapabilityError, DataError
from fastnn.onnx.direct import run_kernel
from fastnn.onnx.model import Step
from fastnn.ops import LossOp
from fastnn.registry import registry

__all__ = ["loss_of"]

Array = NDArray[Any]


def index(z, y, delta):  # type: ignore[no-untyped-def]
    for j in range(len(z)):
        delta[j] = 0.0
    delta[y] -= 1.0
    return -z[y]


NEGATIVE_LOG_LIKELIHOOD = Loss("negative_log_likelihood", index=index, task="classification")
"""L = -z_y of log-probabilities z."""


def loss_of(step: Step, scores: Array, targets: Array, weights: Array | None) -> Array:
    """The first output of the step: (batch, ...) losses, or one number, by the attribute `reduction`."""
    if scores.ndim < 2 or targets.shape != (scores.shape[0], *scores.shape[2:]):
        raise DataError(
            f"{step.label}: scores and targets do not fit",
            got=f"{scores.shape} and {targets.shape}",
            expected="(batch, classes, ...) and (batch, ...)",
        )
    dtype, n_classes = scores.dtype, scores.shape[1]
    rows = np.ascontiguousarray(np.moveaxis(scores, 1, -1).reshape(-1, n_classes))
    y = np.ascontiguousarray(targets.reshape(-1), np.int64)
    counts = np.ones(n_classes, dtype) if weights is None else weights.astype(dtype)
    ignored = y == step.attributes["ignore_index"] if "ignore_index" in step.attributes else np.zeros(len(y), bool)  # fmt: skip
    outside = ~ignored & ((y < 0) | (y >= n_classes))
    if outside.any():
        raise DataError(f"{step.label}: a target is no class", got=y[outside][0], expected=f"0 to {n_classes - 1}")  # fmt: skip
    y = np.where(ignored, 0, y)
    row_weights = np.where(ignored, 0, counts[y]).astype(dtype)
    values, delta = np.zeros(len(y), dtype), np.zeros_like(rows)
    kernel = LossOp(_loss(step), "index").value
    arrays = {"delta": delta, "values": values, "z": rows, "y": y, "weights": row_weights}
    run_kernel(kernel, arrays, {"scale": 1.0})
    values[ignored] = 0  # whatever the scores are there
    reduction = step.attributes.get("reduction", "mean")
    if reduction == "none":
        return values.reshape(targets.shape)
    total = values.sum(dtype=np.float64)
    if reduction == "mean":
        total /= row_weights.sum(dtype=np.float64)
    elif reduction != "sum":
        raise CapabilityError(f"{step.label}: unknown reduction {reduction!r}")
    return np.asarray(total, dtype)


def _loss(step: Step) -> Loss:
    if step.op == "NegativeLogLikelihoodLoss":
        return NEGATIVE_LOG_LIKELIHOOD
    found: Loss = registry.get("loss", "cross_entropy")
    return found
