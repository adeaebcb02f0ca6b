"""The backend that the standard's own tests run: models of any number of inputs, by the library's kernels.

Inputs that a layer keeps as parameters or needs to know before it is built (weights, shapes, bounds) are constants of the network, which is
built anew when they change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import CapabilityError, DataError, need_extra
from fastnn.onnx.batch_training import normalised, trains
from fastnn.onnx.build import Builder, CrossesBatch, Value
from fastnn.onnx.fold import fold
from fastnn.onnx.importing import dtype_of
from fastnn.onnx.losses import loss_of
from fastnn.onnx.model import Declared, Model, Step, read
from fastnn.onnx.operators import LOSSES, LOWER, OPTIMIZERS, READ
from fastnn.onnx.optimizers import updated

__all__ = ["Prepared", "backend", "prepare"]

Array = NDArray[Any]
EXACT = 2.0**53
KEPT = 8

KNOWN_BEFORE = {
    "BatchNormalization": (1, 2, 3, 4),
    "Clip": (1, 2),
    "Conv": (1, 2),
    "Dropout": (1, 2),
    "Gemm": (1, 2),
    "Reshape": (1,),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
}
"""Inputs of operators that are known before the network is built."""


def prepare(model: Any, device: str = "CPU", **options: Any) -> Prepared:
    """A model (path, bytes or ModelProto) that is ready to run; CapabilityError names what fastnn does not read."""
    if not device.upper().startswith("CPU"):
        raise CapabilityError(f"fastnn runs ONNX models on the CPU, not on {device!r}")
    return Prepared(read(model, {*READ, *LOSSES, *OPTIMIZERS}))


class Prepared:
    """A model that runs: `run(inputs)` takes arrays in the order of the model's inputs, or by name, and gives its outputs."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._built: OrderedDict[Any, _Built] = OrderedDict()
        self._direct = [step for step in model.steps if step.op in OPTIMIZERS or trains(model, step)]
        if self._direct and len(model.steps) > len(self._direct):
            raise CapabilityError(
                f"{self._direct[0].label} stands among other operators, which fastnn does not read",
                hint="fit trains a network that was imported for inference",
            )
        self._losses = [step for step in model.steps if step.op in LOSSES]
        for loss in self._losses:
            for name in loss.outputs:
                if name and (uses := model.uses(name)):
                    raise CapabilityError(f"{uses[0][0].label} reads a loss, which fastnn gives as an output alone")  # fmt: skip
        if self._losses and model.opset < 12:
            raise CapabilityError(f"{self._losses[0].label} came with opset 12", got=f"opset {model.opset}")
        self._constant = self._read_only_by(
            lambda step, k, declared: (
                k in KNOWN_BEFORE.get(step.op, ()) or _is_matrix(step, k, declared.shape)
            )
        )
        self._beside = self._read_only_by(lambda step, k, declared: step.op in LOSSES and k > 0)

    def run(self, inputs: Any, **options: Any) -> tuple[Array, ...]:
        """The outputs, as arrays of the declared types."""
        arrays = self._arrays(inputs)
        if self._direct:
            made = {**self.model.constants, **arrays}
            for step in self._direct:
                run = updated if step.op in OPTIMIZERS else normalised
                made.update(zip(step.outputs, run(step, [made[name] for name in step.inputs]), strict=False))
            return tuple(made[declared.name] for declared in self.model.outputs)
        constants = {name: array for name, array in arrays.items() if name in self._constant}
        beside = {name: array for name, array in arrays.items() if name in self._beside - self._constant}
        data = {name: array for name, array in arrays.items() if name not in self._constant | self._beside}
        if data and all(array.size == 0 for array in data.values()):
            return self._folded(arrays)
        key = (
            tuple((n, a.shape) for n, a in data.items()),
            tuple((n, a.shape, a.tobytes()) for n, a in constants.items()),
        )
        if key not in self._built:
            self._built[key] = _Built(self.model, {n: a.shape for n, a in data.items()}, constants, self._losses)  # fmt: skip
            if len(self._built) > KEPT:
                self._built.popitem(last=False)
        results = {**self.model.constants, **constants, **beside, **self._built[key].run(data)}
        for step in self._losses:
            scores, targets = (results[name] for name in step.inputs[:2])
            weights = results[step.inputs[2]] if len(step.inputs) > 2 and step.inputs[2] else None
            results[step.outputs[0]] = loss_of(step, scores, targets, weights)
        return tuple(_as_declared(declared, results[declared.name]) for declared in self.model.outputs)

    def _folded(self, arrays: dict[str, Array]) -> tuple[Array, ...]:
        """The outputs where no input has a number in it: shapes are all there is to compute."""
        values = {"": np.zeros(0), **self.model.constants, **arrays}
        for step in self.model.steps:
            made = fold(self.model, step, [values[name] for name in step.inputs])
            if made is None:
                raise DataError(f"{step.label} is given nothing but empty tensors")
            values.update(zip(step.outputs, made, strict=False))
        return tuple(_as_declared(declared, values[declared.name]) for declared in self.model.outputs)

    def _read_only_by(self, chosen: Callable[[Step, int, Declared], bool]) -> frozenset[str]:
        """The inputs that no other place of a step reads."""
        return frozenset(
            declared.name
            for declared in self.model.inputs
            if all(chosen(step, k, declared) for step, k in self.model.uses(declared.name))
        )

    def _arrays(self, inputs: Any) -> dict[str, Array]:
        names = [declared.name for declared in self.model.inputs]
        if not isinstance(inputs, dict):
            given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
            if len(given) != len(names):
                raise DataError("the model has other inputs", got=f"{len(given)} arrays", expected=", ".join(names))  # fmt: skip
            inputs = dict(zip(names, given, strict=True))
        arrays = {}
        for declared in self.model.inputs:
            if declared.name not in inputs:
                raise DataError(f"input {declared.name!r} is not given", got=", ".join(map(str, inputs)), expected=", ".join(names))  # fmt: skip
            array = np.asarray(inputs[declared.name])
            if array.dtype != declared.dtype:
                raise DataError(f"input {declared.name!r} is of another type", got=array.dtype, expected=declared.dtype)  # fmt: skip
            arrays[declared.name] = array
        return arrays


