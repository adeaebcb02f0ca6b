"""Layers that join nodes: Add for residual networks, Concatenate for inception networks; Flatten for what follows.

>>> import fastnn as fnn
>>> net = fnn.Network(2)
>>> h = net.apply("h", fnn.Dense(2, "tanh"), net.input)
>>> net.output = net.apply("sum", fnn.Add(), h, net.input)
>>> net.output.shape
(2,)
"""

from fastnn import hookimpl


class Add:
    """z = a_1 + a_2 + ...; all of one shape."""

    name = "add"

    def __call__(self, net, *nodes):
        return net.op("add", *nodes)


class Concatenate:
    """z = [a_1, a_2, ...] along the first axis of a sample (features, channels)."""

    name = "concatenate"

    def __call__(self, net, *nodes):
        return net.op("concatenate", *nodes)


class Flatten:
    """Each sample as one row; nothing moves in memory."""

    name = "flatten"

    def __call__(self, net, a):
        return net.op("flatten", a)


@hookimpl
def fastnn_layers():
    return [Add, Concatenate, Flatten]
