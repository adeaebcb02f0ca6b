"""Huber loss: with d = z_j - y_j, d^2 / 2 up to |d| = threshold, then threshold (|d| - threshold / 2).

The sum over the outputs. With c = d clipped to [-threshold, threshold]: L = sum c (d - c / 2), dL/dz_j = c.
Source: Huber 1964, Robust estimation of a location parameter, Annals of Mathematical Statistics 35.

>>> import numpy as np
>>> delta = np.empty(2); float(huber.row(np.array([0.5, -5.0]), np.array([0.0, 0.0]), delta, 1.0)), delta
(4.625, array([ 0.5, -1. ]))
"""

from fastnn import Loss, hookimpl


def clipped(d, threshold):
    if d > threshold:
        return threshold
    return -threshold if d < -threshold else d  # noqa: FURB136  (max could hide what is not a number)


def row(z, y, delta, threshold):
    value = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        c = clipped(d, threshold)
        delta[j] = c
        value += c * (d - 0.5 * c)
    return value


def row_curvature(z, y, v, out, threshold):
    for j in range(len(z)):
        d = z[j] - y[j]
        out[j] = v[j] if clipped(d, threshold) == d else 0.0


huber = Loss(
    "huber", row=row, row_curvature=row_curvature, defaults={"threshold": 1.0}, domain=("threshold > 0",)
)


@hookimpl
def fastnn_losses():
    return [huber]
