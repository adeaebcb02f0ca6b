"""Glorot: variance gain^2 2 / (fan_in + fan_out), so that signals keep their size forward and backward.

    glorot_uniform   U(-l, l), l = gain sqrt(6 / (fan_in + fan_out))
    glorot_normal    N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out))

Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward networks, equation
16.

>>> import numpy as np
>>> W = glorot_uniform.draw(np.random.default_rng(0), (50, 100), 100, 50)
>>> bool(np.abs(W).max() <= np.sqrt(6 / 150))
True
"""

import numpy as np

from fastnn import Initializer, hookimpl


def uniform_values(rng, shape, fan_in, fan_out, gain):
    limit = gain * np.sqrt(6 / max(fan_in + fan_out, 1))
    return rng.uniform(-limit, limit, shape)


def normal_values(rng, shape, fan_in, fan_out, gain):
    return gain * np.sqrt(2 / max(fan_in + fan_out, 1)) * rng.standard_normal(shape)


glorot_uniform = Initializer("glorot_uniform", uniform_values, defaults={"gain": 1.0})
glorot_normal = Initializer("glorot_normal", normal_values, defaults={"gain": 1.0})


@hookimpl
def fastnn_initializers():
    return [glorot_uniform, glorot_normal]
