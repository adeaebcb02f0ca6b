"""Clip: a = min(max(z, low), high), a' = 1 between the two, else 0. Where low lies above high, a = high.

The defaults, 0 and 6, are what is called relu6; clip(low=-1, high=1) is the hard tanh.

>>> [clip.value(z, 0.0, 6.0) for z in (-3.0, 0.5, 7.0)], [clip.slope(z, 0.0, 0.0, 6.0) for z in (-3.0, 0.5, 7.0)]
([0.0, 0.5, 6.0], [0.0, 1.0, 0.0])
"""

from fastnn import Activation, hookimpl


def value(z, low, high):
    raised = max(z, low)
    return min(raised, high)


def slope(z, a, low, high):
    return 1.0 if low < z < high else 0.0


def curvature(z, a):
    return 0.0


clip = Activation(
    "clip",
    value,
    slope,
    curvature,
    defaults={"low": 0.0, "high": 6.0},
    aliases=("relu6",),
    kinks=(0.0, 6.0),
)


@hookimpl
def fastnn_activations():
    return [clip]
