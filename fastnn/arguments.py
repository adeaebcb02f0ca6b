"""What users hand to a network, made plain: the shape of a sample, layers, one sample or many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.contracts import Activation, RowActivation
from fastnn.errors import SettingError, ShapeError, UnknownNameError
from fastnn.registry import registry

__all__ = ["as_batch", "chain_of", "is_count", "is_sample", "layer_of", "same_length", "shape_of_sample"]

Array = NDArray[Any]


def is_count(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and int(n) > 0


def shape_of_sample(shape: Any) -> tuple[int, ...]:
    numbers = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not numbers or not all(is_count(n) for n in numbers):
        raise ShapeError(
            "the input shape is a number of features, or a shape",
            got=repr(shape),
            expected="784 or (1, 28, 28)",
        )
    return tuple(int(n) for n in numbers)


def chain_of(layers: Any) -> list[Any]:
    """The layers of a chain, one behind the other."""
    if isinstance(layers, (list, tuple)):
        return list(layers)
    if isinstance(layers, (str, Mapping)) or callable(layers) or not hasattr(layers, "__iter__"):
        raise SettingError(
            "the layers of a network are a list",
            got=repr(layers),
            expected="[Dense(...), ...]",
            hint="put it into brackets",
        )
    return list(layers)


def layer_of(layer: Any) -> Any:
    """The layer that an object, a name or a config says; an activation is a layer too."""
    if isinstance(layer, (Activation, RowActivation)):
        return registry.get("layer", "activation", activation=layer)
    try:
        return registry.get("layer", layer)
    except UnknownNameError as error:
        if isinstance(layer, str) and layer in registry.names("activation"):
            error.hint = f"fastnn.layers.Activation({layer!r})"
        raise


def is_sample(X: ArrayLike, shape: tuple[int, ...]) -> bool:
    """Whether X is one sample, and no batch."""
    try:
        return np.shape(X) == shape
    except ValueError:  # lists of unequal lengths: no array at all, which as_rows says
        return False


def as_batch(sample: ArrayLike) -> Array:
    batch: Array = (sample if isinstance(sample, np.ndarray) else np.asarray(sample))[None]
    return batch


def same_length(X: Array, y: Array) -> None:
    if len(X) != len(y):
        raise ShapeError(
            "X and y have different numbers of rows", got=f"{len(X)} and {len(y)}", expected="as many"
        )
