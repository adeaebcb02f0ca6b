"""Fill: one value everywhere, 1 by default, for the scales of normalisations and for biases that do not begin with 0.

>>> import numpy as np
>>> fill(value=0.5).draw(np.random.default_rng(0), (2,), 1, 1)
array([0.5, 0.5])
"""

import numpy as np

from fastnn import Initializer, hookimpl


def values(rng, shape, fan_in, fan_out, value):
    return np.full(shape, value)


fill = Initializer("fill", values, defaults={"value": 1.0}, aliases=("ones",))


@hookimpl
def fastnn_initializers():
    return [fill]
