"""onnxruntime, inference only: the model is written with onnx.helper, Gemm and Relu, one thread inside a node.

`run` takes a NumPy array and gives one; with bound inputs and outputs nothing is looked up or made in a call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from cases import weights
from onnx import TensorProto, helper, numpy_helper

VERSION = onnxruntime.__version__
FIXED_COST = False


def model(sizes: tuple[int, ...]) -> bytes:
    nodes, tensors, source = [], [], "x"
    layers = weights(sizes)
    for k, (W, b) in enumerate(layers):
        tensors += [numpy_helper.from_array(W, f"W{k}"), numpy_helper.from_array(b, f"b{k}")]
        nodes.append(helper.make_node("Gemm", [source, f"W{k}", f"b{k}"], [f"z{k}"], transB=1))
        source = f"z{k}"
        if k < len(layers) - 1:
            nodes.append(helper.make_node("Relu", [source], [f"a{k}"]))
            source = f"a{k}"
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", sizes[0]])]
    outputs = [helper.make_tensor_value_info(source, TensorProto.FLOAT, ["batch", sizes[-1]])]
    graph = helper.make_graph(nodes, "network", inputs, outputs, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model(sizes), options, providers=["CPUExecutionProvider"])
    name = session.get_outputs()[0].name
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    room = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((len(x), sizes[-1]), np.float32))
    binding.bind_ortvalue_output(name, room)
    feed = {"x": x}

    def bound() -> np.ndarray:
        session.run_with_iobinding(binding)
        return room

    return {"run": lambda: session.run([name], feed)[0], "bound": bound}
