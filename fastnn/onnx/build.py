"""From a model to a network: each step becomes layers, initialisers become parameters.

Where every step keeps to one sample, the first axis of every tensor is the batch and does not appear in the network. Where one does not (a
concatenation along the first axis, a product with the transpose of the input), the whole tensor is one sample: `whole`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import CapabilityError
from fastnn.graph import Node
from fastnn.network import Network
from fastnn.onnx.fold import fold
from fastnn.onnx.layers import broadcast, c_strides, merged
from fastnn.onnx.model import Declared, Model, Step
from fastnn.registry import registry

__all__ = ["ANY_BATCH", "Builder", "CrossesBatch", "Value"]

Array = NDArray[Any]
Shape = tuple[int, ...]

ANY_BATCH = 1_000_003
"""The length of the first axis where the model leaves it open: a prime that no other axis has."""


class CrossesBatch(CapabilityError):
    """A step computes across the first axis, so that this axis is no batch."""


@dataclass(frozen=True)
class Value:
    """A tensor of the model: `shape` as ONNX has it, and the node with its numbers (in a shape of its own, as many of them)."""

    node: Node
    shape: Shape


class Builder:
    """Builds `network` from the steps of a model for inputs of these shapes; `lower` knows how each operator is said in layers.

    values      every tensor so far: a Value, or an array where it is constant
    assigned    what goes into parameters and statistics when the network stands
    drawn       settings of layers with many weights: without `draw`, their first values are zeros, which take no time
    """

    def __init__(
        self,
        model: Model,
        shapes: Mapping[str, Shape],
        lower: Mapping[str, Callable[[Builder, Step], Sequence[Value | Array]]],
        *,
        constants: Mapping[str, Array] | None = None,
        whole: bool = False,
        dtype: str = "float32",
        skip: frozenset[str] = frozenset(),
        seed: int = 0,
        draw: bool = True,
    ) -> None:
        self.drawn = {} if draw else {"initializer": "zeros"}
        self.model, self.whole, self.opset = model, whole, model.opset
        self.values: dict[str, Value | Array] = {"": np.zeros(0), **model.constants, **(constants or {})}
        self.assigned: dict[str, Array] = {}
        self._names: set[str] = {"input"}
        data = [declared for declared in model.inputs if declared.name in shapes]
        self._add_inputs(data, shapes, dtype, seed)
        for step in model.steps:
            if step.op not in skip:
                self._add(step, lower)

    # ---- inputs, steps, outputs
    def _add_inputs(self, data: Sequence[Declared], shapes: Mapping[str, Shape], dtype: str, seed: int) -> None:  # fmt: skip
        if not data:
            raise CapabilityError("the model has no input: all that it gives is constant")
        samples = [self.sample(shapes[declared.name]) for declared in data]
        firsts = {shapes[d.name][0] for d in data if shapes[d.name]}
        if not self.whole and (len(firsts) != 1 or any(not shapes[d.name] for d in data)):
            raise CrossesBatch("the inputs do not agree in their first axis", got=str(dict(shapes)))
        if len(data) == 1:
            self.network = Network(samples[0], dtype=dtype, seed=seed)
            self.values[data[0].name] = Value(self.network.input, shapes[data[0].name])
            return
        total = sum(map(prod, samples))
        self.network = Network(total, dtype=dtype, seed=seed)
        first = 0
        for declared, sample in zip(data, samples, strict=True):
            take = self._layer("take", shape=sample, lengths=(prod(sample),), strides=(1,), first=first)
            node = self.apply(declared.name, take, self.network.input)
            self.values[declared.name] = Value(node, shapes[declared.name])
            first += prod(sample)

    def _add(self, step: Step, lower: Mapping[str, Any]) -> None:
        given = [self.values[name] for name in step.inputs]
        made: Sequence[Value | Array] | None = None
        if step.op == "Shape":
            whole_shape = np.array(given[0].shape, np.int64)
            made = [whole_shape[step.attributes.get("start", 0) : step.attributes.get("end")]]
        elif all(isinstance(value, np.ndarray) for value in given):
            made = fold(self.model, step, [v for v in given if isinstance(v, np.ndarray)])
        if made is None:
            if step.op not in lower:
                raise CapabilityError(f"{step.label} is read only where its inputs are constants")
            made = lower[step.op](self, step)
        wanted = [name for name in step.outputs if name]
        if len(wanted) > len(made):
            raise CapabilityError(f"{step.label}: fastnn does not make its output {wanted[len(made)]!r}")
        self.values.update(zip(step.outputs, made, strict=False))

    def finish(self, names: Sequence[str]) -> list[tuple[str, Shape]]:
        """Let the network give these tensors, one behind the other where they are several; their names and shapes."""
        nodes = [self.values[name] for name in names]
        values = [value for value in nodes if isinstance(value, Value)]
        if len(values) == 1:
            output = self.shaped(values[0])
        else:
            rows = [self.apply("row", registry.get("layer", "flatten"), value.node) for value in values]
            output = self.apply("outputs", registry.get("layer", "concatenate"), *rows)
        if output is self.network.input:
            output = self.apply("output", registry.get("layer", "flatten"), output)
            if self.sample(values[0].shape) != output.shape:
                output = self.apply("output", self._layer("reshape", shape=self.sample(values[0].shape)), output)  # fmt: skip
        self.network.output = output
        known = self.network.parameters
        statistics = getattr(self.network, "statistics", {})
        for name, array in self.assigned.items():
            view = known[name] if name in known else statistics[name]
            view[...] = array.reshape(view.shape)
        return [(name, value.shape) for name, value in zip(names, nodes, strict=True) if isinstance(value, Value)]  # fmt: skip

    # ---- what the lowering of a step asks for
    def given(self, step: Step, place: int) -> Value | Array | None:
        """An input as it is; None where it is left away."""
        name = step.inputs[place] if place < len(step.inputs) else ""
        return self.values[name] if name else None

    def value(self, step: Step, place: int) -> Value:
        """An input that depends on the network's input."""
        found = self.given(step, place)
        if not isinstance(found, Value):
            raise CapabilityError(f"{step.label}: its input {place} is constant, which fastnn does not read")
        return found

    def array(self, step: Step, place: int, default: Any = None) -> Any:
        """An input that is constant; `default` where it is left away."""
        found = self.given(step, place)
        if found is None:
            return default
        if isinstance(found, Value):
            raise CapabilityError(
                f"{step.label}: {step.inputs[place]!r} is computed by the model, and fastnn reads it as a constant alone"
            )
        return found

    def common(self, step: Step, *shapes: Shape) -> Shape:
        """The shape that these broadcast to, by NumPy's rules."""
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            shown = ["batch" if n == ANY_BATCH else n for shape in shapes for n in (*shape, ";")]
            raise CapabilityError(
                f"{step.label}: these shapes do not broadcast", got=" ".join(map(str, shown)).rstrip(" ;")
            ) from None

    def crosses(self, step: Step) -> CrossesBatch:
        return CrossesBatch(f"{step.label} treats the entries of the first axis in different ways")

    def sample(self, shape: Sequence[int]) -> Shape:
        """The shape of one sample of a tensor of this shape."""
        return tuple(shape if self.whole else shape[1:]) or (1,)

    def axis(self, step: Step, axis: int, rank: int) -> int:
        """The axis of a sample that an axis of the tensor is; CrossesBatch for that of the batch."""
        if not -rank <= axis < max(rank, 1):
            raise CapabilityError(f"{step.label}: there is no axis {axis}", expected=f"{-rank} to {rank - 1}")
        axis %= max(rank, 1)
        if axis == 0 and not self.whole:
            raise CrossesBatch(f"{step.label} works along the first axis")
        return axis if self.whole else axis - 1

    def shaped(self, value: Value, shape: Sequence[int] | None = None) -> Node:
        """The node of a value, seen in this shape of a sample (its own by default)."""
        wanted = self.sample(value.shape) if shape is None else tuple(shape)
        if value.node.shape == wanted:
            return value.node
        if len(wanted) == 1:
            return self.apply("flat", registry.get("layer", "flatten"), value.node)
        return self.apply("reshape", self._layer("reshape", shape=wanted), value.node)

    def apply(self, name: str, layer: Any, *nodes: Node, **assigned: Any) -> Node:
        """A layer under a name of its own; `assigned` are the values of its parameters and statistics."""
        unique = self._unique(name)
        node = self.network.apply(unique, layer, *nodes)
        for parameter, values in assigned.items():
            if values is not None:
                self.assigned[f"{unique}/{parameter}"] = np.asarray(values)
        return node

    def layer(self, step: Step, name: str, *nodes: Node, assign: Mapping[str, Any] | None = None, **settings: Any) -> Node:  # fmt: skip
        """The layer of this registered name, called as the step is."""
        return self.apply(
            step.name or step.outputs[0], self._layer(name, **settings), *nodes, **(assign or {})
        )

    def expanded(self, value: Value, shape: Shape) -> Node:
        """A value repeated along axes where it is 1 long, by NumPy's rules; `shape` is of the tensor."""
        if not self.whole and (len(value.shape) != len(shape) or value.shape[0] != shape[0]):
            raise CrossesBatch("a tensor is repeated along the first axis", got=value.shape, expected=shape)
        small, large = self.sample(value.shape), self.sample(shape)
        if small == large:
            return self.shaped(value)
        return self.apply("broadcast", self._layer("take", **broadcast(small, large)), value.node)

    def transposed(self, value: Value, axes: Sequence[int]) -> Node:
        """The axes of a sample in another order."""
        shape = self.sample(value.shape)
        if list(axes) == sorted(axes):
            return self.shaped(value)
        new = tuple(shape[axis] for axis in axes)
        strides = [c_strides(shape)[axis] for axis in axes]
        return self.apply("transpose", self._layer("take", shape=new, **merged(new, strides)), value.node)

    def _layer(self, name: str, **settings: Any) -> Any:
        return registry.get("layer", name, **settings)

    def _unique(self, name: str) -> str:
        plain = name.strip("/@ ") or "layer"
        unique, number = plain, 1
        while unique in self._names:
            number += 1
            unique = f"{plain}_{number}"
        self._names.add(unique)
        return unique
