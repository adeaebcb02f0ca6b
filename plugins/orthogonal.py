"""Orthogonal: gain Q, where Q has orthonormal rows or columns, whichever are fewer, uniformly among all such.

Q comes from the QR decomposition of a normal matrix, with the signs of R's diagonal put right. A parameter
with more than two axes is treated as (first axis, all others).
Source: Saxe, McClelland and Ganguli 2014, Exact solutions to the nonlinear dynamics of learning, section 3.

>>> import numpy as np
>>> W = orthogonal.draw(np.random.default_rng(0), (2, 5), 5, 2)
>>> np.allclose(W @ W.T, np.eye(2))
True
"""

import math

import numpy as np

from fastnn import Initializer, hookimpl


def values(rng, shape, fan_in, fan_out, gain):
    rows = shape[0] if shape else 1
    columns = math.prod(shape[1:])
    Q, R = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    Q = Q * np.where(np.diagonal(R) < 0, -1.0, 1.0)
    return gain * (Q if rows >= columns else Q.T).reshape(shape)


orthogonal = Initializer("orthogonal", values, defaults={"gain": 1.0})


@hookimpl
def fastnn_initializers():
    return [orthogonal]
