"""Cosine: eta_t = low + (eta - low) (1 + cos(pi t / steps)) / 2, from eta at the start to `low` at the
planned end.

Source: Loshchilov and Hutter 2017, SGDR, equation 5, without restarts.

>>> cosine.rates(1.0, [0, 5, 10], steps=10).round(3)
array([1. , 0.5, 0. ])
"""

import numpy as np

from fastnn import Schedule, hookimpl


def values(eta, t, steps, low):
    return low + (eta - low) * 0.5 * (1 + np.cos(np.pi * np.minimum(t / max(steps, 1), 1)))


cosine = Schedule("cosine", values, defaults={"low": 0.0}, domain=("low >= 0",))


@hookimpl
def fastnn_schedules():
    return [cosine]
