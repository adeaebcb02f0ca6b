"""Logarithm of the softmax of a row: a_j = z_j - log sum_k exp(z_k), J = 1 - 1 p^T with p = exp(a).

    backward           out_j = delta_j - p_j sum_k delta_k
    tangent            out_j = dz_j - p . dz
    backward_tangent   out_j = ddelta_j - p_j (da_j sum_k delta_k + sum_k ddelta_k)

The largest z is taken away first, so exp only sees numbers up to 0.

>>> import numpy as np
>>> a = np.empty(2); log_softmax.value(a, np.array([1e4, 1e4])); a.round(6)
array([-0.693147, -0.693147])
"""

import math

from fastnn import RowActivation, hookimpl


def log_softmax_value(a, z):
    top = z[0]
    for j in range(len(z)):
        top = max(top, z[j])
    total = 0.0
    for j in range(len(z)):
        a[j] = math.exp(z[j] - top)
    for j in range(len(z)):
        total += a[j]
    shift = math.log(total)
    for j in range(len(z)):
        a[j] = (z[j] - top) - shift


def backward(out, delta, z, a):
    total = 0.0
    for j in range(len(a)):
        total += delta[j]
    for j in range(len(a)):
        out[j] = delta[j] - math.exp(a[j]) * total


def tangent(out, dz, z, a):
    mean = 0.0
    for j in range(len(a)):
        mean += math.exp(a[j]) * dz[j]
    for j in range(len(a)):
        out[j] = dz[j] - mean


def backward_tangent(out, delta, ddelta, z, dz, a, da):
    total = 0.0
    change = 0.0
    for j in range(len(a)):
        total += delta[j]
        change += ddelta[j]
    for j in range(len(a)):
        out[j] = ddelta[j] - math.exp(a[j]) * (da[j] * total + change)


log_softmax = RowActivation("log_softmax", log_softmax_value, backward, tangent, backward_tangent)


@hookimpl
def fastnn_activations():
    return [log_softmax]
