"""Absolute error: L = sum_j |z_j - y_j|, dL/dz_j = sign(z_j - y_j), and 0 where they are equal.

The sum over the outputs. The second derivative is 0 wherever there is one.

>>> import numpy as np
>>> delta = np.empty(2); float(absolute_error.row(np.array([1.0, -5.0]), np.array([0.0, 2.0]), delta)), delta
(8.0, array([ 1., -1.]))
"""

import math

from fastnn import Loss, hookimpl


def row(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] = 1.0 if d > 0 else (-1.0 if d < 0 else d)  # d is left: 0, or not a number
        value += math.fabs(d)
    return value


def row_curvature(z, y, v, out):
    for j in range(len(z)):
        out[j] = 0.0


absolute_error = Loss("absolute_error", row=row, row_curvature=row_curvature, aliases=("mae",))


@hookimpl
def fastnn_losses():
    return [absolute_error]
