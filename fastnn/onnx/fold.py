"""Steps that read constants alone are computed while the model is read: weights that are made by nodes, and shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import CapabilityError
from fastnn.onnx.model import Model, Step, onnx

__all__ = ["FOLDS", "fold", "resolved"]

Array = NDArray[Any]
LARGEST = 1 << 31
"""Numbers in a constant that a step may make."""


def fold(model: Model, step: Step, inputs: Sequence[Array]) -> list[Array] | None:
    """The outputs of a step whose inputs are these constants; None where it is not one that is folded."""
    compute = FOLDS.get(step.op)
    if compute is None:
        return None
    return [np.asarray(compute(model, step, *inputs))]


def _constant(model: Model, step: Step) -> Array:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in step.attributes:
            value = step.attributes[name]
            dtype = {"value_float": np.float32, "value_int": np.int64}.get(name.removesuffix("s"))
            return np.asarray(value, dtype)
    raise CapabilityError(
        f"{step.label}: a constant that is no dense tensor of numbers", got=", ".join(step.attributes)
    )


def _constant_of_shape(model: Model, step: Step, shape: Array) -> Array:
    value = step.attributes.get("value", np.zeros(1, np.float32))
    lengths = tuple(int(n) for n in shape)
    if prod(lengths) > LARGEST:
        raise CapabilityError(f"{step.label}: a constant of shape {lengths} is too large, or as long as the batch")  # fmt: skip
    return np.full(lengths, value[0], value.dtype)


def _cast(model: Model, step: Step, a: Array) -> Array:
    to = step.attributes["to"]
    number = onnx().TensorProto.DataType.Value(to) if isinstance(to, str) else to
    return a.astype(onnx().helper.tensor_dtype_to_np_dtype(number))


def _axes(step: Step, given: tuple[Array, ...]) -> list[int] | None:
    """Axes of Squeeze and Unsqueeze: an attribute before opset 13, an input since."""
    if given:
        return [int(n) for n in given[0]]
    return step.attributes.get("axes")


def _unsqueeze(model: Model, step: Step, a: Array, *axes: Array) -> Array:
    return np.expand_dims(a, tuple(_axes(step, axes) or ()))


def _squeeze(model: Model, step: Step, a: Array, *axes: Array) -> Array:
    chosen = _axes(step, axes)
    return np.squeeze(a, None if chosen is None else tuple(chosen))


def _gather(model: Model, step: Step, a: Array, indices: Array) -> Array:
    return np.take(a, indices, axis=step.attributes.get("axis", 0))


def _slice(model: Model, step: Step, a: Array, *given: Array) -> Array:
    names = ("starts", "ends", "axes", "steps")
    numbers = dict(zip(names, (list(map(int, g)) for g in given), strict=False)) if given else step.attributes
    axes = numbers.get("axes") or range(len(numbers["starts"]))
    steps = numbers.get("steps") or [1] * len(numbers["starts"])
    places = [slice(None)] * a.ndim
    for axis, start, end, by in zip(axes, numbers["starts"], numbers["ends"], steps, strict=True):
        places[axis] = slice(start, end if not (by < 0 and end < -a.shape[axis]) else None, by)
    return a[tuple(places)]


def _reshape(model: Model, step: Step, a: Array, *shape: Array) -> Array:
    wanted = [int(n) for n in shape[0]] if shape else step.attributes["shape"]
    return a.reshape(resolved(step, a.shape, wanted))


def resolved(step: Step, shape: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """The shape that Reshape means: 0 copies an axis (unless allowzero), -1 takes what is left."""
    zero_copies = not step.attributes.get("allowzero", 0)
    new = [shape[k] if n == 0 and zero_copies else n for k, n in enumerate(wanted)]
    if -1 in new:
        rest = prod(n for n in new if n != -1)
        new[new.index(-1)] = prod(shape) // rest if rest else 0
    if prod(new) != prod(shape) or min(new, default=1) < 0:
        raise CapabilityError(f"{step.label}: {tuple(shape)} cannot become {tuple(wanted)}")
    return tuple(new)


def _arithmetic(operate: Any) -> Callable[..., Array]:
    def compute(model: Model, step: Step, *inputs: Array) -> Array:
        total = inputs[0]
        for other in inputs[1:]:
            total = operate(total, other)
        return np.asarray(total)

    return compute


def _divide(a: Array, b: Array) -> Array:
    return a // b if np.issubdtype(np.result_type(a, b), np.integer) else a / b


FOLDS: dict[str, Callable[..., Array]] = {
    "Add": _arithmetic(np.add),
    "Cast": _cast,
    "Concat": lambda model, step, *a: np.concatenate(a, axis=step.attributes.get("axis", 1)),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Div": _arithmetic(_divide),
    "Gather": _gather,
    "Identity": lambda model, step, a: a,
    "Mul": _arithmetic(np.multiply),
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _arithmetic(np.subtract),
    "Transpose": lambda model, step, a: np.transpose(a, step.attributes.get("perm")),
    "Unsqueeze": _unsqueeze,
}
"""Operators that are computed on constants."""
