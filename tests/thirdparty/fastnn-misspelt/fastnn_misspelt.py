"""Broken on purpose: one hook has a wrong name, one lacks its mark; the third is right and must still
work."""

from fastnn import Activation, hookimpl


def value(z):
    return z * z


def slope(z, a):
    return 2 * z


@hookimpl
def fastnn_optimisers():
    return []


def fastnn_losses():
    return []


@hookimpl
def fastnn_activations():
    return [Activation("square", value, slope)]
