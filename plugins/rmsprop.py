"""RMSprop: eta over the root of a running mean of the squared gradient.

    square <- alpha square + (1 - alpha) g^2
    W <- W - eta g / (sqrt(square) + epsilon)

Source: Tieleman and Hinton 2012, Neural networks for machine learning, lecture 6.5; epsilon outside the root.

>>> rmsprop.step(1.0, 2.0, 0.0, 0.5, 0.75, 0.0)
(0.0, 1.0)
"""

import math

from fastnn import Rule, hookimpl


def step(w, g, square, eta, alpha, epsilon):
    square = alpha * square + (1.0 - alpha) * g * g
    return w - eta * g / (math.sqrt(square) + epsilon), square


rmsprop = Rule(
    "rmsprop",
    step,
    state=("square",),
    defaults={"eta": 0.01, "alpha": 0.99, "epsilon": 1e-8},
    domain=("eta >= 0", "0 <= alpha < 1", "epsilon >= 0"),
)


@hookimpl
def fastnn_optimizers():
    return [rmsprop]
