"""Layers that imported ONNX models are made of, beside the library's: registered, so that such a network is saved and loaded as any other.

>>> import fastnn as fnn
>>> net = fnn.Network((3, 2, 2), [fnn.layers.Shift((3, 1, 1)), fnn.layers.Take((2, 3), (2, 3), (1, 4))])
>>> net.output_shape, list(net.parameters)
((2, 3), ['0/b'])
"""

from fastnn import hookimpl, onnx


@hookimpl
def fastnn_layers():
    return list(onnx.layers.LAYERS)
