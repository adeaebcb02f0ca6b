"""scikit-learn's MLPClassifier and MLPRegressor, an epoch by `partial_fit`, weights put in by hand, no penalty, no shuffling.

What it does otherwise: with two classes it has one logistic output in place of two (its weights can't be compared then);
it also computes the loss, checks every batch, and encodes the labels in every epoch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from cases import Case, Problem, problem
from sklearn.neural_network import MLPClassifier, MLPRegressor

VERSION = sklearn.__version__
FIXED_COST = False


def network(sizes: tuple[int, ...], hidden: str, loss: str, batch: int, optimizer: str, eta: float) -> Any:
    kind = MLPRegressor if loss == "squared_error" else MLPClassifier
    return kind(
        hidden_layer_sizes=sizes[1:-1], activation=hidden, solver=optimizer, alpha=0.0, batch_size=batch,
        learning_rate_init=eta, momentum=0.0, nesterovs_momentum=False, shuffle=False,
    )  # fmt: skip


class Trainer:
    def __init__(self, problem: Problem, threads: int | None) -> None:
        if problem.optimizer == "adagrad":
            raise NotImplementedError("no adagrad")
        warnings.simplefilter("ignore")
        case, self.start = problem.case, problem.layers
        self.X, self.y = problem.X, problem.y
        eta = problem.settings["eta"]
        self.net = network(case.sizes, case.hidden, case.loss, case.batch, problem.optimizer, eta)
        self.binary = case.loss == "cross_entropy" and case.sizes[-1] == 2
        self.note = "one logistic output in place of two" if self.binary else ""
        self.more = {} if case.loss == "squared_error" else {"classes": np.arange(case.sizes[-1])}
        self.net.partial_fit(self.X, self.y, **self.more)
        self.reset()

    def reset(self) -> None:
        for k, (W, b) in enumerate(self.start):
            last = self.binary and k == len(self.start) - 1
            self.net.coefs_[k] = np.ascontiguousarray((W[1:] - W[:1] if last else W).T)
            self.net.intercepts_[k] = b[:1].copy() if last else b.copy()
        del self.net._optimizer  # its moments; made anew by partial_fit

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            self.net.partial_fit(self.X, self.y, **self.more)

    def shorten(self, steps: int) -> None:
        rows = steps * self.net.batch_size
        self.X, self.y = self.X[:rows], self.y[:rows]

    def epoch(self, order: np.ndarray) -> None:
        self.net.partial_fit(self.X[order], self.y[order], **self.more)

    def classes(self, X: np.ndarray) -> np.ndarray:
        return self.net.predict(X)

    def theta(self) -> np.ndarray | None:
        if self.binary:
            return None
        pairs = zip(self.net.coefs_, self.net.intercepts_, strict=True)
        return np.concatenate([part.ravel() for W, b in pairs for part in (W.T, b)])


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """With two classes it has one logistic output: less work, other numbers of the same function."""
    trainer = Trainer(problem(Case(sizes, batch=100, steps=1), "sgd"), None)
    return {"predict_proba(x)": lambda: trainer.net.predict_proba(x)}
