"""Which ONNX operators say what an op says. `emitter` (exporting.py) collects them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.errors import CapabilityError
from fastnn.graph import Node

if TYPE_CHECKING:
    from fastnn.onnx.exporting import Emitter

__all__ = ["EMIT"]


def same(op: str) -> Callable[[Emitter, Node], str]:
    """One operator on all inputs."""
    return lambda e, n: e.operator(op, [e.read(m) for m in n.inputs], n.name)


def affine(e: Emitter, n: Node) -> str:
    return e.operator("Gemm", [e.read(n.inputs[0]), *map(e.parameter, n.parameters)], n.name, transB=1)


def chained(op: str) -> Callable[[Emitter, Node], str]:
    """An operator of two, one after the other; inputs of fewer pixels are broadcast."""

    def emit(e: Emitter, n: Node) -> str:
        total = e.read(n.inputs[0])
        for other in n.inputs[1:]:
            total = e.operator(op, [total, e.read(other)], n.name)
        return total

    return emit


def add(e: Emitter, n: Node) -> str:
    return e.operator("Add" if len(n.inputs) == 2 else "Sum", [e.read(m) for m in n.inputs], n.name)


def concatenate(e: Emitter, n: Node) -> str:
    return e.operator("Concat", [e.read(m) for m in n.inputs], n.name, axis=1)


def flatten(e: Emitter, n: Node) -> str:
    return e.operator("Flatten", [e.read(n.inputs[0])], n.name, axis=1)


def reshape(e: Emitter, n: Node) -> str:
    return e.reshaped(e.read(n.inputs[0]), n.shape, n.name)


def transpose(e: Emitter, n: Node) -> str:
    order = [0, *(axis + 1 for axis in n.attributes["axes"])]
    return e.operator("Transpose", [e.read(n.inputs[0])], n.name, perm=order)


def pad(e: Emitter, n: Node) -> str:
    sides = [(0, 0)] * (1 + len(n.shape) - len(n.attributes["padding"])) + list(n.attributes["padding"])
    pads = np.array([before for before, _ in sides] + [after for _, after in sides], np.int64)
    value = e.number("value", n.attributes["value"])
    return e.operator("Pad", [e.read(n.inputs[0]), e.constant("pads", pads), value], n.name)


def dropout(e: Emitter, n: Node) -> str:
    return e.operator("Dropout", [e.read(n.inputs[0]), e.number("rate", n.attributes["rate"])], n.name)


# ---- activations
def activate(e: Emitter, n: Node) -> str:
    activation, a = n.op.activation, e.read(n.inputs[0])  # type: ignore[union-attr]
    name, settings = activation.name, activation.settings
    if name == "swish":
        z = a if settings["beta"] == 1 else e.operator("Mul", [a, e.number("beta", settings["beta"])], n.name)
        return e.operator("Mul", [a, e.operator("Sigmoid", [z], n.name)], n.name)
    if name == "clip":
        return e.operator("Clip", [a, *(e.number(s, settings[s]) for s in ("low", "high"))], n.name)
    if name == "step":
        return e.operator("Relu", [e.operator("Sign", [a], n.name)], n.name)
    if name not in ACTIVATIONS:
        raise CapabilityError(
            f"activation {name!r} (layer {n.name!r}) has no ONNX operator that fastnn would write",
            expected=", ".join(sorted({*ACTIVATIONS, "clip", "step", "swish"})),
        )
    op, extra = ACTIVATIONS[name]
    attributes: dict[str, Any] = {**extra, **{s: float(value) for s, value in settings.items()}}
    return e.operator(op, [a], n.name, **attributes)


ACTIVATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "elu": ("Elu", {}),
    "gelu": ("Gelu", {}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "identity": ("Identity", {}),
    "leaky_relu": ("LeakyRelu", {}),
    "logistic": ("Sigmoid", {}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {}),
    "softplus": ("Softplus", {}),
    "tanh": ("Tanh", {}),
}
"""Activation -> operator with attributes; settings become attributes of their names."""


def activate_rows(e: Emitter, n: Node) -> str:
    name = n.op.activation.name  # type: ignore[union-attr]
    if name not in ("softmax", "log_softmax"):
        raise CapabilityError(
            f"activation {name!r} (layer {n.name!r}) has no ONNX operator that fastnn would write",
            expected="softmax or log_softmax",
        )
    op = "Softmax" if name == "softmax" else "LogSoftmax"
    return e.operator(op, [e.read(n.inputs[0])], n.name, axis=-1)


# ---- images
def _pads(sides: Any) -> list[int]:
    return [before for before, _ in sides] + [after for _, after in sides]


def convolve(e: Emitter, n: Node) -> str:
    at = n.attributes
    return e.operator(
        "Conv", [e.read(n.inputs[0]), *map(e.parameter, n.parameters)], n.name,
        kernel_shape=n.parameters[0].shape[2:], strides=at["stride"], pads=_pads(at["padding"]),
        dilations=at["dilation"], group=at["groups"],
    )  # fmt: skip


def pool(e: Emitter, n: Node) -> str:
    at, a = n.attributes, e.read(n.inputs[0])
    largest = n.op.name == "max_pool"  # type: ignore[union-attr]
    pads = _pads(at["padding"])
    if tuple(at["kernel"]) == n.inputs[0].shape[1:] and n.shape[1:] == (1, 1) and not any(pads):
        return e.operator("GlobalMaxPool" if largest else "GlobalAveragePool", [a], n.name)
    window = {"kernel_shape": at["kernel"], "strides": at["stride"], "pads": pads, "ceil_mode": int(at["ceil"])}  # fmt: skip
    if largest:
        return e.operator("MaxPool", [a], n.name, dilations=at["dilation"], **window)
    return e.operator("AveragePool", [a], n.name, count_include_pad=int(at["counted"]), **window)


def average_along(e: Emitter, n: Node) -> str:
    at, shape = n.attributes, n.inputs[0].shape
    axis = at["axis"]
    rows = e.reshaped(e.read(n.inputs[0]), (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])))
    before, after = at["padding"]
    pooled = e.operator(
        "AveragePool", [rows], n.name, kernel_shape=(at["kernel"], 1), strides=(at["stride"], 1), dilations=(at["dilation"], 1),
        pads=(before, 0, after, 0), ceil_mode=int(at["ceil"]), count_include_pad=int(at["counted"]),
    )  # fmt: skip
    return e.reshaped(pooled, n.shape, n.name)


def batch_norm(e: Emitter, n: Node) -> str:
    numbers = [e.parameter(p) for p in (*n.parameters, *n.statistics)]
    at = n.attributes
    return e.operator(
        "BatchNormalization", [e.read(n.inputs[0]), *numbers], n.name,
        epsilon=float(at["epsilon"]), momentum=1.0 - float(at["momentum"]),
    )  # fmt: skip


def local_response_norm(e: Emitter, n: Node) -> str:
    at = n.attributes
    return e.operator(
        "LRN", [e.read(n.inputs[0])], n.name,
        size=int(at["size"]), alpha=float(at["alpha"]), beta=float(at["beta"]), bias=float(at["k"]),
    )  # fmt: skip


def layer_norm(e: Emitter, n: Node) -> str:
    numbers = [e.read(n.inputs[0]), *map(e.parameter, n.parameters)]
    return e.operator("LayerNormalization", numbers, n.name, axis=1, epsilon=float(n.attributes["epsilon"]))


# ---- what imported models are made of beside these
def constant(e: Emitter, n: Node) -> str:
    """An initialiser for a batch of one, which broadcasts."""
    return e.batch_of_one(n.parameters[0])


def take(e: Emitter, n: Node) -> str:
    flat = e.operator("Flatten", [e.read(n.inputs[0])], n.name, axis=1)
    chosen = e.operator("Gather", [flat, e.constant("places", _places(n.attributes))], n.name, axis=1)
    return e.reshaped(chosen, n.shape, n.name)


def put(e: Emitter, n: Node) -> str:
    """A zero behind the numbers of a sample, and then the number or this zero for every place."""
    size = prod(n.inputs[0].shape)
    places = _places(n.attributes)
    if len(np.unique(places)) < len(places):
        raise CapabilityError(
            f"layer {n.name!r}: a Put that adds numbers at one place is not written as ONNX"
        )
    source = np.full(prod(n.shape), size, np.int64)
    source[places] = np.arange(size)
    flat = e.operator("Flatten", [e.read(n.inputs[0])], n.name, axis=1)
    pads = e.constant("pads", np.array([0, 0, 0, 1], np.int64))
    longer = e.operator("Pad", [flat, pads], n.name)
    chosen = e.operator("Gather", [longer, e.constant("places", source)], n.name, axis=1)
    return e.reshaped(chosen, n.shape, n.name)


def _places(attributes: Any) -> Any:
    """Where each number lies, in order."""
    axes = [
        d * np.arange(n, dtype=np.int64)
        for n, d in zip(attributes["lengths"], attributes["strides"], strict=True)
    ]
    grid = np.ix_(*axes) if axes else (np.zeros(1, np.int64),)
    return (sum(grid) + attributes["first"]).reshape(-1)


EMIT: dict[str, Callable[[Emitter, Node], str]] = {
    "activate": activate,
    "add": add,
    "affine": affine,
    "average_along": average_along,
    "average_pool": pool,
    "batch_norm": batch_norm,
    "concatenate": concatenate,
    "constant": constant,
    "convolve": convolve,
    "dropout": dropout,
    "flatten": flatten,
    "identity": same("Identity"),
    "layer_norm": layer_norm,
    "linear": affine,
    "local_response_norm": local_response_norm,
    "matrix_product": same("MatMul"),
    "max_pool": pool,
    "multiply": chained("Mul"),
    "pad": pad,
    "put": put,
    "reshape": reshape,
    "row_activate": activate_rows,
    "rows_activate": activate_rows,
    "take": take,
    "transpose": transpose,
}
"""Op -> how it is written."""
