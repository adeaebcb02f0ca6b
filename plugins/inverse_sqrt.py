"""Inverse square root: eta_t = eta / sqrt(t + 1). Source: the notes.

>>> inverse_sqrt.rates(1.0, [0, 3, 8], steps=9)
array([1.        , 0.5       , 0.33333333])
"""

import numpy as np

from fastnn import Schedule, hookimpl


def values(eta, t):
    return eta / np.sqrt(t + 1)


inverse_sqrt = Schedule("inverse_sqrt", values)


@hookimpl
def fastnn_schedules():
    return [inverse_sqrt]
