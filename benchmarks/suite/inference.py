"""Answers: seconds of net(X) from Python, one sample and 1000, on one thread."""

from __future__ import annotations

import numpy as np

from .cases import CASES, ONE_THREAD


class Inference:
    params = (["8-32-32-2 / 32", "784-128-10 / 64"], [1, 1000])
    param_names = ("network / batch", "rows")
    version = "1"
    timer = ONE_THREAD

    def setup(self, name: str, rows: int) -> None:
        self.net = CASES[name].network()
        self.X = np.random.default_rng(0).standard_normal((rows, CASES[name].sizes[0]), dtype=np.float32)
        self.net(self.X, threads=1)

    def time_call(self, name: str, rows: int) -> None:
        self.net(self.X, threads=1)
