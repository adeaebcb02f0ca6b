"""Step: eta_t = eta factor^floor(epoch / every), a drop by `factor` after each `every` epochs.

>>> step.rates(1.0, [0, 1, 2, 3, 4, 5], steps=6, epoch_steps=2)
array([1., 1., 1., 1., 1., 1.])
>>> step(every=1, factor=0.5).rates(1.0, [0, 1, 2, 3, 4, 5], steps=6, epoch_steps=2)
array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
"""

import numpy as np

from fastnn import Schedule, hookimpl


def values(eta, t, epoch_steps, every, factor):
    return eta * factor ** np.floor(t // epoch_steps / every)


step = Schedule("step", values, defaults={"every": 30, "factor": 0.1}, domain=("every > 0", "factor >= 0"))


@hookimpl
def fastnn_schedules():
    return [step]
