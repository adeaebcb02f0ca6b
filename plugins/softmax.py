"""Softmax of a row: a_j = exp(z_j) / sum_k exp(z_k), J = diag(a) - a a^T.

    backward           out_j = a_j (delta_j - a . delta)
    tangent            out_j = a_j (dz_j - a . dz)                         J is symmetric
    backward_tangent   out_j = da_j (delta_j - a . delta) + a_j (ddelta_j - a . ddelta - da . delta)

The largest z is taken away first, so exp only sees numbers up to 0. The loop over exp has no sum in it: it vectorises.

>>> import numpy as np
>>> a = np.empty(3); softmax.value(a, np.array([1e4, 1e4, -1e4])); a
array([0.5, 0.5, 0. ])
"""

import math

from fastnn import RowActivation, hookimpl


def softmax_value(a, z):
    top = z[0]
    for j in range(len(z)):
        top = max(top, z[j])
    total = 0.0
    for j in range(len(z)):
        a[j] = math.exp(z[j] - top)
    for j in range(len(z)):
        total += a[j]
    scale = 1.0 / total
    for j in range(len(z)):
        a[j] = a[j] * scale


def backward(out, delta, z, a):
    mean = 0.0
    for j in range(len(a)):
        mean += a[j] * delta[j]
    for j in range(len(a)):
        out[j] = a[j] * (delta[j] - mean)


def tangent(out, dz, z, a):
    backward(out, dz, z, a)


def backward_tangent(out, delta, ddelta, z, dz, a, da):
    mean = 0.0
    change = 0.0
    for j in range(len(a)):
        mean += a[j] * delta[j]
        change += a[j] * ddelta[j] + da[j] * delta[j]
    for j in range(len(a)):
        out[j] = da[j] * (delta[j] - mean) + a[j] * (ddelta[j] - change)


softmax = RowActivation("softmax", softmax_value, backward, tangent, backward_tangent)


@hookimpl
def fastnn_activations():
    return [softmax]
