"""Binary cross-entropy from raw outputs, each output its own yes-or-no question: with p = logistic(z),

    L = -sum_j (y_j log p_j + (1 - y_j) log(1 - p_j)),   dL/dz = p - y,   d2L/dz2 = p (1 - p)

The sum over the outputs. `row`: y_j is a probability, 0 to 1. `index`: y is a class; with one output the
answer to class 1, with more the answer is yes for output y and no for the others. predict() shows p. Computed
as max(0, z) - y z + log(1 + exp(-|z|)): no overflow, and no digits lost where p is near y. The value comes before
delta in the loops: what follows a write may have changed z, and exp(-|z|) would be computed twice.

>>> import numpy as np
>>> delta = np.empty(1); float(binary_cross_entropy.row(np.array([1e4]), np.array([0.0]), delta)), delta
(10000.0, array([1.]))
"""

import math

from fastnn import Loss, hookimpl

from .logistic import value as logistic


def one_output(z, answer):
    return ((0.0 if z < 0 else z) - answer * z) + math.log1p(math.exp(-math.fabs(z)))


def row(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        value += one_output(z[j], y[j])
        delta[j] = logistic(z[j]) - y[j]
    return value


def index(z, y, delta):
    value = 0.0
    single = len(z) == 1
    for j in range(len(z)):
        answer = 1.0 if (y == j) != single else 0.0  # the single output 0 says yes to class 1, not to class 0
        value += one_output(z[j], answer)
        delta[j] = logistic(z[j]) - answer
    return value


def curvature(z, y, v, out):
    for j in range(len(z)):
        out[j] = logistic(z[j]) * logistic(-z[j]) * v[j]


def link(z, a):
    for j in range(len(z)):
        a[j] = logistic(z[j])


binary_cross_entropy = Loss(
    "binary_cross_entropy",
    row=row,
    index=index,
    row_curvature=curvature,
    index_curvature=curvature,
    link=link,
    task="classification",
    targets="probabilities",
    independent=True,
)


@hookimpl
def fastnn_losses():
    return [binary_cross_entropy]
