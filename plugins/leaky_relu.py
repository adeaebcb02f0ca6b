"""Leaky rectified linear unit: a = z where z > 0, else alpha z.

Source: Maas, Hannun and Ng 2013, Rectifier nonlinearities improve neural network acoustic models, section 2.

>>> leaky_relu.value(-2.0, 0.25), leaky_relu.slope(-2.0, -0.5, 0.25)
(-0.5, 0.25)
>>> leaky_relu(alpha=0.2).settings
{'alpha': 0.2}
"""

from fastnn import Activation, hookimpl


def value(z, alpha):
    return z if z > 0 else alpha * z


def slope(z, a, alpha):
    return 1.0 if z > 0 else alpha


def curvature(z, a):
    return 0.0


leaky_relu = Activation("leaky_relu", value, slope, curvature, defaults={"alpha": 0.01}, kinks=(0.0,))


@hookimpl
def fastnn_activations():
    return [leaky_relu]
