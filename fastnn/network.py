"""The network: built from layers (structure.py), trained, asked for outputs, saved. Everything users hold in their hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import inputs
from fastnn.arguments import as_batch, is_count, is_sample, same_length
from fastnn.contracts import Loss
from fastnn.engine import Device, as_device
from fastnn.errors import DataError, SettingError, ShapeError, UnknownNameError
from fastnn.history import History
from fastnn.measures import chosen_classes, measures
from fastnn.objective import Objective
from fastnn.ops import LossOp
from fastnn.ops.loss import link_kernel
from fastnn.passes import Passes
from fastnn.plan import MODES, Plan, build_plan
from fastnn.registry import registry
from fastnn.scaling import Scaler
from fastnn.structure import Structure

__all__ = ["Network"]

Array = NDArray[Any]


class Network(Structure):
    """A feed-forward network: a graph of layers over one flat vector `theta` of parameters.

    Network(n_in, layers) is a chain. For any other graph, apply layers to nodes by name and set `output`:

    >>> import fastnn as fnn
    >>> net = fnn.Network(4)
    >>> h = net.apply("hidden", fnn.Dense(4, "tanh"), net.input)
    >>> net.output = net.apply("residual", fnn.Add(), h, net.input)
    >>> net.theta.size, list(net.parameters)
    (20, ['hidden/W', 'hidden/b'])

    input_shape   features of one sample, a number or a shape
    seed          first values of the parameters depend on it and on the parameter's name
    dtype         "float32" or "float64", of everything inside
    """

    # ---- asking
    def __call__(
        self,
        X: ArrayLike,
        *,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> Array:
        """Raw outputs (batch, n_out) for rows X (batch, *input_shape); (n_out,) for one sample X (*input_shape).

        Small networks take a microsecond where X is a C-contiguous float32 or float64 array; anything else is converted first.
        """
        if threads is None and device is None:
            out = self._prepared.outputs(X)
            if out is not None:
                return out
        return self._ask("outputs", X, threads, as_device(device, precision, self.dtype, self._device))

    def predict(
        self,
        X: ArrayLike,
        *,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> Array:
        """What the loss's link shows of the outputs, for rows or for one sample: probabilities for cross-entropies, else the outputs."""
        if threads is None and device is None:
            out = self._prepared.shown(X)
            if out is not None:
                return out
        return self._ask("shown", X, threads, as_device(device, precision, self.dtype, self._device))

    def _ask(self, what: str, X: ArrayLike, threads: int | None, device: Device) -> Array:
        """Outputs, raw or as the loss's link shows them, the long way; a function for the next array of as many rows is prepared under way."""
        prepared = self._prepared  # before what it depends on: who changes that puts another one here
        passes = self._forward()
        if threads is None and device.is_cpu:
            out = prepared.other(what, X, self.input_shape)
            if out is not None:
                return out
        link = None if what == "outputs" or self.loss is None else link_kernel(self.loss)
        single = is_sample(X, self.input_shape)
        rows = self.as_rows(as_batch(X) if single else X)
        if threads is None and device.is_cpu and type(X) is np.ndarray and len(rows):
            prepared.add(what, len(rows), passes, link, self._scaling())
        out = passes.outputs(rows, link, threads, device)
        return out[0] if single else out

    def predict_classes(self, X: ArrayLike) -> Array:
        """The most probable class of every row, or of one sample: its label where fit saw labels, else its number."""
        out = self(X)
        single = out.ndim == len(self.output_shape)
        place = chosen_classes(out[None] if single else out)
        labels: Array = place if self.classes is None else self.classes[place]
        return labels[0] if single else labels

    def evaluate(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> dict[str, float]:
        """{"loss": ..., "accuracy": ...} for classes; {"loss": ..., "rmse": ..., "r2": ...} for values. (Weighted) means over the rows."""
        chosen = self.choose_loss(loss, y)
        targets = inputs.as_targets(y, chosen, self.output_shape, self.dtype, self._labels())
        rows = self.as_rows(X)
        same_length(rows, targets.array)
        weights = inputs.as_weights(sample_weight, None, targets, self.dtype)
        where = as_device(device, precision, self.dtype, self._device)
        return self.scores(rows, targets, chosen, weights, threads, where)

    def scores(
        self,
        rows: Array,
        targets: inputs.Targets,
        loss: Loss,
        weights: Array | None = None,
        threads: int | None = None,
        device: Device | None = None,
    ) -> dict[str, float]:
        """`evaluate` for rows and targets that are checked and scaled already."""
        where = self._device if device is None else device
        out, value = self._forward().outputs_and_loss(
            rows, targets.array, LossOp(loss, targets.kind), weights, threads, where
        )
        if loss.task == "regression" and loss.link is not None:
            out = self._forward().outputs(
                rows, link_kernel(loss), threads, where
            )  # what predict() shows is what y is
        return {"loss": value, **measures(out, targets, loss, weights)}

    def objective(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        threads: int | None = None,
        device: str | None = None,
        precision: str | None = None,
    ) -> Objective:
        """The mean loss over (X, y) as a function of theta, with gradient, Hessian-vector products and Hessian."""
        chosen = self.choose_loss(loss, y)
        targets = inputs.as_targets(y, chosen, self.output_shape, self.dtype, self._labels())
        weights = inputs.as_weights(sample_weight, class_weight, targets, self.dtype)
        rows = self.as_rows(X)
        same_length(rows, targets.array)
        if len(rows) == 0:
            raise DataError(
                "an objective needs rows", got=f"X.shape = {rows.shape}", expected="one row or more"
            )
        op = LossOp(chosen, targets.kind)
        self.output  # noqa: B018  (raises where there is none)
        where = as_device(device, precision, self.dtype, self._device)
        return Objective(
            self.graph, self.dtype, rows, targets.array, op, weights, threads, where, self.running
        )

    # ---- training: see training.py
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        loss: Any = None,
        optimizer: Any = "adam",
        epochs: int = 10,
        batch_size: int = 32,
        validation: float | Sequence[ArrayLike] | None = 0.0,
        seed: int | None = None,
        shuffle: bool = True,
        threads: int | None = None,
        callbacks: Any = (),
        verbose: bool | int = True,
        scale: str | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        resume: Any = None,
        device: str | None = None,
        precision: str | None = None,
        **settings: Any,
    ) -> History:
        """Train in place and return the history, one row an epoch; `help(fastnn.training.fit)` explains each argument.

        `settings` are the optimizer's, as eta=0.05. Ctrl-C ends training and keeps the network as it is.
        """
        from fastnn.training import fit

        return fit(
            self, X, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size, validation=validation,
            seed=seed, shuffle=shuffle, threads=threads, callbacks=callbacks, verbose=verbose, scale=scale,
            sample_weight=sample_weight, class_weight=class_weight, resume=resume, device=device, precision=precision, **settings,
        )  # fmt: skip

    # ---- looking
    def plan(self, batch: int = 1, mode: str = "infer", loss: Any = None) -> Plan:
        """What one pass does, as a table when printed. Modes: infer, value, gradient, hvp (the last three with a loss)."""
        self.output  # noqa: B018
        if not is_count(batch):
            raise SettingError("batch is not a number of rows", got=repr(batch), expected="1 or more")
        if mode not in MODES:
            raise UnknownNameError.among("mode of a plan", mode, MODES)
        if mode == "infer":
            return build_plan(self.graph, batch, self.dtype)
        chosen = self.choose_loss(loss, None)
        op = LossOp(chosen, "index" if chosen.index is not None else "row")
        return build_plan(self.graph, batch, self.dtype, mode, loss=op, training=mode == "gradient")

    def summary(self) -> str:
        """Layers, output shapes, parameters and floating-point operations for one sample, as a table."""
        from fastnn.summary import summary

        return summary(self)

    # ---- keeping
    def save(self, path: Any) -> None:
        """Write the network to a safetensors file, in one step."""
        from fastnn import storage

        storage.save(self, path)

    def to_onnx(self, path: Any) -> None:
        """Write net(X) as an ONNX model; `fastnn.from_onnx(path)` takes it back. Needs the extra `onnx`; see `help(fastnn.onnx.to_onnx)`."""
        from fastnn import onnx

        onnx.to_onnx(self, path)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        layers = [  # the objects themselves: they need not be registered
            {"name": name, "layer": layer, "inputs": list(sources)}
            for name, (layer, sources) in self.layers.items()
        ]
        config = {**self.config(), "layers": layers, "loss": self.loss}
        return _rebuild, (config, self._theta.copy(), self.scaler, self.history, self.running.copy())

    # ---- inside
    def _forward(self) -> Passes:
        self.output  # noqa: B018
        if self._passes is None:
            self._passes = Passes(self.graph, self._theta, self.dtype, self.running)
        return self._passes

    def as_rows(self, X: ArrayLike) -> Array:
        """X as the network reads it: checked, scaled, C-contiguous, in its dtype."""
        inputs.check_columns(X, self.features)
        if self.scaler is None:
            return inputs.as_rows(X, self.input_shape, self.dtype)
        rows = inputs.as_rows(X, self.input_shape, "float64")  # scaled before it is rounded
        return inputs.as_rows(self.scaler.transform(rows), self.input_shape, self.dtype)

    def _scaling(self) -> tuple[Array, Array] | None:
        if self.scaler is None:
            return None
        shift, scale = (
            np.ascontiguousarray(a, dtype=np.float64) for a in (self.scaler.shift, self.scaler.scale)
        )
        return shift, scale

    def _labels(self) -> Array | None:
        """The labels that fit saw, None before a fit."""
        return (
            inputs.class_numbers(self.output_shape)
            if self.classes is None and self.loss is not None
            else self.classes
        )

    def choose_loss(self, loss: Any, y: ArrayLike | None) -> Loss:
        """The loss given, else the one of the last fit, else what y asks for."""
        if loss is None:
            loss = (
                self.loss if self.loss is not None else "squared_error" if y is None else inputs.infer_loss(y)
            )
        found: Loss = registry.get("loss", loss)
        if len(self.output_shape) != 1:
            raise ShapeError(
                f"loss {found.name!r} reads rows, but an output has shape {self.output_shape}",
                hint="end with Flatten()",
            )
        return found


def _rebuild(
    config: dict[str, Any],
    theta: Array,
    scaler: Scaler | None,
    history: History,
    statistics: Array | None = None,
) -> Network:
    net = Network.from_config(config)
    net.put_back({"theta": theta} | ({} if statistics is None else {"statistics": statistics}))
    net.scaler, net.history = scaler, history
    return net
