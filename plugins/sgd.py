"""Stochastic gradient descent, with momentum, Nesterov's step and weight decay, as PyTorch:

    g <- g + weight_decay W
    velocity <- momentum velocity + g
    W <- W - eta velocity, or with nesterov  W <- W - eta (g + momentum velocity)

Without momentum (the default) there is no velocity, and nothing is stored for it.
Source: Sutskever et al. 2013, On the importance of initialization and momentum in deep learning, ICML.

>>> sgd.state, sgd(momentum=0.9).state
((), ('velocity',))
>>> sgd(momentum=0.9).step(1.0, 2.0, 1.0, 0.5, 0.5, 0.0, 0.0)
(-0.25, 2.5)
"""

import dataclasses

from fastnn import Rule, hookimpl


def plain_step(w, g, eta, weight_decay):
    return w - eta * (g + weight_decay * w)


def momentum_step(w, g, velocity, eta, momentum, nesterov, weight_decay):
    g = g + weight_decay * w
    velocity = momentum * velocity + g
    return w - eta * (g + momentum * velocity if nesterov > 0 else velocity), velocity


class StochasticGradientDescent(Rule):
    """A rule whose state depends on a setting: velocity is there where momentum is."""

    def __call__(self, **settings):
        rule = super().__call__(**settings)
        if rule.settings["momentum"] == 0:
            return dataclasses.replace(rule, step=plain_step, state=())
        return dataclasses.replace(rule, step=momentum_step, state=("velocity",))


sgd = StochasticGradientDescent(
    "sgd",
    plain_step,
    defaults={"eta": 0.01, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    domain=("eta >= 0", "0 <= momentum < 1", "weight_decay >= 0"),
)


@hookimpl
def fastnn_optimizers():
    return [sgd]
