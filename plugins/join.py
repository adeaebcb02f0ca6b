"""Layers that join nodes: Add for residual networks, Concatenate for inception networks, Multiply for gates.

>>> import fastnn as fnn
>>> net = fnn.Network(2)
>>> h = net.apply("h", fnn.Dense(2, "tanh"), net.input)
>>> net.output = net.apply("sum", fnn.Add(), h, net.input)
>>> net.output.shape
(2,)
"""

from fastnn import ShapeError, hookimpl


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


class Multiply:
    """z = a_1 a_2 ..., element by element; nodes after the first may have trailing axes of length 1, as (channels, 1, 1)."""

    name = "multiply"

    def __call__(self, net, *nodes):
        if len(nodes) < 2:
            raise ShapeError(
                f"layer {net.name!r} (Multiply) multiplies two or more nodes", got=f"{len(nodes)}"
            )
        z = nodes[0]
        for node in nodes[1:]:
            z = net.op("multiply", z, node)
        return z


@hookimpl
def fastnn_layers():
    return [Add, Concatenate, Multiply]
