"""The cases of the peers' benchmark (benchmarks/peers/cases.py), as fastnn runs them here."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np

import fastnn as fnn

from .checkout import load

ONE_THREAD = time.process_time
"""The timer of what runs on one thread: seconds of the processor, so that others on the machine disturb less."""

_cases = load("benchmarks/peers/cases.py")
CASES = {f"{case.name} / {case.batch}": case for case in _cases.CASES}
OPTIMIZERS = _cases.DEFAULT
EPOCHS = {"2-8-2 / 4": 10, "8-32-32-2 / 32": 4, "64-64-10 / 64": 2, "4-32-16-4 / 10000": 100}
"""Epochs of one timed call, where an epoch takes a few milliseconds: a call of fit has a fixed cost."""


def network(name: str) -> fnn.Network:
    case = CASES[name]
    hidden = [fnn.Dense(n, case.hidden) for n in case.sizes[1:-1]]
    return fnn.Network(case.sizes[0], [*hidden, fnn.Dense(case.sizes[-1])], seed=0)


@cache
def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    return _cases.data(CASES[name])


def fit(net: fnn.Network, name: str, X: np.ndarray, y: np.ndarray, epochs: int, **settings: Any) -> None:
    """A fit as the case says, without shuffling, on one thread with sgd unless `settings` say otherwise."""
    case = CASES[name]
    optimizer = settings.pop("optimizer", "sgd")
    chosen = {"batch_size": case.batch, "shuffle": False, "seed": 0, "threads": 1, **settings}
    net.fit(
        X,
        y,
        loss=case.loss,
        optimizer=optimizer,
        epochs=epochs,
        verbose=False,
        **_cases.SETTINGS[optimizer],
        **chosen,
    )
