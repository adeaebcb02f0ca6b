"""One fit of the command line: the network for a data set, its training, its results in words and in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import datasets
from fastnn.callbacks import EarlyStopping
from fastnn.cli import show
from fastnn.cli.sources import class_labels
from fastnn.datasets import Dataset
from fastnn.errors import SettingError
from fastnn.history import History
from fastnn.network import Network
from fastnn.registry import registry

Array = NDArray[Any]

STEPS, EPOCHS = 3000, 20  # at least, where nothing is said: small data needs many epochs, large data few
SCALED = ("squared_error", "absolute_error", "huber")  # losses for which the target is standardised


class Fitting:
    """A network for `data`, trained on the samples `train`, judged on the samples `held`.

    The target of a regression is standardised while training, and the last layer takes that back afterwards, exactly:
    W deviation, b deviation + mean. The finished network gives the target's own units.
    """

    def __init__(
        self,
        data: Dataset,
        split: tuple[Array, Array],
        sizes: list[int],
        settings: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.data, self.options, self.sizes = data, options, sizes
        self.train, self.held = split
        classes = data.task == "classification"
        self.loss = registry.get("loss", options["loss"] or ("cross_entropy" if classes else "squared_error"))
        if (classes and self.loss.index is None) or (not classes and self.loss.task == "classification"):
            raise SettingError(
                f"loss {self.loss.name!r} is not for a {data.task}",
                expected="cross_entropy, or another loss that takes classes"
                if classes
                else "squared_error, or another loss of values",
                hint=None
                if data.name in datasets.names()
                else "say --task, if the target was taken for what it is not",
            )
        self.optimizer = registry.get("optimizer", options["optimizer"], **settings)
        yes_or_no = self.loss.name == "binary_cross_entropy" and len(data.classes) == 2
        self.n_out = (1 if yes_or_no else len(data.classes)) if classes else 1
        steps = -(-len(self.train) // options["batch_size"])
        self.epochs = options["epochs"] or max(EPOCHS, -(-STEPS // steps))
        dense = registry.find("layer", "Dense")
        layers = [dense(n, options["activation"]) for n in sizes] + [dense(self.n_out)]
        self.net = Network(data.X.shape[1], layers, seed=options["seed"], dtype=options["dtype"])
        self.net.to(options["device"], options["precision"])

    def facts(self) -> list[tuple[str, str]]:
        """What will be trained on what."""
        data, options, n = self.data, self.options, len(self.data.X)
        what = f"{len(data.classes)} classes" if data.classes else "regression"
        sizes = f"{len(self.train):,} to train on, {len(self.held):,} held out"
        rows = [("data", f"{data.name}: {n:,} samples, {data.X.shape[1]} features, {what}; {sizes}")]
        if "target" in data.description and options["target"] is not None:
            rows.append(("task", f"{data.task}: {data.description.partition('; ')[2]}"))
        chain = [
            str(data.X.shape[1]),
            *(f"{size} {options['activation']}" for size in self.sizes),
            str(self.n_out),
        ]
        made_of = (
            f"{self.net.theta.size:,} parameters, {self.loss.name}, {self.optimizer.name}, {self.net.dtype}"
        )
        return [*rows, ("network", f"{' -> '.join(chain)}: {made_of}")]

    def run(self, verbose: bool) -> History:
        """Train. Ctrl-C ends it early; the history says so."""
        data, options = self.data, self.options
        y, shift, scale = data.y, 0.0, 1.0
        scaled = self.loss.name in SCALED and not data.classes
        if scaled:
            shift = float(y[self.train].mean(dtype=np.float64))
            scale = float(y[self.train].std(dtype=np.float64)) or 1.0
            y = ((y.astype(np.float64) - shift) / scale).astype(y.dtype)
        history = self.net.fit(
            data.X[self.train],
            y[self.train],
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=self.epochs,
            batch_size=options["batch_size"],
            validation=(data.X[self.held], y[self.held]) if len(self.held) else 0.0,
            seed=options["seed"],
            threads=options["threads"],
            scale=None if options["scale"] == "none" else options["scale"],
            callbacks=() if options["patience"] is None else EarlyStopping(patience=options["patience"]),
            verbose=verbose,
        )
        if scaled:
            W, b = list(self.net.parameters.values())[-2:]
            W *= scale
            b *= scale
            b += shift
        if data.classes:
            self.net.classes = class_labels(data.classes)
        self.net.features = list(data.features)
        return history

    def results(self) -> list[Any]:
        """What the held-out samples say (the training samples where none are held out)."""
        part, word = (self.held, "held out") if len(self.held) else (self.train, "training")
        if self.options["patience"] is not None:
            word += " (and chosen by)"
        if self.data.classes:
            self._said = chosen_classes(self.net(self.data.X[part]))
            return judge_classes(self.data.y[part], self._said, self.data.classes, word)
        self._said = self.net.predict(self.data.X[part])[:, 0]
        return judge_values(self.data.y[part], self._said, word)

    def draw(self, history: History, path: str) -> None:
        """The learning curve beside what the network gets wrong."""
        from fastnn import plot

        data, held = self.data, self.held
        title, mistakes, predictions = f"{data.name}", None, None
        if len(held) and data.classes:
            true, said = data.y[held], self._said
            wrong = true != said
            title += f": {100 * (1 - wrong.mean()):.1f} % of {len(held)} held-out samples right"
            if len(data.shape) == 2:
                mistakes = plot.Mistakes(
                    data.X[held][wrong].reshape(-1, *data.shape),
                    [data.classes[i] for i in true[wrong]],
                    [data.classes[i] for i in said[wrong]],
                    len(held),
                )
        elif len(held):
            predictions = plot.Predictions(data.y[held], self._said)
            r2, _ = r2_and_rmse(data.y[held], self._said)
            title += f": R² {r2:.3f} on {len(held)} held-out samples"
        plot.report(history, path, title, mistakes, predictions)


def chosen_classes(z: Array) -> NDArray[np.int64]:
    """The class that each row of raw outputs stands for."""
    chosen = z[:, 0] > 0 if z.shape[1] == 1 else z.argmax(axis=1)
    return np.asarray(chosen, dtype=np.int64)


def r2_and_rmse(true: Array, said: Array) -> tuple[float, float]:
    """R2 = 1 - (mean squared error) / variance, and the root of the mean squared error, in float64."""
    true, said = np.asarray(true, np.float64), np.asarray(said, np.float64)
    error, variance = ((true - said) ** 2).mean(), true.var()
    return (float(1 - error / variance) if variance > 0 else float("nan")), float(np.sqrt(error))


def judge_classes(true: Array, said: Array, classes: tuple[str, ...], word: str, loss: str = "") -> list[Any]:
    """Accuracy and the confusion table."""
    right, n = int((true == said).sum()), len(true)
    table = show.counts(true, said, len(classes))
    accuracy = f"accuracy {100 * right / max(n, 1):.1f} % ({right:,} of {n:,}){loss}"
    return [show.facts([(word, accuracy)]), "", show.confusion(table, classes), ""]


def judge_values(true: Array, said: Array, word: str, loss: str = "") -> list[Any]:
    """R2 and the typical error."""
    r2, rmse = r2_and_rmse(true, said)
    spread = float(np.std(true, dtype=np.float64))
    text = f"R² {r2:.3f}, RMSE {rmse:.4g} where the target's own deviation is {spread:.4g}{loss}"
    return [show.facts([(word, text)])]
