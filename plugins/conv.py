"""Convolution over images: z = W * a + b, then its activation.

>>> import fastnn as fnn
>>> net = fnn.Network((3, 32, 32), [fnn.Conv(8, 5, stride=2, padding=2, activation="relu")])
>>> net.output.shape, {name: view.shape for name, view in net.parameters.items()}
((8, 16, 16), {'0/W': (8, 3, 5, 5), '0/b': (8,)})
"""

from fastnn import SettingError, ShapeError, hookimpl


class Conv:
    """z[j,u,v] = sum_{k,p,q} W[j,k,p,q] a[k, u stride - pad + p dilation, v stride - pad + q dilation] + b[j];  a = f(z).

    n_out                       output channels
    kernel, stride, dilation    a number, or (height, width)
    padding                     zeros around the image: a number, (height, width), ((top, bottom), (left, right)), or "same": height' = ceil(height / stride)
    groups                      channels are cut into so many groups that do not see each other
    bias                        False: no b
    Takes (batch, n_in, height, width), gives (batch, n_out, height', width'); W is (n_out, n_in / groups, kernel height, kernel width).
    """

    name = "conv"

    def __init__(
        self,
        n_out,
        kernel=3,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        activation="identity",
        initializer="glorot_uniform",
        initializer_b="zeros",
    ):
        self.n_out = _count("n_out", n_out)
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        for name in ("kernel", "stride", "dilation"):
            _pair(name, getattr(self, name))
        self.padding = padding
        self.groups = _count("groups", groups)
        self.bias = bool(bias)
        self.activation = activation
        self.initializer = initializer
        self.initializer_b = initializer_b

    def __call__(self, net, a):
        if len(a.shape) != 3 or a.shape[0] % self.groups or self.n_out % self.groups:
            raise ShapeError(
                f"layer {net.name!r} (Conv): a sample has shape {a.shape}",
                got=f"{a.shape}, n_out={self.n_out}, groups={self.groups}",
                expected="(channels, height, width), channels in and out multiples of groups",
                hint="Reshape((channels, height, width)) before it" if len(a.shape) != 3 else None,
            )
        kernel, stride, dilation = (
            _pair(name, getattr(self, name)) for name in ("kernel", "stride", "dilation")
        )
        padding = _padding(self.padding, a.shape[1:], kernel, stride, dilation)
        W = net.parameter("W", (self.n_out, a.shape[0] // self.groups, *kernel), self.initializer)
        b = (net.parameter("b", (self.n_out,), self.initializer_b),) if self.bias else ()
        z = net.op(
            "convolve", a, parameters=(W, *b),
            stride=stride, padding=padding, dilation=dilation, groups=self.groups,
        )  # fmt: skip
        return net.activate(self.activation, z)


def _count(name, value, least=1):
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise SettingError(f"Conv: {name} is no whole number", got=repr(value), expected=f"{least} or more")
    return int(value)


def _pair(name, value, least=1):
    """(height, width) of a number or a pair."""
    if hasattr(value, "__index__"):
        value = (value, value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        more = ", ((top, bottom), (left, right)) or 'same'" if name == "padding" else ""
        raise SettingError(
            f"Conv: {name} is no whole number or pair of them",
            got=repr(value),
            expected=f"n or (height, width){more}",
        )
    return tuple(_count(name, n, least) for n in value)


def _padding(padding, image, kernel, stride, dilation):
    """((top, bottom), (left, right)); "same" puts the odd one behind."""
    if padding == "same":
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        totals = [max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(image, reach, stride, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, (tuple, list)) and any(isinstance(side, (tuple, list)) for side in padding):
        if len(padding) != 2:
            raise SettingError(
                "Conv: padding has two sides for two axes",
                got=repr(padding),
                expected="((top, bottom), (left, right))",
            )
        return tuple(_pair("padding", side, least=0) for side in padding)
    return tuple((n, n) for n in _pair("padding", padding, least=0))


@hookimpl
def fastnn_layers():
    return [Conv]
