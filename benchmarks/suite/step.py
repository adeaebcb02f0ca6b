"""Training steps of networks from tiny to small: 100,000 to 200 steps in one call of fit, the fixed cost included."""

from __future__ import annotations

from .work import fit, network, random_classes

CASES = {
    "2-8-2 batch 4": ((2, 8, 2), 4, 4000, 10),
    "8-32-32-2 batch 32": ((8, 32, 32, 2), 32, 1000, 10),
    "64-64-10 batch 64": ((64, 64, 10), 64, 400, 5),
    "784-30-10 batch 10": ((784, 30, 10), 10, 1000, 5),
    "784-128-10 batch 64": ((784, 128, 10), 64, 200, 2),
}


class Step:
    """A fit of `epochs` epochs of `steps` steps; compiled before; on one thread and on as many as fastnn chooses."""

    params = (list(CASES), ["sgd", "adagrad"], [1, "chosen"])
    param_names = ("network", "optimizer", "threads")
    version = "1"

    def setup(self, case: str, optimizer: str, threads: int | str) -> None:
        sizes, batch, steps, self.epochs = CASES[case]
        self.net = network(*sizes)
        self.X, self.y = random_classes(batch * steps, sizes[0], sizes[-1])
        self.settings = {"optimizer": optimizer, "batch_size": batch, "shuffle": False}
        self.settings["threads"] = None if threads == "chosen" else threads
        fit(self.net, self.X, self.y, 1, **self.settings)

    def time_fit(self, case: str, optimizer: str, threads: int | str) -> None:
        fit(self.net, self.X, self.y, self.epochs, **self.settings)
