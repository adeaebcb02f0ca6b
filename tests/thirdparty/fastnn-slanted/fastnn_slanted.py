"""Broken on purpose: the slope of `slanted` and the delta of `steep` are wrong, which fastnn.testing
finds."""

import math

from fastnn import Activation, Loss, hookimpl


def value(z):
    return math.sin(z)


def slope(z, a):
    return math.cos(z) + 0.01 * z


def row(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] = 2 * d
        total += 0.5 * d * d
    return total


@hookimpl
def fastnn_activations():
    return [Activation("slanted", value, slope)]


@hookimpl
def fastnn_losses():
    return [Loss("steep", row=row)]
