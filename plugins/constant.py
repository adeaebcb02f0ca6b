"""Constant: eta_t = eta.

>>> constant.rates(0.1, [0, 1, 2], steps=3)
array([0.1, 0.1, 0.1])
"""

import numpy as np

from fastnn import Schedule, hookimpl


def values(eta, t):
    return np.full(np.shape(t), eta)


constant = Schedule("constant", values)


@hookimpl
def fastnn_schedules():
    return [constant]
