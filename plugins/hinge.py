"""Hinge loss: one output, L = max(0, margin - s z) with s = -1 for class 0 and +1 for class 1; more outputs,
L = max(0, margin + max_{j != y} z_j - z_y).

`index`: y is the class. `row`: y_j is -1 or +1, and L = sum_j max(0, margin - y_j z_j). At the kink itself
the sample counts as a mistake, so that margin = 0, the perceptron loss, learns from z = 0. d2L/dz2 is 0
wherever there is one.
Source: Crammer and Singer 2001, On the algorithmic implementation of multiclass kernel-based vector machines,
eq. 4.

>>> import numpy as np
>>> delta = np.empty(3); float(hinge.index(np.array([1.0, 1.5, -2.0]), 0, delta, 1.0)), delta
(1.5, array([-1.,  1.,  0.]))
"""

from fastnn import Loss, hookimpl


def one_output(z, sign, margin):
    short = margin - sign * z
    return 0.0 if short < 0 else short


def one_slope(z, sign, margin):
    return 0.0 if margin - sign * z < 0 else -sign


def row(z, y, delta, margin):
    value = 0.0
    for j in range(len(z)):
        delta[j] = one_slope(z[j], y[j], margin)
        value += one_output(z[j], y[j], margin)
    return value


def index(z, y, delta, margin):
    if len(z) == 1:
        sign = 1.0 if y == 1 else -1.0
        delta[0] = one_slope(z[0], sign, margin)
        return one_output(z[0], sign, margin)
    rival = y
    spoiled = 0.0
    for j in range(len(z)):
        delta[j] = 0.0
        spoiled += z[j] - z[j]  # 0, or not a number, which comparisons alone would hide
        if j != y and (rival == y or z[j] > z[rival]):
            rival = j
    short = margin + z[rival] - z[y] + spoiled
    if short < 0:
        return 0.0
    delta[rival] = 1.0
    delta[y] = -1.0
    return short


def curvature(z, y, v, out):
    for j in range(len(z)):
        out[j] = 0.0


hinge = Loss(
    "hinge",
    row=row,
    index=index,
    row_curvature=curvature,
    index_curvature=curvature,
    defaults={"margin": 1.0},
    domain=("margin >= 0",),
    task="classification",
    targets="signs",
    independent=True,
)


@hookimpl
def fastnn_losses():
    return [hinge]
