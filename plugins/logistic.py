"""Logistic function, also sigmoid: a = 1 / (1 + exp(-z)), a' = a (1 - a), a'' = a (1 - a) (1 - 2 a).

exp only sees -|z|, so nothing overflows and tiny values keep their digits.

>>> logistic.value(0.0), logistic.slope(0.0, 0.5)
(0.5, 0.25)
>>> logistic.value(-700.0) > 0
True
"""

import math

from fastnn import Activation, hookimpl


def value(z):
    e = math.exp(-math.fabs(z))
    return (e if z < 0 else 1.0) / (1.0 + e)


def slope(z, a):
    return a * (1.0 - a)


def curvature(z, a):
    return a * (1.0 - a) * (1.0 - 2.0 * a)


logistic = Activation("logistic", value, slope, curvature, aliases=("sigmoid",))


@hookimpl
def fastnn_activations():
    return [logistic]
