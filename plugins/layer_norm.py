"""Layer normalisation: z = gamma (a - mean) / sqrt(variance + epsilon) + beta, sample by sample.

Source: Ba, Kiros and Hinton 2016, Layer normalization, arXiv:1607.06450.

>>> import fastnn as fnn
>>> net = fnn.Network(2, [fnn.layers.LayerNorm(epsilon=0.0)], dtype="float64")
>>> net([[1.0, 3.0]])
array([[-1.,  1.]])
"""

from numbers import Real

from fastnn import SettingError, hookimpl


class LayerNorm:
    """z = gamma (a - mean) / sqrt(variance + epsilon) + beta, with mean and (biased) variance of all numbers of a sample.

    gamma and beta have the shape of a sample. Training and asking do the same: a sample does not depend on those beside it.
    Takes (batch, ...) and gives the same shape.
    """

    name = "layer_norm"

    def __init__(self, epsilon=1e-5):
        if isinstance(epsilon, bool) or not isinstance(epsilon, Real) or epsilon < 0:
            raise SettingError("epsilon is out of its domain", got=repr(epsilon), expected="epsilon >= 0")
        self.epsilon = float(epsilon)

    def __call__(self, net, a):
        gamma = net.parameter("gamma", a.shape, "ones")
        beta = net.parameter("beta", a.shape, "zeros")
        return net.op("layer_norm", a, parameters=(gamma, beta), epsilon=self.epsilon)


@hookimpl
def fastnn_layers():
    return [LayerNorm]
