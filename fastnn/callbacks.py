"""The callbacks that come with the library: stop early, keep checkpoints, log to a file. What one is: callback.py."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.callback import Callback, Callbacks, LambdaCallback, Record, Row, Tensors
from fastnn.errors import SettingError, did_you_mean
from fastnn.inputs import count, flag

__all__ = ["CSVLog", "Callback", "Callbacks", "Checkpoint", "EarlyStopping", "LambdaCallback"]


class _Monitor:
    """Watches one number of the rows and says when it is better than ever before.

    `mode` "min": less is better; "max": more is; None: more for an accuracy or R2, less for all others.
    """

    def __init__(self, name: Any, mode: str | None, min_delta: Any = 0.0) -> None:
        if not isinstance(name, str):
            raise SettingError("monitor is no name", got=repr(name), expected="as 'validation_loss'")
        if mode is None:
            mode = "max" if name.endswith(("accuracy", "r2")) else "min"
        if mode not in ("min", "max"):
            raise SettingError(f"unknown mode {mode!r}", expected="'min' or 'max'")
        if not isinstance(min_delta, (int, float, np.number)) or not min_delta >= 0:
            raise SettingError(
                "min_delta is no distance", got=repr(min_delta), expected="a number, 0 or more"
            )
        self.name, self.min_delta = name, float(min_delta)
        self.sign = 1.0 if mode == "min" else -1.0
        self.forget()

    def forget(self) -> None:
        self.best = self.sign * math.inf

    def improved(self, row: Row) -> bool:
        value = row.get(self.name)
        if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
            numbers = [name for name, x in row.items() if isinstance(x, (int, float)) and name != "epoch"]
            validation = self.name.startswith("validation") and not any("validation" in name for name in row)
            raise SettingError(
                f"the epochs have no {self.name!r} to monitor{did_you_mean(self.name, numbers)}",
                expected="one of " + ", ".join(numbers),
                hint="give fit(..., validation=0.1) for held-out figures" if validation else None,
            )
        if not self.sign * (self.best - value) > self.min_delta:
            return False
        self.best = float(value)
        return True


def _path(who: str, path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise SettingError(f"{who}: this is no path", got=repr(path), expected="text or a Path")
    return Path(path)


class EarlyStopping(Callback):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With `restore_best`, the parameters (and running statistics) of the best epoch come back at the end of training, whether it was
    stopped or not. Afterwards `best` and `best_epoch` say what was best.
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        self._monitor = _Monitor(monitor, mode, min_delta)
        self.patience, self.restore_best = count("patience", patience), flag("restore_best", restore_best)
        self.best_epoch = 0
        self._kept: dict[str, NDArray[Any]] = {}
        self._resumed = False

    @property
    def best(self) -> float:
        """The best value so far."""
        return self._monitor.best

    def on_train_begin(self, run: Any) -> None:
        if not self._resumed:
            self._monitor.forget()
            self.best_epoch, self._kept = 0, {}
        self._resumed = False

    def on_epoch_end(self, run: Any, row: Row) -> None:
        if self._monitor.improved(row):
            self.best_epoch = row["epoch"]
            if self.restore_best:
                self._kept = run.net.numbers()
        elif row["epoch"] - self.best_epoch >= self.patience:
            run.stop("early stopping")

    def on_train_end(self, run: Any) -> None:
        if self._kept:
            run.net.put_back(self._kept)
            self._kept = {}

    def state(self) -> tuple[Tensors, Record]:
        tensors = {name: array for name, array in self._kept.items() if array.size or name == "theta"}
        return tensors, {"best": self.best, "best_epoch": self.best_epoch}

    def restore(self, tensors: Tensors, record: Record) -> None:
        self._monitor.best, self.best_epoch = record["best"], record["best_epoch"]
        self._kept = dict(tensors)
        self._resumed = True


class Checkpoint(Callback):
    """Save the network and the state of the run every `every` epochs; `fit(..., resume=path)` goes on from there.

    The resumed run is bit for bit the one that was not interrupted. `path` may hold fields of the row, as
    "run-{epoch:03d}.safetensors". With `monitor`, only epochs that improve it are saved. A file is replaced in
    one step: an interrupted write leaves the older one.
    """

    last = True

    def __init__(
        self, path: Any, every: int = 1, monitor: str | None = None, mode: str | None = None
    ) -> None:
        self.path, self.every = str(_path("Checkpoint", path)), count("every", every)
        self._monitor = None if monitor is None else _Monitor(monitor, mode)
        self._resumed = False

    def on_train_begin(self, run: Any) -> None:
        if self._monitor is not None and not self._resumed:
            self._monitor.forget()
        self._resumed = False

    def on_epoch_end(self, run: Any, row: Row) -> None:
        if self._monitor is not None and not self._monitor.improved(row):
            return
        if row["epoch"] % self.every == 0:
            from fastnn import storage

            tensors, record = run.state()
            storage.save(run.net, self._file(row), tensors, record)

    def _file(self, row: Row) -> Path:
        try:
            return Path(self.path.format(**row))
        except (KeyError, IndexError, ValueError) as error:
            raise SettingError(
                f"cannot fill in the path {self.path!r}: {type(error).__name__} {error}",
                expected="fields from " + ", ".join(row),
            ) from error

    def state(self) -> tuple[Tensors, Record]:
        return {}, {} if self._monitor is None else {"best": self._monitor.best}

    def restore(self, tensors: Tensors, record: Record) -> None:
        if self._monitor is not None and "best" in record:
            self._monitor.best = record["best"]
            self._resumed = True


class CSVLog(Callback):
    """Write every row to a CSV file as soon as the epoch is over.

    A resumed run goes on with the file: rows of epochs that are computed again are replaced.
    """

    def __init__(self, path: Any) -> None:
        self.path = _path("CSVLog", path)
        self._columns: list[str] = []

    def on_train_begin(self, run: Any) -> None:
        self._columns = []
        kept: list[dict[str, str]] = []
        if run.epoch > 0 and self.path.exists():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                kept = [row for row in reader if int(row.get("epoch") or 0) <= run.epoch]
                self._columns = list(reader.fieldnames or [])
        with self.path.open("w", newline="", encoding="utf-8") as file:
            if self._columns:
                writer = csv.DictWriter(file, self._columns)
                writer.writeheader()
                writer.writerows(kept)

    def on_epoch_end(self, run: Any, row: Row) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            head = not self._columns
            self._columns = self._columns or list(row)
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            if head:
                writer.writeheader()
            writer.writerow(row)
