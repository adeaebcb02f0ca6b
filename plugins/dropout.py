"""Dropout: in training, every number is zero with probability `rate` and scaled by 1 / (1 - rate) otherwise.

Source: Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (inverted form).
The mask depends on seed, step, layer and element only: not on threads, and not on the device.
"""

from numbers import Real

from fastnn import SettingError, hookimpl


class Dropout:
    """z = a m / (1 - rate) in training, z = a otherwise."""

    name = "dropout"

    def __init__(self, rate=0.5):
        if not isinstance(rate, Real) or not 0 <= rate < 1:
            raise SettingError(
                "dropout rate is no probability below 1", got=repr(rate), expected="0 <= rate < 1"
            )
        self.rate = float(rate)

    def __call__(self, net, a):
        return net.op("dropout", a, rate=self.rate, layer=net.number)


@hookimpl
def fastnn_layers():
    return [Dropout]
