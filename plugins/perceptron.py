"""Perceptron loss: one output, L = max(0, -s z) with s = -1 for class 0 and +1 for class 1; more outputs,
L = max(0, max_{j != y} z_j - z_y). Descent on it is the perceptron rule.

It is the hinge loss with margin 0, with its targets. At z = 0 the sample counts as a mistake: a start at zero
learns.
Source: Rosenblatt 1958, The perceptron, Psychological Review 65.

>>> import numpy as np
>>> delta = np.empty(1); float(perceptron.index(np.array([0.0]), 1, delta, 0.0)), delta
(0.0, array([-1.]))
"""

from fastnn import Loss, hookimpl

from .hinge import curvature, index, row

perceptron = Loss(
    "perceptron",
    row=row,
    index=index,
    row_curvature=curvature,
    index_curvature=curvature,
    defaults={"margin": 0.0},
    task="classification",
    targets="signs",
    independent=True,
)


@hookimpl
def fastnn_losses():
    return [perceptron]