def _is_matrix(step: Step, place: int, shape: tuple[int | None, ...] | None) -> bool:
    """Whether this is the matrix on the right of a product."""
    return step.op == "MatMul" and place == 1 and shape is not None and len(shape) == 2


class _Built:
    """The network of a model for inputs of given shapes."""

    def __init__(self, model: Model, shapes: dict[str, Any], constants: dict[str, Array], losses: list[Step]) -> None:  # fmt: skip
        self.names = list(shapes)
        model = _with_log_probabilities(model, losses)
        of_losses = {step.outputs[0] for step in losses}
        wanted = [o.name for o in model.outputs if o.name not in of_losses]
        wanted += [step.inputs[0] for step in losses]
        wanted = list(dict.fromkeys(wanted))
        build = {"constants": constants, "dtype": dtype_of(model), "skip": LOSSES, "draw": False}
        try:
            builder = Builder(model, shapes, LOWER, **build)  # type: ignore[arg-type]
            self.whole = False
        except CrossesBatch:
            builder = Builder(model, shapes, LOWER, whole=True, **build)  # type: ignore[arg-type]
            self.whole = True
        self.constants = {n: v for n in wanted if isinstance(v := builder.values[n], np.ndarray)}
        made = [n for n in wanted if isinstance(builder.values[n], Value)]
        self.outputs = builder.finish(made) if made else []
        self.network = builder.network

    def run(self, data: dict[str, Array]) -> dict[str, Array]:
        results = {**data, **self.constants}
        if not self.outputs:
            return results
        batch = 1 if self.whole else len(data[self.names[0]])
        columns = [np.asarray(data[n], np.float64 if data[n].dtype.kind in "iu" else data[n].dtype).reshape(batch, -1) for n in self.names]  # fmt: skip
        if any(data[n].dtype.kind in "iu" and np.abs(column).max(initial=0) >= EXACT for n, column in zip(self.names, columns, strict=True)):  # fmt: skip
            raise DataError("whole numbers from 2^53 on are not exact in float64", got=self.names)
        X = np.concatenate(columns, axis=1).reshape(batch, *self.network.input_shape)
        out = self.network(X).reshape(batch, -1)
        first = 0
        for name, shape in self.outputs:
            size = prod(shape) // batch
            results[name] = out[:, first : first + size].reshape(shape)
            first += size
        return results


def _with_log_probabilities(model: Model, losses: list[Step]) -> Model:
    """The second output of SoftmaxCrossEntropyLoss is a LogSoftmax over the classes."""
    extra = [
        Step("LogSoftmax", f"{step.name}/log_prob", step.inputs[:1], step.outputs[1:2], {"axis": 1})
        for step in losses
        if len(step.outputs) > 1 and step.outputs[1]
    ]
    if not extra:
        return model
    return Model([*model.steps, *extra], model.constants, model.inputs, model.outputs, max(model.opset, 13))


def _as_declared(declared: Any, array: Array) -> Array:
    if declared.dtype.kind in "iu" and array.dtype.kind == "f":
        whole = np.rint(array)
        if np.abs(whole).max(initial=0) >= EXACT:
            raise DataError(f"output {declared.name!r}: whole numbers from 2^53 on are not exact in float64")
        return whole.astype(np.int64).astype(declared.dtype)  # modulo 2^bits, as arithmetic of that type is
    return np.asarray(array).astype(declared.dtype)


@cache
def backend() -> Any:
    """The class for onnx.backend.test: a subclass of onnx.backend.base.Backend."""
    base = need_extra("onnx.backend.base", "onnx")

    class Representation(base.BackendRep):  # type: ignore[misc, name-defined]
        def __init__(self, prepared: Prepared) -> None:
            self.prepared = prepared

        def run(self, inputs: Any, **options: Any) -> tuple[Any, ...]:
            return self.prepared.run(inputs)

    class Backend(base.Backend):  # type: ignore[misc, name-defined]
        """fastnn as a backend of ONNX."""

        @classmethod
        def is_compatible(cls, model: Any, device: str = "CPU", **options: Any) -> bool:
            try:
                prepare(model, device)
            except CapabilityError:
                return False
            return True

        @classmethod
        def prepare(cls, model: Any, device: str = "CPU", **options: Any) -> Any:
            return Representation(prepare(model, device))

        @classmethod
        def supports_device(cls, device: str) -> bool:
            return device.upper().startswith("CPU")

    return Backend
