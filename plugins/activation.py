"""Activation as a layer of its own: a = f(z).

>>> import fastnn as fnn
>>> fnn.Network(2, [fnn.layers.Activation("relu")])([[-1.0, 2.0]])
array([[0., 2.]], dtype=float32)
"""

from fastnn import hookimpl


class Activation:
    """a = f(z), element by element, or row by row for softmax; `activation` is a name or an object."""

    name = "activation"

    def __init__(self, activation):
        self.activation = activation

    def __call__(self, net, z):
        return net.activate(self.activation, z)


@hookimpl
def fastnn_layers():
    return [Activation]
