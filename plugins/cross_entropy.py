"""Cross-entropy of softmax from raw outputs: with p = softmax(z),

    L = -sum_j y_j log p_j = (sum_j y_j) log sum_k exp(z_k) - sum_j y_j z_j
    dL/dz = (sum_j y_j) p - y,   (d2L/dz2) v = (sum_j y_j) p (v - p . v)

`row`: y are the probabilities of the classes. `index`: y is the class, so L = log sum_k exp(z_k) - z_y. A
network with one output has two classes, 0 and 1, and p = logistic(z) is the probability of class 1. predict()
shows p. The largest z is taken away first: exp only sees numbers up to 0. The loop over exp has no sum in it: it
vectorises.

>>> import numpy as np
>>> delta = np.empty(2); float(cross_entropy.index(np.array([0.0, 0.0]), 1, delta)), delta
(0.6931471805599453, array([ 0.5, -0.5]))
>>> float(cross_entropy.index(np.array([1e4, -1e4]), 1, delta)), delta
(20000.0, array([ 1., -1.]))
"""

import math

from fastnn import Loss, hookimpl

from .binary_cross_entropy import curvature as binary_curvature
from .binary_cross_entropy import index as binary_index
from .binary_cross_entropy import link as binary_link
from .binary_cross_entropy import row as binary_row
from .softmax import softmax_value


def largest(z):
    top = z[0]
    for j in range(len(z)):
        top = max(top, z[j])
    return top


def row(z, y, delta):
    if len(z) == 1:
        return binary_row(z, y, delta)
    top = largest(z)
    total = 0.0
    mass = 0.0
    value = 0.0
    for j in range(len(z)):
        delta[j] = math.exp(z[j] - top)
    for j in range(len(z)):
        total += delta[j]
        mass += y[j]
        value -= y[j] * (z[j] - top)
    scale = mass / total
    for j in range(len(z)):
        delta[j] = scale * delta[j] - y[j]
    return value + mass * math.log(total)


def index(z, y, delta):
    if len(z) == 1:
        return binary_index(z, y, delta)
    top = largest(z)
    total = 0.0
    for j in range(len(z)):
        delta[j] = math.exp(z[j] - top)
    for j in range(len(z)):
        total += delta[j]
    scale = 1.0 / total
    for j in range(len(z)):
        delta[j] = scale * delta[j]
    delta[y] -= 1.0
    return math.log(total) - (z[y] - top)


def row_curvature(z, y, v, out):
    if len(z) == 1:
        binary_curvature(z, y, v, out)
    else:
        index_curvature(z, y, v, out)
        mass = 0.0
        for j in range(len(z)):
            mass += y[j]
        for j in range(len(z)):
            out[j] = mass * out[j]


def index_curvature(z, y, v, out):
    if len(z) == 1:
        binary_curvature(z, y, v, out)
    else:
        softmax_value(out, z)
        mean = 0.0
        for j in range(len(z)):
            mean += out[j] * v[j]
        for j in range(len(z)):
            out[j] = out[j] * (v[j] - mean)


def link(z, a):
    if len(z) == 1:
        binary_link(z, a)
    else:
        softmax_value(a, z)


cross_entropy = Loss(
    "cross_entropy",
    row=row,
    index=index,
    row_curvature=row_curvature,
    index_curvature=index_curvature,
    link=link,
    task="classification",
    targets="nonnegative",
)


@hookimpl
def fastnn_losses():
    return [cross_entropy]
