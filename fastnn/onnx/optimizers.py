"""Adagrad, Adam and Momentum of ai.onnx.preview.training, by the library's rules.

    ONNX                                                     here
    Adagrad   R / (1 + T decay_factor)                       adagrad, with this eta
    Adam      R sqrt(1 - beta^T) / (1 - alpha^T),            adam of step T - 1, with epsilon / sqrt(1 - beta^T); T = 0, which
              V / (sqrt(H) + epsilon)                        corrects nothing, is a step so late that there is nothing to correct
    Momentum  V = alpha V + beta G, beta = 1 where T = 0     sgd with momentum alpha and gradient beta G; nesterov with beta other
              X - R V, or nesterov  X - R (G + alpha V)      than 1, where G has another factor than in V, by a rule of our own

norm_coefficient adds norm_coefficient X to the gradient; Adam's norm_coefficient_post takes this part away from the new X.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Rule
from fastnn.errors import CapabilityError, DataError
from fastnn.onnx.direct import run_kernel
from fastnn.onnx.model import Step
from fastnn.ops.update import update_kernel
from fastnn.registry import registry

__all__ = ["updated"]

Array = NDArray[Any]
LATE = 1 << 40
"""A step number whose powers of beta are 0."""


def nesterov_step(w, g, velocity, eta, momentum, share):  # type: ignore[no-untyped-def]
    velocity = momentum * velocity + share * g
    return w - eta * (g + momentum * velocity), velocity


NESTEROV = Rule(
    "onnx_nesterov",
    nesterov_step,
    state=("velocity",),
    defaults={"eta": 0.01, "momentum": 0.9, "share": 1.0},
    domain=("0 <= momentum < 1",),
)


def updated(step: Step, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of the step: all new X, then all of each state, in the standard's order."""
    rate, count = float(inputs[0]), int(inputs[1])
    kinds = 4 if step.op == "Adam" else 3
    tensors = list(inputs[2:])
    if len(tensors) % kinds:
        raise DataError(f"{step.label}: R, T and then {kinds} tensors for each X", got=f"{len(inputs)} inputs")  # fmt: skip
    n = len(tensors) // kinds
    out: list[list[Array]] = [[] for _ in range(kinds - 1)]
    for k in range(n):
        X, G, *states = (np.array(tensors[k + n * kind]) for kind in range(kinds))
        for place, array in enumerate(_one(step, rate, count, X, G, states)):
            out[place].append(array)
    return [array for kind in out for array in kind]


def _one(step: Step, rate: float, count: int, X: Array, G: Array, states: list[Array]) -> list[Array]:
    at = step.attributes
    share = float(at.get("norm_coefficient", 0.0))
    G = G + G.dtype.type(share) * X
    if step.op == "Adagrad":
        rule = registry.get("optimizer", "adagrad", epsilon=float(at.get("epsilon", 0.0)))
        return _run(rule, X, G, states, rate / (1 + count * float(at.get("decay_factor", 0.0))), count)
    if step.op == "Momentum":
        beta = float(at["beta"]) if count > 0 else 1.0
        alpha, mode = float(at["alpha"]), at["mode"]
        if mode not in ("standard", "nesterov"):
            raise CapabilityError(f"{step.label}: unknown mode {mode!r}", expected="standard or nesterov")
        if mode == "nesterov" and beta != 1:
            return _run(NESTEROV(momentum=alpha, share=beta), X, G, states, rate, count)
        if alpha == 0:
            return [*_run(registry.get("optimizer", "sgd"), X, G.dtype.type(beta) * G, [], rate, count), G.dtype.type(beta) * G]  # fmt: skip
        rule = registry.get("optimizer", "sgd", momentum=alpha, nesterov=mode == "nesterov")
        return _run(rule, X, G.dtype.type(beta) * G, states, rate, count)
    beta1, beta2 = float(at.get("alpha", 0.9)), float(at.get("beta", 0.999))
    epsilon = float(at.get("epsilon", 0.0))
    if count > 0:
        epsilon /= math.sqrt(1 - beta2**count)
    rule = registry.get("optimizer", "adam", beta1=beta1, beta2=beta2, epsilon=epsilon)
    new, *states = _run(rule, X, G, states, rate, count - 1 if count > 0 else LATE)
    after = float(at.get("norm_coefficient_post", 0.0))
    return [new - new.dtype.type(after) * new, *states]


def _run(rule: Rule, X: Array, G: Array, states: list[Array], eta: float, count: int) -> list[Array]:
    """One step of a rule, in compiled code, as in fit."""
    kernel = update_kernel(rule)
    flat = [np.ascontiguousarray(array.reshape(-1)).copy() for array in (X, G, *states)]
    settings = {name: float(value) for name, value in rule.settings.items() if name in kernel.reals}
    run_kernel(kernel, dict(zip(kernel.arrays, flat, strict=True)), settings, eta=eta, step=count)
    return [array.reshape(X.shape) for array in (flat[0], *flat[2:])]
