"""Step: a = 1 where z > 0, else 0; the perceptron's activation.

Its slope is 0 wherever it has one, so nothing is learned through it: the perceptron rule learns by its own
loss.
Source: Rosenblatt 1958, The perceptron, Psychological Review 65.

>>> [step.value(z) for z in (-1.0, 0.0, 0.5)]
[0.0, 0.0, 1.0]
"""

from fastnn import Activation, hookimpl


def value(z):
    return 1.0 if z > 0 else (0.0 if z <= 0 else z)  # z itself is what is left: not a number


def slope(z, a):
    return 0.0


def curvature(z, a):
    return 0.0


step = Activation("step", value, slope, curvature, kinks=(0.0,))


@hookimpl
def fastnn_activations():
    return [step]
