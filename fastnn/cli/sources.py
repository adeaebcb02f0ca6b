"""From what the user types to data: a bundled data set or a file, lists of layers, settings, paths to write to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastnn import datasets, tables
from fastnn.datasets import Dataset
from fastnn.errors import DataError, UnknownNameError

Array = NDArray[Any]


def is_bundled(name: str) -> bool:
    """Whether `name` is a data set of the package; a file of this name goes first."""
    return not Path(name).exists() and name in datasets.names()


def training_data(name: str, target: str | None, task: str | None, drop: Sequence[str]) -> Dataset:
    """The data set to train on, in float64: the network scales before it rounds."""
    if is_bundled(name):
        if target is not None or drop or task is not None:
            raise click.UsageError(
                f"--target, --drop and --task are for files; {name!r} is a data set in fastnn"
            )
        return datasets.load(name, "float64")
    table_exists(name)
    if target is None:
        columns = ", ".join(tables.Table.open(name).columns)
        raise click.UsageError(f"which column of {name} is to be learnt? Say --target, one of: {columns}")
    return tables.read(name, target, task, drop, "float64")


def table_exists(name: str) -> None:
    """Refuse what is neither a file nor a data set."""
    if Path(name).is_file():
        return
    if Path(name).suffix or os.sep in name:
        raise DataError(f"there is no file {name}")
    raise UnknownNameError.among("file or data set", name, datasets.names())


def inputs_for(net: Any, name: str) -> tuple[Array, tables.Table | Dataset]:
    """X for this network from a bundled data set or a file, and what else is there."""
    width = int(np.prod(net.input_shape))
    if is_bundled(name):
        data = datasets.load(name, "float64")
        if data.X.shape[1] != width:
            raise DataError(
                f"the network does not fit the data set {name!r}",
                got=f"{data.X.shape[1]} features",
                expected=f"{width} features",
            )
        return data.X.reshape(len(data.X), *net.input_shape), data
    table_exists(name)
    table = tables.Table.open(name)
    names = net.features
    if names is None:  # trained on arrays: take the first columns, in their order
        names = list(table.columns)[:width]
        if len(names) < width:
            raise DataError(
                f"{name} has too few columns", got=f"{len(names)}", expected=f"{width}, one a feature"
            )
    return table.features(names, "float64").reshape(len(table), *net.input_shape), table


def layer_sizes(text: str) -> list[int]:
    """The widths in "128,64"; none in "" or "none"."""
    if text.strip().lower() in ("", "none"):
        return []
    sizes = [part.strip() for part in text.split(",")]
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise click.BadParameter(f"{text!r} is not a list of widths, as 128,64", param_hint="--layers")
    return [int(size) for size in sizes]


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """{"momentum": 0.9} from ["momentum=0.9"]: numbers, true and false, else words."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{pair!r} is not a setting, as momentum=0.9", param_hint="--set")
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_output(path: str | None) -> None:
    """Refuse a path that cannot be written, before any work is done."""
    if path is None:
        return
    folder = Path(path).expanduser().resolve().parent
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder", expected="the name of a file to write")
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} to write {Path(path).name} to")
    if not os.access(folder, os.W_OK):
        raise DataError(f"no permission to write to {folder}")


def class_labels(classes: Sequence[str]) -> Array:
    """Names of classes as the network keeps them: whole numbers where all are, else words."""
    if all(name.removeprefix("-").isdecimal() for name in classes):
        return np.array([int(name) for name in classes])
    return np.array(classes)
