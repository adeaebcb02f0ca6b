"""to_onnx: a model that says what net(X) says, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import CapabilityError, StorageError
from fastnn.graph import Node, Parameter
from fastnn.network import Network
from fastnn.onnx.emit import EMIT
from fastnn.onnx.model import onnx

__all__ = ["OPSET", "Emitter", "to_onnx", "to_proto"]

Array = NDArray[Any]
OPSET = 20
"""The first that has Gelu; every operator that is written is as it was then."""
LARGEST = 2**31 - 1
"""Bytes of a protobuf message."""


def to_onnx(net: Network, path: Any) -> None:
    """Write the network as an ONNX model of opset 20: input (batch, *input_shape), output (batch, *output_shape), both of the network's dtype.

    The output is net(X), raw: what predict() shows through a loss's link is not part of it. Scaling of features is; dropout is off. Parameters
    are initialisers under their names here. Settings of activations are float32 in ONNX, so that of a float64 network some digits may differ.

    MissingExtraError without the package onnx; CapabilityError names what has no ONNX operator, before anything is written; StorageError for a
    path that cannot be written, and for more than 2 GB.
    """
    data = to_proto(net).SerializeToString()
    where = Path(path).expanduser()
    try:
        where.write_bytes(data)
    except OSError as error:
        raise StorageError(f"cannot write {where}: {error.strerror or error}") from error


def to_proto(net: Network) -> Any:
    """The model as an onnx.ModelProto, checked in full."""
    package = onnx()
    emitter = Emitter(net)
    model = emitter.model()
    if model.ByteSize() > LARGEST:
        raise StorageError("the network is too large for one ONNX file", got=f"{model.ByteSize():,} bytes", expected=f"at most {LARGEST:,}")  # fmt: skip
    package.checker.check_model(model, full_check=True)
    return model


class Emitter:
    """Collects operators, node by node; `emit.py` says which."""

    def __init__(self, net: Network) -> None:
        self.net, self.helper = net, onnx().helper
        self.dtype = np.dtype(net.dtype)
        self.operators: list[Any] = []
        self.initialisers: dict[str, Array] = {}
        self._taken: set[str] = {"input", "output"}
        self._tensors: dict[int, str] = {}

    def model(self) -> Any:
        nodes = self.net.graph.needed()
        unknown = sorted({_what(n) for n in nodes if n.op is not None and n.op.name not in EMIT})
        if unknown or self.net.output is self.net.input:
            what = ", ".join(unknown) or "a network without layers"
            raise CapabilityError(
                f"{what}: there is no ONNX operator that fastnn would write",
                expected=f"ops {', '.join(sorted(EMIT))}",
            )
        self._tensors[self.net.input.index] = self._input()
        for node in nodes:
            if node.op is not None:
                self._tensors[node.index] = EMIT[node.op.name](self, node)
        self.operator("Identity", [self.read(self.net.output)], output="output")
        helper, kind = self.helper, self.helper.np_dtype_to_tensor_dtype(self.dtype)
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.operators,
            "network",
            [info("input", kind, ["batch", *self.net.input_shape])],
            [info("output", kind, ["batch", *self.net.output_shape])],
            [onnx().numpy_helper.from_array(array, name) for name, array in self.initialisers.items()],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            graph,
            opset_imports=opsets,
            producer_name="fastnn",
            ir_version=helper.find_min_ir_version_for(opsets),
        )

    def _input(self) -> str:
        """The input, scaled as the network scales it: in float64."""
        scaler = self.net.scaler
        if scaler is None:
            return "input"
        double, own = (self.helper.np_dtype_to_tensor_dtype(np.dtype(d)) for d in (np.float64, self.dtype))
        wide = self.operator("Cast", ["input"], to=double)
        shifted = self.operator("Sub", [wide, self.constant("scaler/shift", np.asarray(scaler.shift, np.float64))])  # fmt: skip
        scaled = self.operator("Div", [shifted, self.constant("scaler/scale", np.asarray(scaler.scale, np.float64))])  # fmt: skip
        return self.operator("Cast", [scaled], to=own)

    # ---- what emit.py asks for
    def read(self, node: Node) -> str:
        """The name of the tensor with a node's numbers."""
        return self._tensors[node.index]

    def operator(self, op: str, inputs: list[str], name: str = "", output: str = "", **attributes: Any) -> str:  # fmt: skip
        """A new operator; the name of its output."""
        made = output or self._unique(name or op.lower())
        self.operators.append(self.helper.make_node(op, inputs, [made], name=f"{made}/{op}", **attributes))
        return made

    def constant(self, name: str, array: Array) -> str:
        """A new initialiser."""
        unique = self._unique(name)
        self.initialisers[unique] = np.array(array, order="C")
        return unique

    def number(self, name: str, value: float) -> str:
        """An initialiser of one number of the network's dtype."""
        return self.constant(name, np.asarray(value, self.dtype))

    def parameter(self, parameter: Parameter) -> str:
        """The initialiser of a parameter or statistic, under its own name; written once."""
        name = parameter.name
        if name not in self.initialisers:
            known = self.net.parameters if name in self.net.parameters else self.net.statistics
            self._taken.add(name)
            self.initialisers[name] = np.array(known[name])
        return name

    def batch_of_one(self, parameter: Parameter) -> str:
        """A parameter with an axis of length 1 in front."""
        axes = self.constant("axes", np.zeros(1, np.int64))
        return self.operator("Unsqueeze", [self.parameter(parameter), axes])

    def reshaped(self, tensor: str, shape: tuple[int, ...], name: str = "reshape") -> str:
        """The tensor with samples of this shape."""
        return self.operator("Reshape", [tensor, self.constant("shape", np.array([0, *shape], np.int64))], name)  # fmt: skip

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._taken:
            number += 1
            unique = f"{name}_{number}"
        self._taken.add(unique)
        return unique


def _what(node: Node) -> str:
    assert node.op is not None
    return f"op {node.op.name!r} (layer {node.name!r})"
