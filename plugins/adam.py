"""Adam, with decoupled weight decay:

    W <- W - eta weight_decay W
    mean <- beta1 mean + (1 - beta1) g,   square <- beta2 square + (1 - beta2) g^2
    W <- W - eta (mean / (1 - beta1^k)) / (sqrt(square / (1 - beta2^k)) + epsilon),   k = t + 1

`adam` has weight_decay 0; `adamw` is the same with 0.01. (PyTorch's Adam adds its weight_decay to the
gradient instead.)
Source: Kingma and Ba 2015, Adam, algorithm 1; Loshchilov and Hutter 2019, Decoupled weight decay, algorithm
2.

>>> adam.step(1.0, 2.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.75, 0.0, 0.0)
(0.5, 1.0, 1.0)
"""

import math

from fastnn import Rule, hookimpl


def step(w, g, mean, square, eta, t, beta1, beta2, epsilon, weight_decay):
    k = t + 1.0
    mean = beta1 * mean + (1.0 - beta1) * g
    square = beta2 * square + (1.0 - beta2) * g * g
    # one division for each parameter, not two
    root = math.sqrt(square) * (1.0 / math.sqrt(1.0 - beta2**k)) + epsilon
    return w - eta * weight_decay * w - eta / (1.0 - beta1**k) * (mean / root), mean, square


domain = ("eta >= 0", "0 <= beta1 < 1", "0 <= beta2 < 1", "epsilon >= 0", "weight_decay >= 0")
adam = Rule(
    "adam",
    step,
    state=("mean", "square"),
    defaults={"eta": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0},
    domain=domain,
)
adamw = Rule("adamw", step, state=adam.state, defaults={**adam.defaults, "weight_decay": 0.01}, domain=domain)


@hookimpl
def fastnn_optimizers():
    return [adam, adamw]
