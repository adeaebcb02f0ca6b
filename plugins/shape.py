"""Layers that move numbers and compute nothing: Flatten, Reshape, Transpose, Pad, Identity.

>>> import fastnn as fnn
>>> net = fnn.Network(12, [fnn.layers.Reshape((3, 2, 2)), fnn.layers.Pad(1), fnn.layers.Transpose((1, 2, 0)), fnn.Flatten()])
>>> [node.shape for node in net.nodes.values()]
[(12,), (3, 2, 2), (3, 4, 4), (4, 4, 3), (48,)]
"""

from numbers import Real

from fastnn import SettingError, hookimpl


class Flatten:
    """Each sample as one row; nothing moves in memory."""

    name = "flatten"

    def __call__(self, net, a):
        return net.op("flatten", a)


class Reshape:
    """Each sample in another shape, of as many numbers; one length may be -1. Nothing moves in memory."""

    name = "reshape"

    def __init__(self, shape):
        self.shape = _wholes("shape", shape, least=-1)

    def __call__(self, net, a):
        return net.op("reshape", a, shape=self.shape)


class Transpose:
    """The axes of a sample in another order: axis m of the result is axis axes[m], counted from 0 without the batch. At most four."""

    name = "transpose"

    def __init__(self, axes):
        self.axes = _wholes("axes", axes)

    def __call__(self, net, a):
        return net.op("transpose", a, axes=self.axes)


class Pad:
    """A frame of one value around each sample.

    padding   a number, or (vertical, horizontal), or ((top, bottom), (left, right)), for the last two axes; or (before, after) for every axis
    """

    name = "pad"

    def __init__(self, padding, value=0.0):
        if isinstance(value, bool) or not isinstance(value, Real):
            raise SettingError("value is no number", got=repr(value))
        self.padding, self.value = padding, float(value)
        _pairs(padding)

    def __call__(self, net, a):
        pairs = _pairs(self.padding)
        pairs = ((0, 0),) * (len(a.shape) - len(pairs)) + pairs if len(pairs) == 2 else pairs
        return net.op("pad", a, padding=pairs, value=self.value)


class Identity:
    """z = a; nothing moves in memory."""

    name = "identity"

    def __call__(self, net, a):
        return net.op("reshape", a, shape=a.shape)


def _pairs(padding):
    """(before, after) for two axes, or for all."""
    if hasattr(padding, "__index__"):
        padding = (padding, padding)
    if (
        isinstance(padding, (tuple, list))
        and all(hasattr(n, "__index__") for n in padding)
        and len(padding) == 2
    ):
        padding = tuple((n, n) for n in padding)
    if not isinstance(padding, (tuple, list)) or not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in padding
    ):
        raise SettingError(
            "padding is not understood",
            got=repr(padding),
            expected="n, (vertical, horizontal), or (before, after) pairs",
        )
    return tuple(_wholes("padding", pair) for pair in padding)


def _wholes(name, values, least=0):
    if not isinstance(values, (tuple, list)):
        raise SettingError(f"{name} is no tuple", got=repr(values), expected="a tuple of whole numbers")
    for n in values:
        if isinstance(n, bool) or not hasattr(n, "__index__") or int(n) < least:
            raise SettingError(
                f"{name} has a length that is none", got=repr(values), expected=f"{least} or more"
            )
    return tuple(int(n) for n in values)


@hookimpl
def fastnn_layers():
    return [Flatten, Reshape, Transpose, Pad, Identity]
