"""Lion: a step of length eta along the sign of the momentum. Source: Chen et al. 2023, Symbolic discovery,
algorithm 2."""

from fastnn import Rule, hookimpl


def step(w, g, velocity, eta, beta1, beta2, weight_decay):
    c = beta1 * velocity + (1 - beta1) * g
    sign = 1 if c > 0 else (-1 if c < 0 else c)
    return w - eta * (sign + weight_decay * w), beta2 * velocity + (1 - beta2) * g


defaults = {"eta": 1e-3, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}


@hookimpl
def fastnn_optimizers():
    return [Rule("lion", step, state=("velocity",), defaults=defaults)]
