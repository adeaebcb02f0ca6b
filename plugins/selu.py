"""Scaled exponential linear unit: a = gamma z where z > 0, else gamma alpha (exp(z) - 1).

With the defaults, mean 0 and variance 1 are a fixed point of layer after layer. Where z <= 0, a' = a + gamma alpha.
Source: Klambauer et al. 2017, Self-normalizing neural networks, equation 2.

>>> round(selu.value(1.0, 1.5, 2.0), 6), round(selu.value(-1.0, 1.5, 2.0), 6)
(2.0, -1.896362)
"""

import math

from fastnn import Activation, hookimpl

ALPHA = 1.6732632423543772
GAMMA = 1.0507009873554805


def value(z, alpha, gamma):
    return gamma * (z if z > 0 else alpha * math.expm1(0.0 if z > 0 else z))


def slope(z, a, alpha, gamma):
    return gamma if z > 0 else a + gamma * alpha


def curvature(z, a, alpha, gamma):
    return 0.0 if z > 0 else a + gamma * alpha


selu = Activation(
    "selu",
    value,
    slope,
    curvature,
    defaults={"alpha": ALPHA, "gamma": GAMMA},
    domain=("alpha > 0", "gamma > 0"),
    kinks=(0.0,),
)


@hookimpl
def fastnn_activations():
    return [selu]
