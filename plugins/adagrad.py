"""Adagrad: every weight has its own rate, eta over the root of the sum of its squared gradients so far.

    total <- total + g^2
    W <- W - eta g / (sqrt(total) + epsilon)

Source: the notes; Duchi, Hazan and Singer 2011, Adaptive subgradient methods, JMLR 12 (epsilon outside the
root).

>>> adagrad.step(1.0, 2.0, 0.0, 0.5, 0.0)
(0.5, 4.0)
"""

import math

from fastnn import Rule, hookimpl


def step(w, g, total, eta, epsilon):
    total = total + g * g
    return w - eta * g / (math.sqrt(total) + epsilon), total


adagrad = Rule(
    "adagrad",
    step,
    state=("total",),
    defaults={"eta": 0.01, "epsilon": 1e-10},
    domain=("eta >= 0", "epsilon >= 0"),
)


@hookimpl
def fastnn_optimizers():
    return [adagrad]
