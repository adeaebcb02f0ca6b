"""Local response normalisation: z = a / (k + (alpha / size) sum of the squares of nearby channels)^beta.

Source: Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks, NIPS 25; as ONNX and PyTorch
have it, where alpha is divided by the size (the paper's is not: its alpha = 1e-4 with 5 channels is 5e-4 here, with k = 2).

>>> import fastnn as fnn
>>> net = fnn.Network((1, 1, 1), [fnn.layers.LocalResponseNorm(size=1, alpha=3.0, beta=0.5)], dtype="float64")
>>> float(net([[[1.0]]])[0, 0, 0])
0.5
"""

from numbers import Real

from fastnn import SettingError, hookimpl


class LocalResponseNorm:
    """z[c] = a[c] (k + (alpha / size) sum_j a[j]^2)^-beta with j from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), at every pixel.

    Takes (batch, channels, ...) and gives the same shape.
    """

    name = "local_response_norm"

    def __init__(self, size=5, alpha=1e-4, beta=0.75, k=1.0):
        if isinstance(size, bool) or not hasattr(size, "__index__") or int(size) < 1:
            raise SettingError("size is no number of channels", got=repr(size), expected="1 or more")
        for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
            if isinstance(value, bool) or not isinstance(value, Real) or value < 0:
                raise SettingError(f"{name} is out of its domain", got=repr(value), expected=f"{name} >= 0")
        self.size, self.alpha, self.beta, self.k = int(size), float(alpha), float(beta), float(k)

    def __call__(self, net, a):
        return net.op("local_response_norm", a, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)


@hookimpl
def fastnn_layers():
    return [LocalResponseNorm]
