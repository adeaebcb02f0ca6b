"""Pooling: the largest number, or the mean, of windows that move over an image, or of all of it.

>>> import fastnn as fnn
>>> net = fnn.Network((3, 32, 32), [fnn.MaxPool(3, stride=2, padding=1), fnn.GlobalAveragePool()])
>>> [node.shape for node in net.nodes.values()]
[(3, 32, 32), (3, 16, 16), (3, 1, 1)]
"""

from fastnn import SettingError, ShapeError, hookimpl


class MaxPool:
    """z[c,u,v] = max_{p,q} a[c, u stride - pad + p dilation, v stride - pad + q dilation]; a tie goes to the first, padding never wins.

    kernel, stride, dilation   a number, or (height, width); the stride is the kernel unless it is given
    padding                    a number, (height, width) or ((top, bottom), (left, right))
    ceil                       the number of windows is rounded up, not down; none begins in the padding behind (as in ONNX)
    Takes (batch, channels, height, width), gives (batch, channels, height', width').
    """

    name = "max_pool"

    def __init__(self, kernel, stride=None, padding=0, dilation=1, ceil=False):
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.ceil = bool(ceil)
        _window(kernel, stride, padding)
        _pair("dilation", dilation)

    def __call__(self, net, a):
        window = _window(self.kernel, self.stride, self.padding)
        return net.op("max_pool", a, dilation=_pair("dilation", self.dilation), ceil=self.ceil, **window)


class AveragePool:
    """z[c,u,v] = the mean of a window of channel c.

    kernel, stride   a number, or (height, width); the stride is the kernel unless it is given
    padding          zeros around the image: a number, (height, width) or ((top, bottom), (left, right))
    ceil             the number of windows is rounded up, not down; none begins in the padding behind (as in ONNX)
    count_padding    whether the mean counts zeros of the padding
    Takes (batch, channels, height, width), gives (batch, channels, height', width').
    """

    name = "average_pool"

    def __init__(self, kernel, stride=None, padding=0, ceil=False, count_padding=False):
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.ceil, self.count_padding = bool(ceil), bool(count_padding)
        _window(kernel, stride, padding)

    def __call__(self, net, a):
        window = _window(self.kernel, self.stride, self.padding)
        return net.op("average_pool", a, ceil=self.ceil, counted=self.count_padding, **window)


class GlobalAveragePool:
    """z[c] = the mean of channel c. Takes (batch, channels, height, width), gives (batch, channels, 1, 1)."""

    name = "global_average_pool"

    def __call__(self, net, a):
        return net.op("average_pool", a, ceil=False, counted=False, **_whole(net, a))


class GlobalMaxPool:
    """z[c] = the largest number of channel c. Takes (batch, channels, height, width), gives (batch, channels, 1, 1)."""

    name = "global_max_pool"

    def __call__(self, net, a):
        return net.op("max_pool", a, dilation=(1, 1), ceil=False, **_whole(net, a))


def _whole(net, a):
    if len(a.shape) != 3:
        raise ShapeError(
            f"layer {net.name!r}: pooling moves over images, but a sample has shape {a.shape}",
            expected="(channels, height, width)",
        )
    return {"kernel": a.shape[1:], "stride": (1, 1), "padding": ((0, 0), (0, 0))}


def _window(kernel, stride, padding):
    kernel = _pair("kernel", kernel)
    stride = kernel if stride is None else _pair("stride", stride)
    if isinstance(padding, (tuple, list)) and any(isinstance(side, (tuple, list)) for side in padding):
        if len(padding) != 2:
            raise SettingError(
                "padding has two sides for two axes",
                got=repr(padding),
                expected="((top, bottom), (left, right))",
            )
        sides = tuple(_pair("padding", side, least=0) for side in padding)
    else:
        sides = tuple((n, n) for n in _pair("padding", padding, least=0))
    return {"kernel": kernel, "stride": stride, "padding": sides}


def _pair(name, value, least=1):
    """(height, width) of a number or a pair."""
    if hasattr(value, "__index__"):
        value = (value, value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise SettingError(f"{name} is no number or pair", got=repr(value), expected="n or (height, width)")
    for n in value:
        if isinstance(n, bool) or not hasattr(n, "__index__") or int(n) < least:
            raise SettingError(f"{name} is no whole number", got=repr(n), expected=f"{least} or more")
    return tuple(int(n) for n in value)


@hookimpl
def fastnn_layers():
    return [MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool]
