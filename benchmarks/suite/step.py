"""Training steps: seconds of one call of fit that makes 5 to 40,000 of them, its fixed cost included."""

from __future__ import annotations

from .cases import CASES, fit


class Step:
    """Compiled before; on one thread and on as many as fastnn chooses."""

    params = (list(CASES), ["sgd", "adam"], [1, "chosen"])
    param_names = ("network", "optimizer", "threads")
    version = "1"
    timeout = 600

    def setup(self, name: str, optimizer: str, threads: int | str) -> None:
        case = CASES[name]
        self.net, self.epochs = case.network(), case.epochs
        self.X, self.y = case.data()
        self.settings = {"optimizer": optimizer, "batch_size": case.batch}
        self.settings["threads"] = None if threads == "chosen" else threads
        fit(self.net, self.X, self.y, 1, **self.settings)

    def time_fit(self, name: str, optimizer: str, threads: int | str) -> None:
        fit(self.net, self.X, self.y, self.epochs, **self.settings)


class FixedCost:
    """What a call of fit costs beside its steps: checks, plan, history."""

    version = "1"

    def setup(self) -> None:
        self.net = CASES["2-8-2 batch 4"].network()
        self.X, self.y = CASES["2-8-2 batch 4"].data()
        self.time_fit_of_one_step()

    def time_fit_of_one_step(self) -> None:
        fit(self.net, self.X[:4], self.y[:4], 1, batch_size=4, optimizer="sgd")
