"""Gradient descent on the whole training set: W <- W - eta_t g, eta_t = eta / sqrt(t + 1).

Source: the notes, vanilla gradient descent.

>>> gd.step(1.0, 2.0, 0.25)
0.5
>>> gd.schedule, gd.full_batch
('inverse_sqrt', True)
"""

from fastnn import Rule, hookimpl


def step(w, g, eta):
    return w - eta * g


gd = Rule("gd", step, defaults={"eta": 0.1}, domain=("eta >= 0",), full_batch=True, schedule="inverse_sqrt")


@hookimpl
def fastnn_optimizers():
    return [gd]
