"""Uniform: U(low, high), whatever the fans.

>>> import numpy as np
>>> W = uniform(low=0.0, high=2.0).draw(np.random.default_rng(0), (1000,), 1, 1)
>>> bool(W.min() >= 0), bool(W.max() < 2), round(float(W.mean()), 1)
(True, True, 1.0)
"""

from fastnn import Initializer, hookimpl


def values(rng, shape, fan_in, fan_out, low, high):
    return rng.uniform(low, high, shape)


uniform = Initializer("uniform", values, defaults={"low": -0.05, "high": 0.05})


@hookimpl
def fastnn_initializers():
    return [uniform]
