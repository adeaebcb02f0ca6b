"""Batch normalisation: z = gamma (a - mean) / sqrt(variance + epsilon) + beta, channel by channel.

Source: Ioffe and Szegedy 2015, Batch normalization: accelerating deep network training by reducing internal covariate shift, ICML 37.

>>> import fastnn as fnn
>>> net = fnn.Network((3, 8, 8), [fnn.Conv(4, 3, bias=False), fnn.BatchNorm(activation="relu")])
>>> {name: view.shape for name, view in net.parameters.items()}
{'0/W': (4, 3, 3, 3), '1/gamma': (4,), '1/beta': (4,)}
>>> {name: view.tolist() for name, view in net.statistics.items()}
{'1/mean': [0.0, 0.0, 0.0, 0.0], '1/variance': [1.0, 1.0, 1.0, 1.0]}
"""

from numbers import Real

from fastnn import SettingError, hookimpl


class BatchNorm:
    """z[c] = gamma[c] (a[c] - mean[c]) / sqrt(variance[c] + epsilon) + beta[c] for every channel c (or feature);  a = f(z).

    In `fit`, mean and (biased) variance are those of the batch and its pixels, and move the running statistics `mean` and `variance`:
    running = (1 - momentum) running + momentum batch, with the unbiased variance there. Everything else (predict, evaluate, objectives and so
    solvers) takes the running statistics. A batch of one number a channel has variance 0: its z is beta.
    Takes (batch, channels, ...) and gives the same shape.
    """

    name = "batch_norm"

    def __init__(self, epsilon=1e-5, momentum=0.1, activation="identity"):
        for name, value in (("epsilon", epsilon), ("momentum", momentum)):
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:
                raise SettingError(
                    f"{name} is out of its domain", got=repr(value), expected=f"0 <= {name} <= 1"
                )
        self.epsilon, self.momentum = float(epsilon), float(momentum)
        self.activation = activation

    def __call__(self, net, a):
        channels = a.shape[:1]
        gamma = net.parameter("gamma", channels, "ones")
        beta = net.parameter("beta", channels, "zeros")
        statistics = (net.statistic("mean", channels, 0.0), net.statistic("variance", channels, 1.0))
        z = net.op(
            "batch_norm",
            a,
            parameters=(gamma, beta),
            statistics=statistics,
            epsilon=self.epsilon,
            momentum=self.momentum,
        )
        return net.activate(self.activation, z)


@hookimpl
def fastnn_layers():
    return [BatchNorm]
