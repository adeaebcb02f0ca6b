"""Identity: a = z, for linear layers and raw outputs.

>>> identity.value(2.5)
2.5
"""

from fastnn import Activation, hookimpl


def value(z):
    return z


def slope(z, a):
    return 1.0


def curvature(z, a):
    return 0.0


identity = Activation("identity", value, slope, curvature, aliases=("linear",))


@hookimpl
def fastnn_activations():
    return [identity]
