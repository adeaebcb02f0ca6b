"""Training steps: seconds of one call of fit that makes 5 to 40,000 of them, its fixed cost included; compiled before."""

from __future__ import annotations

import time

from .cases import CASES, ONE_THREAD, fit


class Step:
    """On one thread, in seconds of the processor."""

    params = (list(CASES), ["sgd", "adam"])
    param_names = ("network / batch", "optimizer")
    version = "1"
    timeout = 600
    timer = ONE_THREAD
    threads: int | None = 1

    def setup(self, name: str, optimizer: str) -> None:
        case = CASES[name]
        self.net, self.epochs = case.network(), case.epochs
        self.X, self.y = case.data()
        self.settings = {"optimizer": optimizer, "batch_size": case.batch, "threads": self.threads}
        fit(self.net, self.X, self.y, 1, **self.settings)

    def time_fit(self, name: str, optimizer: str) -> None:
        fit(self.net, self.X, self.y, self.epochs, **self.settings)


class StepOfTeam(Step):
    """On as many threads as fastnn chooses, in seconds on the clock: how busy the machine is shows."""

    timer = time.perf_counter
    threads = None


class FixedCost:
    """What a call of fit costs beside its steps: checks, plan, history."""

    version = "1"
    timer = ONE_THREAD

    def setup(self) -> None:
        case = CASES["2-8-2 / 4"]
        self.net = case.network()
        self.X, self.y = (part[:4] for part in case.data())
        self.time_fit_of_one_step()

    def time_fit_of_one_step(self) -> None:
        fit(self.net, self.X, self.y, 1, batch_size=4, optimizer="sgd")
