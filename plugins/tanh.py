"""Hyperbolic tangent: a = tanh z, a' = 1 - a^2, a'' = -2 a (1 - a^2).

>>> tanh.slope(0.0, 0.0), tanh.curvature(0.0, 0.0)
(1.0, -0.0)
"""

import math

from fastnn import Activation, hookimpl


def value(z):
    return math.tanh(z)


def slope(z, a):
    return (1.0 - a) * (1.0 + a)


def curvature(z, a):
    return -2.0 * a * (1.0 - a) * (1.0 + a)


tanh = Activation("tanh", value, slope, curvature)


@hookimpl
def fastnn_activations():
    return [tanh]
