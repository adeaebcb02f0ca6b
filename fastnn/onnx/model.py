"""An ONNX model as this package reads it: steps in order, constants, what goes in and comes out; anything else is refused by name, here.

Initialisers count as constants where they are listed among the inputs too, as models up to IR 3 have to.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import CapabilityError, StorageError, need_extra

__all__ = ["TRAINING", "Declared", "Model", "Step", "onnx", "read"]

Array = NDArray[Any]
TRAINING = "ai.onnx.preview.training"
DOMAINS = ("", "ai.onnx", TRAINING)
TYPES = ("FLOAT", "DOUBLE", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL")
"""Element types that are read; whole numbers are computed as float64, which is exact up to 2^53."""


@dataclass(frozen=True)
class Declared:
    """An input or output as the model declares it: `shape` None where it says nothing, an entry None where it is no number."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Step:
    """One node: operator, names of what it reads ("" where an optional input is absent) and makes, attributes."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    domain: str = ""

    @property
    def label(self) -> str:
        return f"{self.op} {self.name!r}" if self.name else f"{self.op} that makes {self.outputs[0]!r}"


@dataclass
class Model:
    """`opset` is the version of the standard operators; `constants` are the initialisers."""

    steps: list[Step]
    constants: dict[str, Array]
    inputs: list[Declared]
    outputs: list[Declared]
    opset: int

    def uses(self, name: str) -> list[tuple[Step, int]]:
        """The steps that read a tensor, and as which of their inputs."""
        return [(step, k) for step in self.steps for k, known in enumerate(step.inputs) if known == name]


def onnx() -> Any:
    """The package onnx; MissingExtraError where it is not installed."""
    return need_extra("onnx", "onnx")


def read(model: Any, known: Iterable[str]) -> Model:
    """The model of a path, of bytes or of a ModelProto, checked; CapabilityError names every operator that is not `known`."""
    proto = _proto(model)
    if proto.functions:
        proto = need_extra("onnx.inliner", "onnx").inline_local_functions(proto)
    graph = proto.graph
    if len(graph.sparse_initializer):
        raise CapabilityError("the model has sparse initialisers, which fastnn does not read")
    steps = [_step(node) for node in graph.node]
    _refuse_unknown(steps, set(known))
    constants = {tensor.name: _array(tensor) for tensor in graph.initializer}
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 1))
    newest = onnx().defs.onnx_opset_version()
    if opset > newest:
        raise CapabilityError(
            f"the model is of opset {opset}, and the installed onnx knows {newest}",
            hint="pip install --upgrade onnx",
        )
    inputs = [_declared(value) for value in graph.input if value.name not in constants]
    return Model(steps, constants, inputs, [_declared(value) for value in graph.output], opset)


def _proto(model: Any) -> Any:
    package = onnx()
    if isinstance(model, (str, Path)):
        path = Path(model).expanduser()
        with path.open("rb"):  # a missing file raises the error that everybody knows
            pass
        try:
            package.checker.check_model(str(path))
            return package.load(str(path))
        except Exception as error:
            raise StorageError(f"{path} is no valid ONNX model", got=_first_line(error)) from error
    try:
        proto = package.load_model_from_string(model) if isinstance(model, bytes) else model
        package.checker.check_model(proto)
    except Exception as error:
        raise StorageError("this is no valid ONNX model", got=_first_line(error)) from error
    return proto


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]


def _step(node: Any) -> Step:
    value = onnx().helper.get_attribute_value
    attributes = {a.name: _plain(value(a)) for a in node.attribute}
    domain = "" if node.domain == "ai.onnx" else node.domain
    return Step(node.op_type, node.name, tuple(node.input), tuple(node.output), attributes, domain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "data_type") and hasattr(value, "dims"):
        return _array(value)
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def _array(tensor: Any) -> Array:
    _element_type(tensor.data_type, f"tensor {tensor.name!r}")
    return np.array(onnx().numpy_helper.to_array(tensor))


def _element_type(number: int, what: str) -> np.dtype[Any]:
    name = onnx().TensorProto.DataType.Name(number)
    if name not in TYPES:
        raise CapabilityError(
            f"{what} is of type {name}, which fastnn does not read", expected=", ".join(TYPES)
        )
    dtype: np.dtype[Any] = onnx().helper.tensor_dtype_to_np_dtype(number)
    return dtype


def _declared(value: Any) -> Declared:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        word = (kind or "unknown_type").removesuffix("_type")
        raise CapabilityError(f"{value.name!r} is of type {word}: fastnn reads tensors alone")
    tensor = value.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return Declared(value.name, _element_type(tensor.elem_type, repr(value.name)), shape)


def _refuse_unknown(steps: list[Step], known: set[str]) -> None:
    unknown: dict[str, str] = {}
    for step in steps:
        if step.domain not in DOMAINS or step.op not in known:
            unknown.setdefault(f"{step.domain}.{step.op}".lstrip("."), step.name or step.outputs[0])
    if unknown:
        raise CapabilityError(
            f"the model has operators that fastnn does not read: {', '.join(sorted(unknown))}",
            got=", ".join(f"{op} at {where!r}" for op, where in sorted(unknown.items())),
            expected=f"any of {', '.join(sorted(known))}",
        )
