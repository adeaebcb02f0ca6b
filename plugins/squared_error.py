"""Squared error: L = 1/2 sum_j (z_j - y_j)^2, dL/dz = z - y.

With the one half, and the sum over the outputs: with one output, the mean over a batch is half the usual MSE.
Source: the notes, C = 1/2 (a - y)^2.

>>> import numpy as np
>>> delta = np.empty(2); float(squared_error.row(np.array([1.0, 5.0]), np.array([0.0, 2.0]), delta)), delta
(5.0, array([1., 3.]))
"""

from fastnn import Loss, hookimpl


def row(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] = d
        value += 0.5 * d * d
    return value


def row_curvature(z, y, v, out):
    for j in range(len(z)):
        out[j] = v[j]


squared_error = Loss("squared_error", row=row, row_curvature=row_curvature, aliases=("mse",))


@hookimpl
def fastnn_losses():
    return [squared_error]
