"""Rectified linear unit: a = max(0, z), a' = 1 where z > 0, else 0.

Source: Nair and Hinton 2010, Rectified linear units improve restricted Boltzmann machines, ICML.

>>> [relu.value(z) for z in (-2.0, 3.0)], [relu.slope(z, relu.value(z)) for z in (-2.0, 0.0, 3.0)]
([0.0, 3.0], [0.0, 0.0, 1.0])
"""

from fastnn import Activation, hookimpl


def value(z):
    return 0.0 if z < 0 else z


def slope(z, a):
    return 1.0 if a > 0 else 0.0


def curvature(z, a):
    return 0.0


relu = Activation("relu", value, slope, curvature, kinks=(0.0,))


@hookimpl
def fastnn_activations():
    return [relu]
