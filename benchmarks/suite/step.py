"""Training steps: seconds of one call of fit that makes 4 to 40,000 of them, its fixed cost included; compiled before."""

from __future__ import annotations

import time
from functools import cache

from .cases import CASES, EPOCHS, ONE_THREAD, OPTIMIZERS, data, fit, network


@cache
def compiled(name: str, optimizer: str, threads: int | None) -> bool:
    """One epoch, once in a process: asv calls setup before every timed call."""
    fit(network(name), name, *data(name), 1, optimizer=optimizer, threads=threads)
    return True


class Step:
    """On one thread, in seconds of the processor."""

    params = (list(CASES), list(OPTIMIZERS))
    param_names = ("network / batch", "optimizer")
    version = "1"
    timeout = 600
    timer = ONE_THREAD
    threads: int | None = 1

    def setup(self, name: str, optimizer: str) -> None:
        if optimizer not in CASES[name].optimizers:
            raise NotImplementedError("not a case of the peers' benchmark")
        compiled(name, optimizer, self.threads)
        self.X, self.y = data(name)
        self.net = network(name)

    def time_fit(self, name: str, optimizer: str) -> None:
        epochs = EPOCHS.get(name, 1)
        fit(self.net, name, self.X, self.y, epochs, optimizer=optimizer, threads=self.threads)


class StepOfTeam(Step):
    """On as many threads as fastnn chooses, in seconds on the clock: how busy the machine is shows."""

    timer = time.perf_counter
    threads = None


class FixedCost:
    """What a call of fit costs beside its steps: checks, plan, history."""

    version = "1"
    timer = ONE_THREAD

    def setup(self) -> None:
        self.net = network("2-8-2 / 4")
        self.X, self.y = (part[:4] for part in data("2-8-2 / 4"))
        self.time_fit_of_one_step()

    def time_fit_of_one_step(self) -> None:
        fit(self.net, "2-8-2 / 4", self.X, self.y, 1)
