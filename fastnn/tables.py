"""Tables: CSV and Parquet files as features and targets, and the split into what is trained on and what is held out.

    numbers; true and false      one feature; 1 and 0
    words, at most 20 different  one feature a word, "colour=red", 1 where it is the word (one-hot)
    missing values, other words  refused, with line and column named

The names of the features are all that is needed to read another file in the same way: they are kept with the network.
CSV files need a header line; the separator is a comma, semicolon or tab. Parquet needs fastnn[tables].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.columns import (
    MISSING,
    TRUTH,
    Columns,
    as_number,
    as_words,
    is_numeric,
    is_truth,
    read_csv,
    read_parquet,
)
from fastnn.datasets import Dataset
from fastnn.errors import DataError, SettingError, UnknownNameError

Array = NDArray[Any]
WORDS = 20  # different words that a feature may have
CLASSES = 20  # different whole numbers that are still taken for classes

__all__ = ["Table", "labels", "read", "split"]


class Table:
    """The columns of a file: float64 arrays, or object arrays of words. `lines` has the line of each row."""

    def __init__(self, name: str, columns: Columns, lines: Sequence[int] | None = None) -> None:
        self.name, self.columns, self.lines = name, columns, lines

    @classmethod
    def open(cls, path: Any) -> Table:
        """Read a .csv (.tsv, .txt) or .parquet file; DataError names the row and column of what is missing."""
        path = Path(path)
        if path.suffix.lower() in (".parquet", ".pq"):
            return cls(str(path), read_parquet(path))
        if path.suffix.lower() in (".csv", ".tsv", ".txt", ".data"):
            return cls(str(path), *read_csv(path))
        raise DataError(f"cannot tell what kind of table {path} is", expected="a .csv or .parquet file")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def column(self, name: str) -> Array:
        """One column; UnknownNameError with near misses."""
        if name not in self.columns:
            raise UnknownNameError.among(f"column of {self.name}", name, self.columns)
        return self.columns[name]

    def feature_names(self, without: Sequence[str] = ()) -> list[str]:
        """The features that the columns give, in their order, leaving some columns out."""
        names: list[str] = []
        for name, values in self.columns.items():
            if name in without:
                continue
            self._refuse_missing(name)
            if is_numeric(values) or is_truth(values):
                names.append(name)
                continue
            words = sorted(set(values.tolist()))
            if len(words) > WORDS:
                number = next((i for i, word in enumerate(values) if as_number(word) is None), 0)
                mostly = sum(as_number(word) is None for word in values) * 10 < len(values)
                raise DataError(
                    f"{self.name}: column {name!r} holds {len(words)} different words",
                    got=f"{str(values[number])!r} in {self._where(number)}",
                    expected="numbers" if mostly else f"numbers, or at most {WORDS} different words",
                    hint=f"correct {self._where(number)}" if mostly else "leave the column away (--drop)",
                )
            names += [f"{name}={word}" for word in words]
        if not names:
            raise DataError(f"{self.name} has no columns to learn from", got=", ".join(self.columns))
        return names

    def features(self, names: Sequence[str], dtype: DTypeLike = "float32") -> Array:
        """X (rows, features) for these names, as `feature_names` gave them for this or another file."""
        X = np.empty((len(self), len(names)), dtype)
        words: dict[str, set[str]] = {}
        for j, name in enumerate(names):
            if name in self.columns:
                with np.errstate(over="ignore"):
                    X[:, j] = numbers = self.numbers(name)
                if not np.isfinite(X[:, j]).all():
                    i = int(np.argmin(np.isfinite(X[:, j])))
                    raise DataError(
                        f"{self.name}: column {name!r} has {numbers[i]!r} in {self._where(i)}",
                        expected=f"numbers that fit {X.dtype}",
                    )
                continue
            column, equals, word = name.partition("=")
            if not equals:
                raise DataError(
                    f"{self.name} lacks the column {name!r}, which the network was trained on",
                    got=", ".join(self.columns),
                )
            self._refuse_missing(column)
            X[:, j] = as_words(self.column(column)) == word
            words.setdefault(column, set()).add(word)
        for column, known in words.items():
            for i, word in enumerate(as_words(self.columns[column])):
                if word not in known:
                    raise DataError(
                        f"{self.name}: column {column!r} has a word that the network never saw",
                        got=f"{str(word)!r} in {self._where(i)}",
                        expected=", ".join(sorted(known)),
                    )
        return X

    def numbers(self, name: str) -> Array:
        """A column as float64; DataError names the first row that is no number."""
        values = self.column(name)
        self._refuse_missing(name)
        if is_numeric(values):
            return values
        if is_truth(values):
            return np.array([TRUTH[word.lower()] for word in values])
        i = next(i for i, word in enumerate(values) if as_number(word) is None)
        raise DataError(
            f"{self.name}: column {name!r} is not a number in {self._where(i)}",
            got=repr(str(values[i])),
            expected="a number",
        )

    def _refuse_missing(self, name: str) -> None:
        values = self.column(name)
        bad = ~np.isfinite(values) if is_numeric(values) else np.isin(values.astype(str), MISSING)
        if bad.any():
            i = int(np.argmax(bad))
            what = "infinite" if is_numeric(values) and np.isinf(values[i]) else "missing"
            count = f" ({int(bad.sum())} such rows in all)" if bad.sum() > 1 else ""
            raise DataError(
                f"{self.name}: column {name!r} is {what} in {self._where(i)}{count}",
                hint="fill such values in or leave their rows or the column away",
            )

    def _where(self, row: int) -> str:
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"


def read(
    path: Any,
    target: str,
    task: str | None = None,
    drop: Sequence[str] = (),
    dtype: DTypeLike = "float32",
) -> Dataset:
    """A file as a data set: `target` is the column to learn, all others are features, but those in `drop`.

    `task` "classification" or "regression" overrides what the target looks like; `description` says why it was
    taken for what it is.
    """
    if task not in (None, "classification", "regression"):
        raise SettingError(f"unknown task {task!r}", expected="classification or regression")
    table = Table.open(path)
    if target not in table.columns and all(as_number(name) is not None for name in table.columns):
        raise DataError(
            f"{path} has no column {target!r}, and its first line is all numbers",
            hint="put a line with the names of the columns on top",
        )
    values = table.column(target)
    for name in drop:
        table.column(name)
    table._refuse_missing(target)
    if len(table) < 2:
        raise DataError(f"{path} has too few rows to learn from", got=f"{len(table)}", expected="2 or more")
    names = table.feature_names(without=[target, *drop])
    X = table.features(names, dtype)
    found, why = _infer(values)
    if task is not None and task != found:
        found, why = task, "as asked for"
    classes: tuple[str, ...] = ()
    if found == "classification":
        texts, order = as_words(values), values
        if not is_numeric(values):
            order = texts
        distinct = np.unique(order)
        y: Array = np.searchsorted(distinct, order).astype(np.int64)
        classes = tuple(as_words(distinct).tolist())
        if len(classes) < 2:
            raise DataError(f"{path}: target {target!r} has one class only", got=f"{classes[0]} in every row")
    else:
        y = table.numbers(target).astype(dtype)
    return Dataset(
        name=Path(path).stem,
        X=X,
        y=y,
        features=tuple(names),
        classes=classes,
        task=found,
        shape=(len(names),),
        description=f"{path}; target {target!r}: {why}",
    )


def labels(table: Table, target: str, classes: Sequence[str]) -> Array:
    """The target as indices into `classes`; DataError names the first row with another label."""
    table._refuse_missing(target)
    index = {label: i for i, label in enumerate(classes)}
    texts = as_words(table.column(target)).tolist()
    for i, text in enumerate(texts):
        if text not in index:
            raise DataError(
                f"{table.name}: column {target!r} has a class that the network does not know",
                got=f"{text!r} in {table._where(i)}",
                expected=", ".join(classes),
            )
    return np.array([index[text] for text in texts], dtype=np.int64)


def split(y: Any, fraction: float, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of (what is trained on, what is held out), both sorted, with `fraction` of the samples held out.

    Stratified: sorted by y, shuffled among equals, every 1/fraction-th sample is held out, so that each class, or
    each range of values, gets its share. Depends on y, fraction and seed alone.

    >>> split([0, 0, 0, 0, 1, 1, 1, 1], 0.25)[1].shape
    (2,)
    """
    if not 0 <= fraction < 1:
        raise SettingError("the held-out part is a fraction", got=fraction, expected="0 or more, less than 1")
    y = np.asarray(y)
    shuffled = np.random.default_rng(seed).permutation(len(y))
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    steps = np.floor(np.arange(len(y) + 1) * fraction + 0.5)
    held = np.zeros(len(y), dtype=bool)
    held[order] = np.diff(steps) > 0
    return np.flatnonzero(~held), np.flatnonzero(held)


def _infer(values: Array) -> tuple[str, str]:
    """The task that a target looks like, and why."""
    if not is_numeric(values):
        return "classification", f"{len(set(values.tolist()))} different words"
    distinct = np.unique(values)
    if (distinct == np.floor(distinct)).all() and len(distinct) <= min(CLASSES, max(2, len(values) // 2)):
        return "classification", f"{len(distinct)} different whole numbers"
    return "regression", f"{len(distinct)} different numbers"
