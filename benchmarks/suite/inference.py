"""A thousand answers from Python: net(x) for one sample and for a batch of one, a thousand calls; for 1000 rows, one call on one thread.

In milliseconds, so, the microseconds of an answer.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from fastnn.errors import ShapeError

from .cases import ONE_THREAD, network


class Inference:
    params = (["8-32-32-2 / 32", "784-128-10 / 64"], ["one sample", "1 row", "1000 rows"])
    param_names = ("network / batch", "input")
    version = "1"
    timer = ONE_THREAD

    def setup(self, name: str, given: str) -> None:
        net = network(name)
        rows = 1000 if given == "1000 rows" else 1
        X = np.random.default_rng(0).standard_normal((rows, *net.input_shape), dtype=np.float32)
        self.X = X[0] if given == "one sample" else X
        self.calls = 1000 // rows
        self.answer = partial(net, threads=1) if rows > 1 else net
        try:
            for _ in range(10):  # a network prepares itself for arrays that come again
                self.answer(self.X)
        except ShapeError as error:
            raise NotImplementedError("this version takes batches only") from error

    def time_1000_answers(self, name: str, given: str) -> None:
        answer, X = self.answer, self.X
        for _ in range(self.calls):
            answer(X)
