"""Operators on numbers one by one: activations, Clip, Add, Sum, Sub, Mul, Dropout, Identity; and Softmax, along an axis."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from fastnn.errors import CapabilityError
from fastnn.graph import Node
from fastnn.onnx.build import ANY_BATCH, Builder, Value
from fastnn.onnx.model import Step
from fastnn.registry import registry

__all__ = ["NUMBERS"]

ACTIVATIONS: dict[str, tuple[str, dict[str, tuple[str, float]]]] = {
    "Elu": ("elu", {"alpha": ("alpha", 1.0)}),
    "LeakyRelu": ("leaky_relu", {"alpha": ("alpha", 0.01)}),
    "Relu": ("relu", {}),
    "Selu": ("selu", {"alpha": ("alpha", 1.67326319217681884765625), "gamma": ("gamma", 1.05070102214813232421875)}),
    "Sigmoid": ("logistic", {}),
    "Softplus": ("softplus", {}),
    "Tanh": ("tanh", {}),
}  # fmt: skip
"""Operator -> our activation, and for each of its settings the attribute with the standard's default."""
SELU_1 = {"alpha": 1.6732, "gamma": 1.0507}  # what they were in opset 1 to 5


def activation(b: Builder, step: Step) -> list[Value]:
    name, settings = ACTIVATIONS[step.op]
    defaults = {setting: default for setting, (_, default) in settings.items()}
    if step.op == "Selu" and b.opset < 6:
        defaults = SELU_1
    chosen = {s: float(step.attributes.get(attribute, defaults[s])) for s, (attribute, _) in settings.items()}
    return [activated(b, step, name, **chosen)]


def activated(b: Builder, step: Step, name: str, **settings: float) -> Value:
    a = b.value(step, 0)
    made = b.layer(step, "activation", a.node, activation=registry.get("activation", name, **settings))
    return Value(made, a.shape)


def gelu(b: Builder, step: Step) -> list[Value]:
    by_tanh = step.attributes.get("approximate", "none") == "tanh"
    return [activated(b, step, "gelu_tanh" if by_tanh else "gelu")]


def clip(b: Builder, step: Step) -> list[Value]:
    """Bounds are attributes before opset 11, inputs since."""
    largest = float(np.finfo(b.network.dtype).max)
    bounds = {}
    for place, (bound, default) in enumerate((("min", -largest), ("max", largest)), 1):
        given = step.attributes.get(bound) if b.opset < 11 else b.array(step, place)
        bounds[bound] = default if given is None else float(np.asarray(given).item())
    if bounds == {"min": -largest, "max": largest}:
        return [b.value(step, 0)]
    if bounds == {"min": 0.0, "max": largest}:
        return [activated(b, step, "relu")]
    return [activated(b, step, "clip", low=bounds["min"], high=bounds["max"])]


