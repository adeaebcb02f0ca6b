"""Zeros, for biases.

>>> import numpy as np
>>> zeros.draw(np.random.default_rng(0), (2,), 1, 1)
array([0., 0.])
"""

import numpy as np

from fastnn import Initializer, hookimpl


def values(rng, shape, fan_in, fan_out):
    return np.zeros(shape)


zeros = Initializer("zeros", values)


@hookimpl
def fastnn_initializers():
    return [zeros]
