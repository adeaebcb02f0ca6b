"""Data sets: three small ones that ship in the package, and a reader of MNIST's files.

    load("digits")            X (1797, 64)  counts 0..16 of an 8x8 image     y class 0..9
    load("iris")              X (150, 4)    centimetres                      y class 0..2
    load("diabetes")          X (442, 10)   raw units (years, kg/m2, ...)    y progression, 25..346
    mnist(folder)             X (60000, 784) and (10000, 784), pixels 0..255, y class 0..9

Features are in their raw units: scaling belongs to the model, so that a saved network takes what people have.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.datasets.idx import mnist_arrays, read_idx
from fastnn.errors import SettingError, UnknownNameError

__all__ = ["Dataset", "load", "mnist", "names", "read_idx"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One table: features, targets, and what they mean.

    X            (samples, features), float32 or float64
    y            (samples,): class indices (int64) for task "classification", values of X's dtype for "regression"
    features     names of the columns of X
    classes      names of the classes, y indexes them; empty for regression
    shape        shape of one sample: (8, 8) for an image, (4,) for a row of four columns
    """

    name: str
    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    task: str
    shape: tuple[int, ...]
    description: str = field(repr=False)

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else "one value"
        return (
            f"<Dataset {self.name}: {len(self.X)} samples, {self.X.shape[1]} features, {self.task} ({what})>"
        )


def names() -> list[str]:
    """Names of the data sets that ship in the package.

    >>> names()
    ['diabetes', 'digits', 'iris']
    """
    return sorted(f.name.removesuffix(".npz") for f in files(__name__).iterdir() if f.name.endswith(".npz"))


def load(name: str, dtype: npt.DTypeLike = "float32") -> Dataset:
    """A data set that ships in the package, as arrays of `dtype` ("float32" or "float64").

    Raises UnknownNameError for a name that is not in `names()`.

    >>> load("digits")
    <Dataset digits: 1797 samples, 64 features, classification (10 classes)>
    >>> load("diabetes", dtype="float64").X[0, :3]
    array([59. ,  2. , 32.1])
    """
    kind = _float_type(dtype)
    known = names()
    if name not in known:
        raise UnknownNameError.among("data set", name, known)
    with (files(__name__) / f"{name}.npz").open("rb") as stream, np.load(stream) as stored:
        about = json.loads(str(stored["about"]))
        # integers divided by a power of ten: the nearest double to the decimal that was published
        X = (stored["X"].astype(np.float64) / about["divisor"]).astype(kind)
        y = stored["y"].astype(kind if about["task"] == "regression" else np.int64)
    return Dataset(
        name=name,
        X=X,
        y=y,
        features=tuple(about["features"]),
        classes=tuple(about["classes"]),
        task=about["task"],
        shape=tuple(about["shape"]),
        description=about["description"],
    )


def mnist(folder: Any, dtype: npt.DTypeLike = "float32") -> tuple[Dataset, Dataset]:
    """MNIST's training and test set from the four IDX files in `folder`, gzipped or not; pixels 0..255.

    Raises DataError naming the file when one is missing, truncated, or not what its name says.
    """
    kind = _float_type(dtype)
    sets = []
    for name, (images, labels) in mnist_arrays(folder).items():
        n, rows, columns = images.shape
        sets.append(
            Dataset(
                name=f"mnist-{name}",
                X=images.reshape(n, rows * columns).astype(kind),
                y=labels.astype(np.int64),
                features=tuple(f"pixel_{i}_{j}" for i in range(rows) for j in range(columns)),
                classes=tuple(str(digit) for digit in range(10)),
                task="classification",
                shape=(rows, columns),
                description="MNIST handwritten digits, 28x28 grey levels 0..255 (LeCun, Cortes, Burges 1998)",
            )
        )
    train, test = sets
    return train, test


def _float_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind not in (np.float32, np.float64):
        raise SettingError(
            "a data set comes in float32 or float64", got=kind.name, expected="float32 or float64"
        )
    return kind
