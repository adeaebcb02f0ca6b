"""BatchNormalization with training_mode = 1, by the library's kernels: Y, and the running mean and variance that it leaves.

Y                 (X - mean) / sqrt(variance + epsilon) scale + B, with mean and (biased) variance of the batch
running_mean      momentum input_mean + (1 - momentum) mean
running_variance  the same; biased here, where a network's own statistics (and PyTorch's) are unbiased
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import DataError
from fastnn.onnx.direct import run_kernel
from fastnn.onnx.model import Model, Step
from fastnn.ops.batch_norm import MOMENTS, NORMALISE, PLANE_MOMENTS, TRACK

__all__ = ["normalised", "trains"]

Array = NDArray[Any]


def trains(model: Model, step: Step) -> bool:
    """Whether this step is a batch normalisation in training mode that is read: opset 14 brought it in this form."""
    return step.op == "BatchNormalization" and model.opset >= 14 and bool(step.attributes.get("training_mode"))  # fmt: skip


def normalised(step: Step, inputs: Sequence[Array]) -> list[Array]:
    """The three outputs of the step."""
    X, gamma, beta, mean, variance = (np.array(array, inputs[0].dtype, order="C") for array in inputs)
    if X.ndim < 2 or any(array.shape != X.shape[1:2] for array in (gamma, beta, mean, variance)):
        raise DataError(
            f"{step.label}: scale, B, mean and var do not fit",
            got=[array.shape for array in inputs],
            expected="(batch, channels, ...) and four times (channels,)",
        )
    batch, channels, size = X.shape[0], X.shape[1], prod(X.shape[2:])
    planes = [np.zeros((batch, channels), X.dtype) for _ in range(2)]
    run_kernel(PLANE_MOMENTS, {"mean": planes[0], "squares": planes[1], "a": X}, {"size": size})
    of_batch = {name: np.zeros(channels, X.dtype) for name in ("mean", "variance", "r")}
    arrays = {**of_batch, "plane_mean": planes[0], "plane_squares": planes[1]}
    epsilon, momentum = (float(step.attributes.get(n, d)) for n, d in (("epsilon", 1e-5), ("momentum", 0.9)))
    run_kernel(MOMENTS, arrays, {"batch": batch, "size": size, "epsilon": epsilon})
    Y = np.zeros_like(X)
    arrays = {"z": Y, "a": X, "mean": of_batch["mean"], "r": of_batch["r"], "gamma": gamma, "beta": beta}
    run_kernel(NORMALISE, arrays, {"channels": channels, "size": size})
    for running, name in ((mean, "mean"), (variance, "variance")):
        run_kernel(TRACK, {"running": running, "of_batch": of_batch[name]}, {"momentum": 1 - momentum, "factor": 1.0})  # fmt: skip
    return [Y, mean, variance]
