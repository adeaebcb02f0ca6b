"""Normal: N(mean, scale^2), whatever the fans.

>>> import numpy as np
>>> normal(mean=3.0, scale=0.0).draw(np.random.default_rng(0), (2,), 1, 1)
array([3., 3.])
"""

from fastnn import Initializer, hookimpl


def values(rng, shape, fan_in, fan_out, mean, scale):
    return mean + scale * rng.standard_normal(shape)


normal = Initializer("normal", values, defaults={"mean": 0.0, "scale": 0.05}, domain=("scale >= 0",))


@hookimpl
def fastnn_initializers():
    return [normal]
