"""Every operator that is read, and how it is said in layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastnn.onnx.fold import FOLDS
from fastnn.onnx.images import IMAGES
from fastnn.onnx.linear import LINEAR
from fastnn.onnx.numbers import NUMBERS
from fastnn.onnx.shapes import SHAPES

__all__ = ["LOSSES", "LOWER", "OPTIMIZERS", "READ"]

LOWER: dict[str, Callable[..., Sequence[Any]]] = {**NUMBERS, **SHAPES, **LINEAR, **IMAGES}
LOSSES = frozenset({"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"})
"""Operators that a backend runs behind the network."""
OPTIMIZERS = frozenset({"Adagrad", "Adam", "Momentum"})
"""Operators that a backend runs in place of a network."""
READ = frozenset({*LOWER, *FOLDS, "Shape"})
"""What a network can be made of."""
