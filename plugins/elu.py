"""Exponential linear unit: a = z where z > 0, else alpha (exp(z) - 1).

There a' = a + alpha and a'' = a + alpha, from the stored a. The slope has a kink at 0 unless alpha is 1; the
curvature always jumps there.
Source: Clevert, Unterthiner and Hochreiter 2016, Fast and accurate deep network learning by ELUs, equation
15.

>>> elu.value(2.0, 1.0), round(elu.value(-1.0, 1.0), 6)
(2.0, -0.632121)
"""

import math

from fastnn import Activation, hookimpl


def value(z, alpha):
    return z if z > 0 else alpha * math.expm1(0.0 if z > 0 else z)


def slope(z, a, alpha):
    return 1.0 if z > 0 else a + alpha


def curvature(z, a, alpha):
    return 0.0 if z > 0 else a + alpha


elu = Activation("elu", value, slope, curvature, defaults={"alpha": 1.0}, domain=("alpha > 0",), kinks=(0.0,))


@hookimpl
def fastnn_activations():
    return [elu]
