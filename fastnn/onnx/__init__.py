"""ONNX, in and out: fastnn.from_onnx(path), net.to_onnx(path), and the backend that the standard's own tests run.

    from_onnx(model)     a network, with the model's initialisers as parameters                      importing.py
    prepare(model)       any model of the operators that are read, also of several inputs: run()     running.py
    backend()            the class for onnx.backend.test; `python -m fastnn.onnx.conformance`        running.py, conformance.py
    to_onnx(net, path)   a model that says the same as net(X)                                        exporting.py
    layers               what imported models are made of beside the library's layers                layers.py

Needs the extra `onnx`. Modules are imported when they are first asked for: `import fastnn` does not wait for them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnn.onnx import layers
    from fastnn.onnx.exporting import to_onnx
    from fastnn.onnx.importing import from_onnx
    from fastnn.onnx.running import Prepared, backend, prepare

__all__ = ["Prepared", "backend", "from_onnx", "layers", "prepare", "to_onnx"]

PLACES = {
    "Prepared": "running",
    "backend": "running",
    "from_onnx": "importing",
    "prepare": "running",
    "to_onnx": "exporting",
}


def __getattr__(name: str) -> Any:
    if name in PLACES:
        return getattr(importlib.import_module(f"fastnn.onnx.{PLACES[name]}"), name)
    if name == "layers":
        return importlib.import_module("fastnn.onnx.layers")
    raise AttributeError(f"module 'fastnn.onnx' has no attribute {name!r}")
