"""ONNX, in and out: fastnn.from_onnx(path), net.to_onnx(path), and the backend that the standard's own tests run.

    from_onnx(model)     a network, with the model's initialisers as parameters                      importing.py
    prepare(model)       any model of the operators that are read, also of several inputs: run()     backend.py
    backend()            the class for onnx.backend.test; `python -m fastnn.onnx.conformance`        backend.py, conformance.py
    to_onnx(net, path)   a model that says the same as net(X)                                        exporting.py

Needs the extra `onnx`.
"""

from fastnn.onnx import layers
from fastnn.onnx.backend import Prepared, backend, prepare
from fastnn.onnx.exporting import to_onnx
from fastnn.onnx.importing import from_onnx

__all__ = ["Prepared", "backend", "from_onnx", "layers", "prepare", "to_onnx"]
