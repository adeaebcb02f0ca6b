"""Everything registered, from built-in and third-party plugins: time of two epochs on the digits, error after ten."""

from __future__ import annotations

import numpy as np

import fastnn as fnn

from .work import digits, fit, network

SIZES = (64, 32, 10)


class Optimizers:
    params = fnn.registry.names("optimizer")
    param_names = ("optimizer",)
    version = "1"
    timeout = 900

    def setup(self, optimizer: str) -> None:
        self.X, self.y, self.X_test, self.y_test = digits()
        self.net = network(*SIZES)
        fit(self.net, self.X, self.y, 1, optimizer=optimizer)

    def time_two_epochs(self, optimizer: str) -> None:
        fit(self.net, self.X, self.y, 2, optimizer=optimizer)

    def track_error_after_ten_epochs(self, optimizer: str) -> float:
        net = network(*SIZES)
        fit(net, self.X, self.y, 10, optimizer=optimizer)
        return 100 * (1 - net.evaluate(self.X_test, self.y_test)["accuracy"])

    track_error_after_ten_epochs.unit = "%"


class Activations:
    params = fnn.registry.names("activation")
    param_names = ("activation",)
    version = "1"

    def setup(self, activation: str) -> None:
        self.X, self.y, *_ = digits()
        self.net = network(*SIZES, activation=activation)
        fit(self.net, self.X, self.y, 1, optimizer="sgd")

    def time_two_epochs(self, activation: str) -> None:
        fit(self.net, self.X, self.y, 2, optimizer="sgd")


class Losses:
    params = fnn.registry.names("loss")
    param_names = ("loss",)
    version = "1"

    def setup(self, loss: str) -> None:
        self.X, digit, *_ = digits()
        # is it a five or more? one output, a class or a number, which every loss takes
        self.y = (digit >= 5).astype(
            np.int64 if fnn.registry.get("loss", loss).task == "classification" else np.float32
        )
        self.net = network(64, 32, 1)
        fit(self.net, self.X, self.y, 1, loss=loss, optimizer="sgd")

    def time_two_epochs(self, loss: str) -> None:
        fit(self.net, self.X, self.y, 2, loss=loss, optimizer="sgd")
