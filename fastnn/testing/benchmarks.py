"""Benchmarks of whatever is registered, for asv: an installed plugin is enrolled by being installed.

One line makes a module of an asv suite, in fastnn's repository or in anybody's:

>>> from fastnn.testing.benchmarks import Optimizers
>>> {"adam", "sgd"} <= set(Optimizers.params)
True

All train 64-32-10 on 1437 handwritten digits, batch 64, one thread. `time_*` are seconds of the processor for a call of fit (so
that others on the machine disturb less), its fixed cost included, compilation not; `track_error_*` is the share of 360 held-out digits misread, in percent, because asv takes less for
better. asv calls `setup` before every timed call: each starts from the same fresh network. To show fewer rows, derive a class and give it `params` of its own:

>>> class Mine(Optimizers):
...     params = ("adam", "adamw")
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn import datasets

__all__ = ["Activations", "Losses", "Optimizers"]

Array = NDArray[Any]
EPOCHS = 20
_compiled: set[tuple[str, str]] = set()


@cache
def _digits() -> tuple[Array, Array, Array, Array]:
    """(X, y) of 1437 samples to train on, (X, y) of 360 to test on; pixels 0 to 1."""
    data = datasets.load("digits")
    order = np.random.default_rng(0).permutation(len(data.X))
    X, y = data.X[order] / 16, data.y[order]
    return X[:1437], y[:1437], X[1437:], y[1437:]


def _compile(case: Any, name: str) -> None:
    """One epoch, once in a process: whatever has to be compiled is compiled here."""
    key = (type(case).__name__, name)
    if key not in _compiled:
        case.prepare(name)
        case.train(1)
        _compiled.add(key)


def _network(activation: Any = "relu", n_out: int = 10) -> fnn.Network:
    return fnn.Network(64, [fnn.Dense(32, activation), fnn.Dense(n_out)], seed=0)


def _fit(net: fnn.Network, X: Array, y: Array, epochs: int, **settings: Any) -> None:
    chosen = {"loss": "cross_entropy", "optimizer": "sgd", **settings}
    net.fit(X, y, epochs=epochs, batch_size=64, seed=0, threads=1, verbose=False, **chosen)


class Optimizers:
    """Every registered optimizer with its own default settings; a solver takes one step an epoch."""

    params: ClassVar[Any] = tuple(fnn.registry.names("optimizer"))
    param_names = ("optimizer",)
    version = "1"
    timeout = 600
    timer = time.process_time

    def setup(self, optimizer: str) -> None:
        """A fresh network; compiled before."""
        _compile(self, optimizer)
        self.prepare(optimizer)

    def prepare(self, optimizer: str) -> None:
        """Network, data and settings of the fit."""
        self.X, self.y, self.X_test, self.y_test = _digits()
        self.net, self.settings = _network(), {"optimizer": optimizer}

    def train(self, epochs: int) -> None:
        """The fit that is timed."""
        _fit(self.net, self.X, self.y, epochs, **self.settings)

    def time_twenty_epochs(self, optimizer: str) -> None:
        """Seconds of a fit of 20 epochs: 460 steps, or 20 of a solver."""
        self.train(EPOCHS)

    def track_error_after_twenty_epochs(self, optimizer: str) -> float:
        """Percent of held-out digits misread after 20 epochs."""
        self.train(EPOCHS)
        return float(100 * (1 - self.net.evaluate(self.X_test, self.y_test)["accuracy"]))

    track_error_after_twenty_epochs.unit = "%"  # type: ignore[attr-defined]


class Activations:
    """Every registered activation on the hidden layer, trained by sgd."""

    params: ClassVar[Any] = tuple(fnn.registry.names("activation"))
    param_names = ("activation",)
    version = "1"
    timeout = 600
    timer = time.process_time

    def setup(self, activation: str) -> None:
        """A fresh network; compiled before."""
        _compile(self, activation)
        self.prepare(activation)

    def prepare(self, activation: str) -> None:
        """Network and data of the fit."""
        self.X, self.y, *_ = _digits()
        self.net = _network(activation)

    def train(self, epochs: int) -> None:
        """The fit that is timed."""
        _fit(self.net, self.X, self.y, epochs)

    def time_twenty_epochs(self, activation: str) -> None:
        """Seconds of a fit of 20 epochs."""
        self.train(EPOCHS)


class Losses:
    """Every registered loss on one output that tells digits from 5 up from those below, trained by sgd."""

    params: ClassVar[Any] = tuple(fnn.registry.names("loss"))
    param_names = ("loss",)
    version = "1"
    timeout = 600
    timer = time.process_time

    def setup(self, loss: str) -> None:
        """A fresh network; compiled before."""
        _compile(self, loss)
        self.prepare(loss)

    def prepare(self, loss: str) -> None:
        """Network, data and settings of the fit."""
        self.X, digit, *_ = _digits()
        # one output, a class or a number: what every loss takes
        classes = fnn.registry.find("loss", loss).task == "classification"
        self.y = (digit >= 5).astype(np.int64 if classes else np.float32)
        self.net, self.settings = _network(n_out=1), {"loss": loss}

    def train(self, epochs: int) -> None:
        """The fit that is timed."""
        _fit(self.net, self.X, self.y, epochs, **self.settings)

    def time_twenty_epochs(self, loss: str) -> None:
        """Seconds of a fit of 20 epochs."""
        self.train(EPOCHS)
