"""Gaussian error linear unit, exact: a = z Phi(z), Phi(z) = (1 + erf(z / sqrt 2)) / 2, phi = Phi'.

    a'  = Phi(z) + z phi(z)
    a'' = (2 - z^2) phi(z)

Source: Hendrycks and Gimpel 2016, Gaussian error linear units, equation 1 (not the approximation by tanh).

>>> round(gelu.value(1.0), 6), round(gelu.slope(0.0, 0.0), 6)
(0.841345, 0.5)
"""

import math

from fastnn import Activation, hookimpl

ROOT_HALF = 0.7071067811865476
INVERSE_ROOT_TWO_PI = 0.3989422804014327


def density(z):
    return INVERSE_ROOT_TWO_PI * math.exp(-0.5 * z * z)


def distribution(z):
    return 0.5 * (1.0 + math.erf(ROOT_HALF * z))


def value(z):
    return z * distribution(z)


def slope(z, a):
    return distribution(z) + z * density(z)


def curvature(z, a):
    phi = density(z)
    return 2.0 * phi - z * (z * phi)  # z phi first: z^2 may overflow where phi is 0


gelu = Activation("gelu", value, slope, curvature)


@hookimpl
def fastnn_activations():
    return [gelu]
