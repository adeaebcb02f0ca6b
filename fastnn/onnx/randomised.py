"""The light models of the standard's suite with random weights in place of their constant ones, which prove little."""

from __future__ import annotations

import importlib
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import MissingExtraError
from fastnn.onnx.model import onnx
from fastnn.onnx.running import prepare

__all__ = ["against_onnxruntime", "randomised"]

Array = NDArray[Any]


def randomised(proto: Any, seed: int = 0) -> Any:
    """The model with weights N(0, 2 / fan_in), variances and scales from 0.5 to 1.5, everything else N(0, 0.1^2), and without its last Softmax."""
    helper, numpy_helper = onnx().helper, onnx().numpy_helper
    rng = np.random.default_rng(seed)
    sizes = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    readers = {name: (node, k) for node in proto.graph.node for k, name in enumerate(node.input)}
    nodes, made = [], []
    for node in proto.graph.node:
        if node.op_type == "ConstantOfShape":
            name = node.output[0]
            shape = tuple(int(n) for n in sizes[node.input[0]])
            made.append(numpy_helper.from_array(_values(rng, shape, *_role(readers, name)), name))
        else:
            nodes.append(node)
    last = nodes[-1]
    outputs = list(proto.graph.output)
    if last.op_type == "Softmax":
        nodes.pop()
        kind = outputs[0].type.tensor_type
        length = [d.dim_value for d in kind.shape.dim]
        outputs = [helper.make_tensor_value_info(last.input[0], kind.elem_type, length)]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in proto.graph.initializer if tensor.name in used]
    inputs = [value for value in proto.graph.input if value.name in used and value.name not in sizes]
    graph = helper.make_graph(nodes, proto.graph.name, inputs, outputs, [*kept, *made])
    return helper.make_model(graph, opset_imports=list(proto.opset_import), ir_version=4)


def _role(readers: dict[str, Any], name: str) -> tuple[str, int]:
    """The operator that reads a constant, and as which input; Unsqueeze is looked through."""
    node, place = readers[name]
    if node.op_type == "Unsqueeze":
        return _role(readers, node.output[0])
    return node.op_type, place


def _values(rng: np.random.Generator, shape: tuple[int, ...], op: str, place: int) -> Array:
    if op in ("Conv", "Gemm") and place == 1:
        values = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / prod(shape[1:])))
    elif op == "Mul" or (op == "BatchNormalization" and place in (1, 4)):
        values = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    else:
        values = rng.standard_normal(shape, np.float32) * np.float32(0.1)
    return values


def against_onnxruntime(proto: Any, seed: int = 0) -> float:
    """The largest difference between fastnn's and onnxruntime's outputs on a random image, over the largest output."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "this compares with onnxruntime, which is not installed", hint="pip install onnxruntime"
        ) from error
    (value,) = proto.graph.input
    shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
    image = np.random.default_rng(seed).standard_normal(shape, np.float32)
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (right,) = session.run(None, {value.name: image})
    (out,) = prepare(proto).run([image])
    return float(np.abs(out - right).max() / np.abs(right).max())
