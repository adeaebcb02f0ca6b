"""Softplus: a = log(1 + exp z), a' = logistic z, a'' = logistic z (1 - logistic z).

Written as max(0, z) + log(1 + exp(-|z|)), which neither overflows nor loses the digits of tiny values.
Source: Dugas et al. 2001, Incorporating second-order functional knowledge for better option pricing, NIPS.

>>> softplus.value(1000.0), round(softplus.value(0.0), 6)
(1000.0, 0.693147)
"""

import math

from fastnn import Activation, hookimpl

from .logistic import value as logistic


def value(z):
    return (0.0 if z < 0 else z) + math.log1p(math.exp(-math.fabs(z)))


def slope(z, a):
    return logistic(z)


def curvature(z, a):
    return logistic(z) * logistic(-z)


softplus = Activation("softplus", value, slope, curvature)


@hookimpl
def fastnn_activations():
    return [softplus]