def softmax(b: Builder, step: Step) -> list[Value]:
    """Along one axis since opset 13; before, over all axes from one on together."""
    a = b.value(step, 0)
    name = "softmax" if step.op == "Softmax" else "log_softmax"
    rank = len(a.shape)
    axis = step.attributes.get("axis", 1 if b.opset < 13 else -1)
    if b.opset < 13 and -rank <= axis < 0:
        axis += rank
    if b.opset < 13 and axis == rank and b.whole:  # rows of one number
        return [Value(_rows(b, step, name, a.node, prod(a.shape), 1), a.shape)]
    at = b.axis(step, axis, rank)
    sample = b.sample(a.shape)
    if b.opset < 13:
        return [Value(_rows(b, step, name, a.node, prod(sample[:at]), prod(sample[at:])), a.shape)]
    order = [k for k in range(len(sample)) if k != at] + [at]
    rows = _rows(b, step, name, b.transposed(a, order), prod(sample) // sample[at], sample[at])
    moved = tuple(sample[k] for k in order)
    back = Value(rows, moved if b.whole else (a.shape[0], *moved))
    return [Value(b.transposed(back, [order.index(k) for k in range(len(order))]), a.shape)]


def _rows(b: Builder, step: Step, name: str, node: Node, rows: int, n: int) -> Node:
    """The activation of rows of n numbers."""
    size = prod(node.shape)
    shape = (n,) if rows == 1 else (rows, n)
    flat = b.shaped(Value(node, (size,) if b.whole else (ANY_BATCH, size)), shape)
    return b.layer(step, "activation" if rows == 1 else "rows_activation", flat, activation=name)


def add(b: Builder, step: Step) -> list[Value]:
    return [_joined(b, step, "add", "shift", "b")]


def multiply(b: Builder, step: Step) -> list[Value]:
    return [_joined(b, step, "multiply", "scale", "w")]


def subtract(b: Builder, step: Step) -> list[Value]:
    """a - c for a constant c."""
    given = _aligned(b, step, 1)
    if isinstance(given, Value):
        raise CapabilityError(f"{step.label}: fastnn subtracts constants alone")
    return [_with_constant(b, step, b.value(step, 0), -given, "shift", "b")]


def divide(b: Builder, step: Step) -> list[Value]:
    """a / c for a constant c."""
    given = _aligned(b, step, 1)
    if isinstance(given, Value):
        raise CapabilityError(f"{step.label}: fastnn divides by constants alone")
    return [_with_constant(b, step, b.value(step, 0), 1.0 / given, "scale", "w")]


def _joined(b: Builder, step: Step, join: str, with_constant: str, parameter: str) -> Value:
    """Several tensors of shapes that broadcast: nodes are joined, constants become parameters."""
    given = [_aligned(b, step, k) for k in range(len(step.inputs))]
    nodes = [value for value in given if isinstance(value, Value)]
    shape = b.common(step, *(value.shape for value in given))
    if b.opset < 7 and step.op != "Sum" and not step.attributes.get("broadcast", 0) and len({v.shape for v in given}) > 1:  # fmt: skip
        raise CapabilityError(f"{step.label} has other shapes, and no attribute broadcast", got=[v.shape for v in given])  # fmt: skip
    if b.opset < 8 and step.op == "Sum" and len({v.shape for v in given}) > 1:
        raise CapabilityError(f"{step.label} has other shapes, which opset 8 was first to allow", got=[v.shape for v in given])  # fmt: skip
    total = Value(b.expanded(nodes[0], shape), shape)
    if len(nodes) > 1:
        others = [b.expanded(value, shape) for value in nodes[1:]]
        for other in [others] if join == "add" else [[one] for one in others]:
            total = Value(b.layer(step, join, b.shaped(total), *other), shape)
    for value in given:
        if isinstance(value, np.ndarray):
            total = _with_constant(b, step, total, value, with_constant, parameter)
    return total


def _with_constant(b: Builder, step: Step, a: Value, array: Any, layer: str, parameter: str) -> Value:
    """a + array or a * array, with the array as a parameter that broadcasts to a sample."""
    shape = b.common(step, a.shape, array.shape)
    node = b.expanded(a, shape)
    if not b.whole and array.ndim == len(shape):
        if array.shape[0] != 1:
            raise b.crosses(step)
        array = array[0]
    own = array.shape or (1,)
    return Value(b.layer(step, layer, node, assign={parameter: array}, shape=own), shape)


def _aligned(b: Builder, step: Step, place: int) -> Value | Any:
    """An input of a joining operator; before opset 7 the second may name the axis of the first that it begins at."""
    found = b.given(step, place)
    assert found is not None
    axis = step.attributes.get("axis")
    if b.opset < 7 and place == 1 and axis is not None and step.attributes.get("broadcast", 0):
        first = b.given(step, 0)
        assert first is not None
        rank = len(first.shape)
        tail = rank - (axis % rank) - len(found.shape)
        if tail < 0:
            raise CapabilityError(f"{step.label}: {found.shape} does not fit {first.shape} from axis {axis} on")  # fmt: skip
        shape = (*found.shape, *(1,) * tail)
        return Value(found.node, shape) if isinstance(found, Value) else found.reshape(shape)
    return found


def dropout(b: Builder, step: Step) -> list[Any]:
    """A Dropout layer: off in inference, which is what the standard means unless it is told to train."""
    a = b.value(step, 0)
    ratio = step.attributes.get("ratio", 0.5) if b.opset < 12 else b.array(step, 1, 0.5)
    rate = float(np.asarray(ratio).item())
    training = bool(np.asarray(b.array(step, 2, False)).item()) if b.opset >= 12 else False
    if b.opset < 7:
        training = not step.attributes.get("is_test", 0)
    if training and rate > 0:
        raise CapabilityError(
            f"{step.label} is in training mode: its mask is random, and no two programs draw the same",
            hint="import the model for inference; in fit, the layer drops out anyway",
        )
    node = b.layer(step, "dropout", a.node, rate=rate) if rate < 1 else a.node
    out: list[Any] = [Value(node, a.shape)]
    if len(step.outputs) > 1 and step.outputs[1]:
        if a.shape[0] == ANY_BATCH:
            raise CapabilityError(f"{step.label}: its mask is read in inference, where it says nothing")
        out.append(np.ones(a.shape, bool))
    return out


def identity(b: Builder, step: Step) -> list[Value]:
    return [b.value(step, 0)]


NUMBERS = {
    **dict.fromkeys(ACTIVATIONS, activation),
    "Add": add,
    "Clip": clip,
    "Div": divide,
    "Dropout": dropout,
    "Gelu": gelu,
    "Identity": identity,
    "LogSoftmax": softmax,
    "Mul": multiply,
    "Softmax": softmax,
    "Sub": subtract,
    "Sum": add,
}
