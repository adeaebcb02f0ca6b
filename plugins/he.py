"""He: variance gain^2 2 / fan_in, which makes up for the half of the signal that relu drops.

    he_uniform   U(-l, l), l = gain sqrt(6 / fan_in)
    he_normal    N(0, s^2), s = gain sqrt(2 / fan_in)

Source: He et al. 2015, Delving deep into rectifiers, equation 10.

>>> import numpy as np
>>> W = he_normal.draw(np.random.default_rng(0), (200, 100), 100, 200)
>>> round(float(W.std() / np.sqrt(2 / 100)), 2)
1.0
"""

import numpy as np

from fastnn import Initializer, hookimpl


def uniform_values(rng, shape, fan_in, fan_out, gain):
    limit = gain * np.sqrt(6 / max(fan_in, 1))
    return rng.uniform(-limit, limit, shape)


def normal_values(rng, shape, fan_in, fan_out, gain):
    return gain * np.sqrt(2 / max(fan_in, 1)) * rng.standard_normal(shape)


he_uniform = Initializer("he_uniform", uniform_values, defaults={"gain": 1.0})
he_normal = Initializer("he_normal", normal_values, defaults={"gain": 1.0})


@hookimpl
def fastnn_initializers():
    return [he_uniform, he_normal]
