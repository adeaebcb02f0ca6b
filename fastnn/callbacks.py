"""Callbacks: what happens before, between and after the epochs of a fit.

    on_train_begin(run)          once, before the first epoch
    on_epoch_begin(run)
    on_epoch_end(run, row)       row: what the history got for this epoch
    on_train_end(run)            once, also after stop() and Ctrl-C; not after an error

`run` has net, epoch (finished ones), epochs, step, steps_per_epoch, n_samples, history, optimizer, stop(reason)
and state() -> (tensors, record), all that is needed to go on later.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import SettingError, did_you_mean

Row = Mapping[str, Any]
Tensors = dict[str, NDArray[Any]]
Record = dict[str, Any]

__all__ = ["CSVLog", "Callback", "Callbacks", "Checkpoint", "EarlyStopping", "LambdaCallback"]


class Callback:
    """A callback that does nothing; override what you need.

    `state` and `restore` carry what it knows through a checkpoint, so that a resumed run is the same run.
    """

    def on_train_begin(self, run: Any) -> None: ...

    def on_epoch_begin(self, run: Any) -> None: ...

    def on_epoch_end(self, run: Any, row: Row) -> None: ...

    def on_train_end(self, run: Any) -> None: ...

    def state(self) -> tuple[Tensors, Record]:
        """Arrays and a JSON-able record that `restore` takes back."""
        return {}, {}

    def restore(self, tensors: Tensors, record: Record) -> None: ...


class Callbacks(Callback):
    """Several callbacks as one, in the order given, but checkpoints last: they save what the others decided."""

    def __init__(self, callbacks: Callback | Iterable[Callback] = ()) -> None:
        members = [callbacks] if isinstance(callbacks, (Callback, type)) else list(callbacks)
        for member in members:
            given: Any = member
            if not isinstance(given, Callback):
                name = given.__name__ if isinstance(given, type) else repr(given)
                raise SettingError(
                    f"{name} is not a callback",
                    expected="objects of classes derived from fastnn.Callback",
                    hint=f"{name}()" if isinstance(given, type) else "LambdaCallback(on_epoch_end=...)",
                )
        self.members = sorted(members, key=lambda member: isinstance(member, Checkpoint))

    def on_train_begin(self, run: Any) -> None:
        for member in self.members:
            member.on_train_begin(run)

    def on_epoch_begin(self, run: Any) -> None:
        for member in self.members:
            member.on_epoch_begin(run)

    def on_epoch_end(self, run: Any, row: Row) -> None:
        for member in self.members:
            member.on_epoch_end(run, row)

    def on_train_end(self, run: Any) -> None:
        for member in self.members:
            member.on_train_end(run)

    def state(self) -> tuple[Tensors, Record]:
        """The states of all members, under "callback/<class>/<number among those>"."""
        tensors: Tensors = {}
        record: Record = {}
        for key, member in self._keyed():
            arrays, about = member.state()
            tensors |= {f"{key}/{name}": array for name, array in arrays.items()}
            if about:
                record[key] = about
        return tensors, record

    def restore(self, tensors: Tensors, record: Record) -> None:
        """Give every member its own part back; members that were not there before start anew."""
        for key, member in self._keyed():
            if key in record:
                prefix = f"{key}/"
                own = {n.removeprefix(prefix): array for n, array in tensors.items() if n.startswith(prefix)}
                member.restore(own, record[key])

    def _keyed(self) -> list[tuple[str, Callback]]:
        seen: dict[str, int] = {}
        keyed = []
        for member in self.members:
            name = type(member).__name__
            keyed.append((f"callback/{name}/{seen.get(name, 0)}", member))
            seen[name] = seen.get(name, 0) + 1
        return keyed


class _Monitor:
    """Watches one number of the rows and says when it is better than ever before.

    `mode` "min": less is better; "max": more is; None: more for an accuracy or R2, less for all others.
    """

    def __init__(self, name: str, mode: str | None, min_delta: float = 0.0) -> None:
        if mode is None:
            mode = "max" if name.endswith(("accuracy", "r2")) else "min"
        if mode not in ("min", "max"):
            raise SettingError(f"unknown mode {mode!r}", expected="'min' or 'max'")
        if not min_delta >= 0:
            raise SettingError("min_delta is negative", got=min_delta, expected="0 or more")
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


class EarlyStopping(Callback):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With `restore_best`, the parameters of the best epoch come back at the end of training, whether it was
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
        if not patience >= 1:
            raise SettingError("patience is a number of epochs", got=patience, expected="1 or more")
        self._monitor = _Monitor(monitor, mode, min_delta)
        self.patience, self.restore_best = int(patience), restore_best
        self.best_epoch = 0
        self.theta: NDArray[Any] | None = None
        self._resumed = False

    @property
    def best(self) -> float:
        """The best value so far."""
        return self._monitor.best

    def on_train_begin(self, run: Any) -> None:
        if not self._resumed:
            self._monitor.forget()
            self.best_epoch, self.theta = 0, None
        self._resumed = False

    def on_epoch_end(self, run: Any, row: Row) -> None:
        if self._monitor.improved(row):
            self.best_epoch = row["epoch"]
            if self.restore_best:
                self.theta = run.net.theta.copy()
        elif row["epoch"] - self.best_epoch >= self.patience:
            run.stop("early stopping")

    def on_train_end(self, run: Any) -> None:
        if self.theta is not None:
            run.net.theta[:] = self.theta
            self.theta = None

    def state(self) -> tuple[Tensors, Record]:
        tensors = {} if self.theta is None else {"theta": self.theta}
        return tensors, {"best": self.best, "best_epoch": self.best_epoch}

    def restore(self, tensors: Tensors, record: Record) -> None:
        self._monitor.best, self.best_epoch = record["best"], record["best_epoch"]
        self.theta = tensors.get("theta")
        self._resumed = True


class Checkpoint(Callback):
    """Save the network and the state of the run every `every` epochs; `fit(..., resume=path)` goes on from there.

    The resumed run is bit for bit the one that was not interrupted. `path` may hold fields of the row, as
    "run-{epoch:03d}.safetensors". With `monitor`, only epochs that improve it are saved. A file is replaced in
    one step: an interrupted write leaves the older one.
    """

    def __init__(
        self, path: Any, every: int = 1, monitor: str | None = None, mode: str | None = None
    ) -> None:
        if not every >= 1:
            raise SettingError("every is a number of epochs", got=every, expected="1 or more")
        self.path, self.every = str(path), int(every)
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


class LambdaCallback(Callback):
    """Functions as a callback: LambdaCallback(on_epoch_end=lambda run, row: print(row["loss"]))."""

    EVENTS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")

    def __init__(self, **functions: Callable[..., None]) -> None:
        for event, function in functions.items():
            if event not in self.EVENTS:
                raise SettingError(
                    f"there is no event {event!r}{did_you_mean(event, self.EVENTS)}",
                    expected="one of " + ", ".join(self.EVENTS),
                )
            if not callable(function):
                raise SettingError(f"{event} is not a function", got=repr(function))
            setattr(self, event, function)


class CSVLog(Callback):
    """Write every row to a CSV file as soon as the epoch is over.

    A resumed run goes on with the file: rows of epochs that are computed again are replaced.
    """

    def __init__(self, path: Any) -> None:
        self.path = Path(path)
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
