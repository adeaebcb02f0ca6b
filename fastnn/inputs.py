"""What users hand over, checked and converted once: X to rows of the network's dtype, y to what the loss reads, weights to mean 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.contracts.loss import TARGETS, Loss
from fastnn.errors import DataError, SettingError, ShapeError

__all__ = [
    "Targets",
    "as_rows",
    "as_targets",
    "as_weights",
    "check_columns",
    "class_numbers",
    "column_names",
    "count",
    "flag",
    "infer_loss",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class Targets:
    """y as the loss reads it: `kind` index (classes, int64) or row (rows as wide as the output); labels of the classes, if any."""

    kind: str
    array: Array
    classes: Array | None = None
    n_classes: int = 0


def count(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """`value` as a whole number from `least` to `most`; SettingError names the argument `name` otherwise."""
    large = most is not None and isinstance(value, (int, np.integer)) and value > most
    if large or isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        expected = f"{least} or more" if most is None else f"{least} to {most}"
        what = "too large" if large else "not a whole number"
        raise SettingError(f"{name} is {what}", got=repr(value)[:80], expected=expected)
    return int(value)


def flag(name: str, value: Any) -> bool:
    """`value` as a truth value: True, False or a whole number from 0 on; SettingError names the argument `name` otherwise."""
    if not isinstance(value, (bool, int, np.bool_, np.integer)) or value < 0:
        raise SettingError(f"{name} is neither yes nor no", got=repr(value)[:80], expected="True or False")
    return bool(value)


def column_names(X: Any) -> list[str] | None:
    """Names of the columns of a data frame, or of a table of pyarrow."""
    columns = getattr(X, "column_names", None)
    if columns is None:
        columns = getattr(X, "columns", None)
    return None if columns is None else [str(c) for c in columns]


def check_columns(X: Any, features: Sequence[str] | None) -> None:
    """DataError where X names its columns, and they are not those that the network was trained on, in their order."""
    names = column_names(X)
    if names is None or features is None or names == list(features):
        return
    other = [
        f"{given!r} for {known!r}" for given, known in zip(names, features, strict=False) if given != known
    ]
    raise DataError(
        "the columns of X are not those that the network was trained on",
        got=", ".join(other[:3]) + (", ..." if len(other) > 3 else "") if other else f"{len(names)} columns",
        expected=f"{len(features)} columns, in the order of net.features",
        hint="X[net.features]" if set(features) <= set(names) else None,
    )


def as_rows(X: ArrayLike, shape: Sequence[int], dtype: str, name: str = "X") -> Array:
    """X as a C-contiguous array (rows, *shape) of finite numbers of `dtype`; DataError or ShapeError otherwise."""
    array = _numbers(X, name)
    expected = f"(rows, {', '.join(map(str, shape))})"
    if array.shape == tuple(shape) and array.ndim >= 1:
        raise ShapeError(
            f"{name} is one sample, not a batch of samples",
            got=array.shape,
            expected=expected,
            hint=f"{name}[None]",
        )
    if array.ndim != len(shape) + 1 or array.shape[1:] != tuple(shape):
        raise ShapeError(f"{name} does not fit the network's input", got=array.shape, expected=expected)
    return _converted(array, dtype, name)


def as_targets(
    y: ArrayLike, loss: Loss, output_shape: Sequence[int], dtype: str, classes: Array | None = None
) -> Targets:
    """y for this loss and output; `classes` are the labels that an earlier fit found."""
    array = np.asarray(y)
    may_be_labels = array.dtype.kind in "iubUSO" or loss.row is None or tuple(output_shape) != (1,)
    if (
        array.ndim == 2 and array.shape[1] == 1 and loss.index is not None and may_be_labels
    ):  # a column of labels
        array = array[:, 0]
    if loss.index is not None and array.ndim == 1 and may_be_labels:
        return _classes(array, loss, output_shape, classes)
    if loss.row is None:
        raise ShapeError(
            f"loss {loss.name!r} takes class labels, one a sample",
            got=f"y.shape = {array.shape}",
            expected="(rows,)",
        )
    array = _numbers(y, "y")
    if array.ndim == 1 and tuple(output_shape) == (1,):
        array = array[:, None]
    if array.shape[1:] != tuple(output_shape):
        raise ShapeError(
            f"y does not fit loss {loss.name!r} and the network's output",
            got=f"y.shape = {array.shape}",
            expected=f"(rows, {', '.join(map(str, output_shape))})",
            hint="class labels go with loss='cross_entropy'" if array.ndim == 1 else None,
        )
    array = _converted(array, dtype, "y")
    _check_allowed(array, loss)
    return Targets("row", array)


def _check_allowed(array: Array, loss: Loss) -> None:
    """Refuse targets that the loss has no sense for: hinge at 0 and 1 would learn nothing, and say nothing."""
    low, high = {"nonnegative": (0, np.inf), "probabilities": (0, 1)}.get(loss.targets, (-np.inf, np.inf))
    allowed: Array = np.abs(array) == 1 if loss.targets == "signs" else (array >= low) & (array <= high)
    if not allowed.all():
        place = tuple(int(k) for k in np.argwhere(~allowed)[0])
        raise DataError(
            f"loss {loss.name!r} does not take this target",
            got=f"y[{', '.join(map(str, place))}] = {array[place]}",
            expected=TARGETS[loss.targets],
            hint="class labels are whole numbers or strings, one a row" if loss.index is not None else None,
        )


def as_weights(
    sample_weight: ArrayLike | None,
    class_weight: Mapping[Any, float] | str | None,
    targets: Targets,
    dtype: str,
) -> Array | None:
    """Weights of mean 1, one a sample: sample_weight times the weight of its class; None where there are none."""
    if sample_weight is None and class_weight is None:
        return None
    n = len(targets.array)
    weights = (
        np.ones(n) if sample_weight is None else _numbers(sample_weight, "sample_weight").astype(np.float64)
    )
    if weights.shape != (n,):
        raise ShapeError("sample_weight does not fit y", got=weights.shape, expected=(n,))
    _check_finite(weights, "sample_weight")
    if class_weight is not None:
        weights = weights * _class_weights(class_weight, targets)
    if (weights < 0).any() or weights.sum() <= 0:
        raise DataError("sample weights must not be negative, and not all zero", got=f"sum {weights.sum()}")
    return np.ascontiguousarray(weights * (n / weights.sum()), dtype=dtype)


def class_numbers(output_shape: Sequence[int]) -> Array:
    """0, 1, ...: the labels of a network that was trained on the numbers of its classes."""
    return np.arange(2 if output_shape[0] == 1 else output_shape[0])


def infer_loss(y: ArrayLike) -> str:
    """Name of the loss that y asks for: labels and whole numbers are classes, real numbers are values."""
    return (
        "cross_entropy"
        if np.asarray(y).dtype.kind in "iubUSO" and np.asarray(y).ndim == 1
        else "squared_error"
    )


def _class_weights(class_weight: Mapping[Any, float] | str, targets: Targets) -> Array:
    if targets.kind != "index":
        raise DataError("class_weight needs class labels as y", hint="use sample_weight")
    classes: Array = targets.array
    n_classes = targets.n_classes
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise DataError(
                "unknown class_weight", got=repr(class_weight), expected="'balanced' or {label: weight}"
            )
        counts = np.bincount(classes, minlength=n_classes)
        present = np.maximum(counts, 1)
        return np.asarray((len(classes) / ((counts > 0).sum() * present))[classes])
    if not isinstance(class_weight, Mapping):
        raise DataError(
            "class_weight is no mapping",
            got=repr(class_weight)[:80],
            expected="'balanced' or {label: weight}",
        )
    labels = list(range(n_classes)) if targets.classes is None else targets.classes.tolist()
    unknown = set(class_weight) - set(labels)
    if unknown:
        raise DataError(
            f"class_weight names {sorted(unknown, key=str)}, which are no classes", expected=labels
        )
    weights: list[Any] = list(class_weight.values())
    wrong = [weight for weight in weights if not isinstance(weight, (Real, np.number))]
    if wrong:
        raise DataError(
            "class_weight holds what is no number", got=repr(wrong[0]), expected="{label: weight}"
        )
    return np.array([float(class_weight.get(label, 1.0)) for label in labels])[classes]


def _classes(array: Array, loss: Loss, output_shape: Sequence[int], known: Array | None) -> Targets:
    n_out, n_classes = output_shape[0], len(class_numbers(output_shape))
    if array.dtype.kind == "f":
        _check_finite(array, "y")
        if (array != np.round(array)).any():
            raise DataError(
                f"loss {loss.name!r} takes class labels, but y has fractions",
                got=array[:5],
                expected="whole numbers or strings",
            )
        array = array.astype(np.int64)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "O":
        missing = [k for k, label in enumerate(array) if label is None or label != label]  # noqa: PLR0124  (NaN)
        if missing:
            raise DataError(
                f"y has {len(missing)} labels missing", got=f"y[{missing[0]}] = {array[missing[0]]}", expected="a label for every row",
                hint="drop the rows without a label",
            )  # fmt: skip
        array = array.astype(
            np.int64 if all(isinstance(label, (int, np.integer)) for label in array) else str
        )
    if (
        known is None
        and array.dtype.kind in "iub"
        and (array.size == 0 or (array.min() >= 0 and array.max() < n_classes))
    ):
        return Targets("index", np.ascontiguousarray(array, dtype=np.int64), None, n_classes)
    classes = np.unique(array) if known is None else known
    if len(classes) > n_classes:
        raise DataError(
            f"y has {len(classes)} classes, but the network has {n_out} output{'s' if n_out > 1 else ''}",
            got=", ".join(map(str, classes[:8])) + (", ..." if len(classes) > 8 else ""),
            expected=f"at most {n_classes} classes",
            hint=f"make the last layer Dense({len(classes)})"
            + (", or say loss='squared_error' if y are values" if classes.dtype.kind in "iu" else ""),
        )
    if known is not None and known.dtype.kind in "US":
        array = array.astype(str)
    if array.dtype.kind in "US" and classes.dtype.kind not in "US":  # text is none of these numbers
        place, wrong = np.zeros(len(array), np.int64), np.ones(len(array), bool)
    else:
        place = np.searchsorted(classes, array)
        place[place == len(classes)] = 0
        wrong = classes[place] != array
    if wrong.any():
        raise DataError(
            "y has a label that the network was not trained on", got=repr(array[wrong][0].item()),
            expected=", ".join(map(str, classes)),
        )  # fmt: skip
    return Targets("index", place.astype(np.int64), classes, len(classes))


def _numbers(values: ArrayLike, name: str) -> Array:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{name} has values that are masked", hint="fill in or drop what is missing")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{name} is not an array of numbers: {error}", hint="encode text columns as numbers"
        ) from error
    if array.dtype.kind not in "iubf":
        raise DataError(
            f"{name} is not an array of numbers",
            got=f"dtype {array.dtype}",
            expected="real numbers",
            hint="encode text columns as numbers",
        )
    return array


def _converted(array: Array, dtype: str, name: str) -> Array:
    """The numbers, C-contiguous and of `dtype`; DataError where one is not finite, or too large for it."""
    _check_finite(array, name)
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
    if converted.itemsize < array.itemsize and not np.isfinite(converted).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(converted))[0])
        raise DataError(
            f"{name} has numbers that {dtype} cannot hold", got=f"{name}[{', '.join(map(str, place))}] = {array[place]}",
            expected=f"up to {np.finfo(dtype).max:.3g} in size", hint="scale='standardise', or a network of dtype 'float64'",
        )  # fmt: skip
    return converted


def _check_finite(array: Array, name: str) -> None:
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a sum may overflow where no number is infinite; in float64 it takes twice as long
        doubtful = array.dtype.kind == "f" and not np.isfinite(array.sum())
    if doubtful:
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            place = tuple(int(k) for k in bad[0])
            raise DataError(
                f"{name} has {len(bad)} values that are not finite", got=f"{name}[{', '.join(map(str, place))}] = {array[place]}",
                expected="finite numbers", hint="fill in or drop what is missing",
            )  # fmt: skip
