"""The mathematics that the built-in layers use, by the names that layers of others may use too."""

from fastnn import hookimpl, ops


@hookimpl
def fastnn_ops():
    return [
        ops.Affine(),
        ops.Convolve(),
        ops.Add(),
        ops.Concatenate(),
        ops.Flatten(),
        ops.Dropout(),
        ops.MaxPool(),
        ops.AveragePool(),
        ops.BatchNorm(),
        ops.LocalResponseNorm(),
        ops.LayerNorm(),
        ops.Multiply(),
        ops.Reshape(),
        ops.Transpose(),
        ops.Pad(),
    ]
