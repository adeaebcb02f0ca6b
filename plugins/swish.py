"""Swish, with beta = 1 also SiLU: a = z s, s = logistic(beta z).

    a'  = s + beta z s (1 - s)
    a'' = beta s (1 - s) (2 + beta z (1 - 2 s))

Source: Ramachandran, Zoph and Le 2017, Searching for activation functions, equation 1.

>>> round(swish.value(1.0, 1.0), 6), swish.slope(0.0, 0.0, 1.0)
(0.731059, 0.5)
"""

from fastnn import Activation, hookimpl

from .logistic import value as logistic


def value(z, beta):
    return z * logistic(beta * z)


def slope(z, a, beta):
    s = logistic(beta * z)
    return s + beta * z * s * logistic(-beta * z)


def curvature(z, a, beta):
    s = logistic(beta * z)
    r = logistic(-beta * z)
    return beta * (2.0 * s * r + beta * z * (s * r) * (r - s))


swish = Activation("swish", value, slope, curvature, defaults={"beta": 1.0}, aliases=("silu",))


@hookimpl
def fastnn_activations():
    return [swish]
