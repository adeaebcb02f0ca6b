"""from_onnx: the network that a model describes, ready to be asked, trained and saved."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import CapabilityError
from fastnn.network import Network
from fastnn.onnx.build import ANY_BATCH, Builder, CrossesBatch
from fastnn.onnx.model import Declared, Model, read
from fastnn.onnx.operators import LOWER, READ

__all__ = ["dtype_of", "from_onnx"]


def from_onnx(model: Any, *, dtype: str | None = None, seed: int = 0) -> Network:
    """The network of an ONNX model: a path, bytes, or a ModelProto. Initialisers become parameters, which fit trains on.

    The first axis of inputs and outputs is the batch. Of several inputs, a sample is their numbers one behind the other, in the model's order;
    of several outputs likewise. `dtype` is "float32" unless the model is of doubles. Dropout and batch normalisation are what they are in any
    network: on in fit, off when asked. `seed` is that of the network, for what fit draws.

    Opset 1 to the newest that the installed package onnx knows, with the attributes that operators had then. MissingExtraError without that
    package; StorageError for a file that is no valid model; CapabilityError names operators, types and attributes that fastnn does not read,
    before anything runs.

    >>> import fastnn as fnn, tempfile, pathlib
    >>> net = fnn.Network(4, [fnn.Dense(3, "tanh"), fnn.Dense(2)])
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.onnx"
    >>> net.to_onnx(path)
    >>> again = fnn.from_onnx(path)
    >>> again
    <Network (4,) -> (2,), 3 layers, 23 parameters, float32>
    >>> bool((again.theta == net.theta).all())
    True
    """
    found = read(model, READ)
    shapes = {declared.name: _shape(declared) for declared in found.inputs}
    try:
        builder = Builder(found, shapes, LOWER, dtype=dtype or dtype_of(found), seed=seed)
    except CrossesBatch as error:
        raise CapabilityError(
            f"the model is no network of one sample at a time: {error.what}",
            got=error.got,
            hint="run it as it is: fastnn.onnx.prepare(model).run(inputs)",
        ) from error
    constant = [o.name for o in found.outputs if isinstance(builder.values[o.name], np.ndarray)]
    if constant:
        raise CapabilityError(f"the model's output {constant[0]!r} does not depend on its input")
    builder.finish([declared.name for declared in found.outputs])
    return builder.network


def dtype_of(model: Model) -> str:
    """float64 where a double or a whole number goes in or comes out, else float32."""
    return "float32" if all(d.dtype in (np.float32, bool) for d in (*model.inputs, *model.outputs)) else "float64"  # fmt: skip


def _shape(declared: Declared) -> tuple[int, ...]:
    if declared.shape is None or any(n is None for n in declared.shape[1:]):
        raise CapabilityError(
            f"the model leaves the shape of its input {declared.name!r} open",
            got=declared.shape,
            expected="numbers for every axis but the first",
            hint="onnx.tools.update_model_dims.update_inputs_outputs_dims sets them",
        )
    if not declared.shape:
        raise CapabilityError(f"the model's input {declared.name!r} is one number, without a batch")
    first, *rest = declared.shape
    return (first or ANY_BATCH, *(n for n in rest if n is not None))
