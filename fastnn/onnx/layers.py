"""Layers that an imported model may need beside the library's: faces of the ops in ops.py, registered so that a network of them is saved and loaded."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.contracts import RowActivation
from fastnn.errors import ShapeError
from fastnn.onnx import ops
from fastnn.ops import Op
from fastnn.registry import registry

__all__ = [
    "LAYERS",
    "AverageAlong",
    "Linear",
    "MatrixProduct",
    "Put",
    "RowsActivation",
    "Scale",
    "Shift",
    "Take",
    "broadcast",
]

Shape = tuple[int, ...]


def broadcast(small: Shape, large: Shape) -> dict[str, Shape]:
    """How Take makes `large` of `small`, by NumPy's rules: shape, lengths and strides (0 along what is repeated)."""
    padded = (1,) * (len(large) - len(small)) + tuple(small)
    if len(padded) != len(large) or any(n not in (1, m) for n, m in zip(padded, large, strict=True)):
        raise ShapeError("this shape does not broadcast", got=small, expected=large)
    steps = c_strides(padded)
    strides = tuple(0 if n == 1 else d for n, d in zip(padded, steps, strict=True))
    return {"shape": large, **merged(large, strides)}


def c_strides(shape: Sequence[int]) -> Shape:
    """Strides in numbers of an array in C order."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


def merged(lengths: Sequence[int], strides: Sequence[int]) -> dict[str, Shape]:
    """The same copy with as few axes as can be."""
    axes: list[list[int]] = []
    for n, d in zip(lengths, strides, strict=True):
        if n == 1:
            continue
        if axes and axes[-1][1] == n * d:
            axes[-1] = [axes[-1][0] * n, d]
        else:
            axes.append([n, d])
    return {"lengths": tuple(n for n, _ in axes) or (1,), "strides": tuple(d for _, d in axes) or (0,)}


def _whole(numbers: Any) -> Shape:
    return tuple(int(n) for n in numbers)


class Take:
    """z[i] = a[first + sum_axis index_axis strides_axis]: a strided copy out of a sample, `lengths` in C order, seen as `shape`.

    A slice, a transpose, a broadcast (stride 0) and the windows of a convolution are such copies. Up to seven axes.
    """

    name = "take"
    op: type[Op] = ops.Take

    def __init__(self, shape: Any, lengths: Any, strides: Any, first: int = 0) -> None:
        self.shape, self.lengths, self.strides = _whole(shape), _whole(lengths), _whole(strides)
        self.first = int(first)

    def __call__(self, net: Any, a: Any) -> Any:
        where = {"lengths": self.lengths, "strides": self.strides, "first": self.first}
        return net.op(self.op(), a, shape=self.shape, **where)


class Put(Take):
    """The transpose of Take: zeros of `shape`, to which the numbers of a sample are added at the places that Take would read."""

    name = "put"
    op = ops.Put


def _parameter_as_node(net: Any, name: str, shape: Shape, initializer: Any, large: Shape) -> Any:
    """The parameter, repeated where it is 1 long."""
    node = net.op(ops.Constant(), parameters=(net.parameter(name, shape, initializer),))
    return node if shape == large else net.op(ops.Take(), node, first=0, **broadcast(shape, large))


class Shift:
    """z = a + b, with a parameter b of `shape` that broadcasts to a sample, as (channels, 1, 1)."""

    name = "shift"

    def __init__(self, shape: Any, initializer: Any = "zeros") -> None:
        self.shape, self.initializer = _whole(shape), initializer

    def __call__(self, net: Any, a: Any) -> Any:
        return net.op("add", a, _parameter_as_node(net, "b", self.shape, self.initializer, a.shape))


class Scale:
    """z = a w, with a parameter w of `shape` that broadcasts to a sample, as (channels, 1, 1)."""

    name = "scale"

    def __init__(self, shape: Any, initializer: Any = "normal") -> None:
        self.shape, self.initializer = _whole(shape), initializer

    def __call__(self, net: Any, a: Any) -> Any:
        by_channel = self.shape == (a.shape[0], *(1,) * (len(a.shape) - 1))  # need not be repeated
        large = self.shape if by_channel else a.shape
        return net.op("multiply", a, _parameter_as_node(net, "w", self.shape, self.initializer, large))


class Linear:
    """z = W a with W (n_out, n_in): Dense without a bias."""

    name = "linear"

    def __init__(self, n_out: int, initializer: Any = "glorot_uniform") -> None:
        self.n_out, self.initializer = int(n_out), initializer

    def __call__(self, net: Any, a: Any) -> Any:
        W = net.parameter("W", (self.n_out, prod(a.shape)), self.initializer)
        return net.op(ops.Linear(), a, parameters=(W,))


class MatrixProduct:
    """z = a b, (..., m, k) times (..., k, n): of two nodes, or of one and a parameter W of `shape`, on the `side` "right" or "left".

    W broadcasts to the axes in front.
    """

    name = "matrix_product"

    def __init__(self, shape: Any = None, side: str = "right", initializer: Any = "glorot_uniform") -> None:
        self.shape, self.side, self.initializer = (None if shape is None else _whole(shape)), side, initializer  # fmt: skip

    def __call__(self, net: Any, *nodes: Any) -> Any:
        if self.shape is not None:
            (a,) = nodes
            W = _parameter_as_node(net, "W", self.shape, self.initializer, (*a.shape[:-2], *self.shape[-2:]))
            nodes = (W, a) if self.side == "left" else (a, W)
        return net.op(ops.MatrixProduct(), *nodes)


class AverageAlong:
    """z[u] = the mean of a[u stride - pad + p dilation] over p, along one axis of a sample.

    kernel, stride, dilation   whole numbers; padding (before, after); ceil and count_padding as for AveragePool
    """

    name = "average_along"

    def __init__(self, axis: int, kernel: int, stride: int = 1, dilation: int = 1, padding: Any = (0, 0), ceil: bool = False, count_padding: bool = False) -> None:  # fmt: skip
        self.axis, self.kernel, self.stride, self.dilation = int(axis), int(kernel), int(stride), int(dilation)  # fmt: skip
        self.padding, self.ceil, self.count_padding = _whole(padding), bool(ceil), bool(count_padding)

    def __call__(self, net: Any, a: Any) -> Any:
        window = {name: getattr(self, name) for name in ("axis", "kernel", "stride", "dilation", "padding", "ceil")}  # fmt: skip
        return net.op(ops.AverageAlong(), a, counted=self.count_padding, **window)


class PlaceOfMax:
    """Where the largest number of a window lies, counted from the first number of the batch; a tie goes to the first.

    For the second output of ONNX's MaxPool: nothing can be learned through it, so it is no registered layer.
    """

    name = "place_of_max"

    def __init__(self, shape: Any, window: Any, stride: Any, dilation: Any, pad: Any, by_column: bool = False) -> None:  # fmt: skip
        self.shape, self.window, self.stride = _whole(shape), _whole(window), _whole(stride)
        self.dilation, self.pad, self.by_column = _whole(dilation), _whole(pad), bool(by_column)

    def __call__(self, net: Any, a: Any) -> Any:
        where = {name: getattr(self, name) for name in ("shape", "window", "stride", "dilation", "pad", "by_column")}  # fmt: skip
        return net.op(ops.PlaceOfMax(), a, **where)


class RowsActivation:
    """An activation of rows, as softmax, along the last of the two axes of a sample."""

    name = "rows_activation"

    def __init__(self, activation: Any) -> None:
        self.activation = activation

    def __call__(self, net: Any, z: Any) -> Any:
        found = registry.get("activation", self.activation)
        if not isinstance(found, RowActivation):
            raise ShapeError(
                f"activation {found.name!r} is one of numbers, not of rows", hint="fastnn.layers.Activation"
            )
        return net.op(ops.RowsActivate(found), z)


LAYERS = (AverageAlong, Take, Put, Shift, Scale, Linear, MatrixProduct, RowsActivation)
