"""Copies, their transposes, and parameters as nodes. All are linear.

    take       z[s,i] = a[s, at(i)]                  slices, transposes, broadcasts, the windows of a convolution
    put        z[s,at(i)] += a[s,i], from zeros      the transpose of take: padding, and one part of a concatenation
    constant   z[s,i] = W[i]                         a parameter as a node

at(i) = first + sum_axis index_axis(i) stride_axis, over up to seven axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops import Kernel, NodeBuffers, Op
from fastnn.ops.op import Shape, Tape

__all__ = ["Constant", "Put", "Take"]

AXES = 7


def take(i, z, a, size, a_size, first, n1, n2, n3, n4, n5, n6, d0, d1, d2, d3, d4, d5, d6):  # type: ignore[no-untyped-def]
    r = i % size
    place = i // size * a_size + first
    place += r % n6 * d6 + r // n6 % n5 * d5
    r = r // (n6 * n5)
    place += r % n4 * d4 + r // n4 % n3 * d3
    r = r // (n4 * n3)
    place += r % n2 * d2 + r // n2 % n1 * d1
    place += r // (n2 * n1) * d0
    z[i] += a[place]


def put(i, z, a, size, a_size, first, n1, n2, n3, n4, n5, n6, d0, d1, d2, d3, d4, d5, d6):  # type: ignore[no-untyped-def]
    for k in range(z.shape[1]):
        z[i, k] = 0.0
    for j in range(size):
        r = j
        place = first + r % n6 * d6 + r // n6 % n5 * d5
        r = r // (n6 * n5)
        place += r % n4 * d4 + r // n4 % n3 * d3
        r = r // (n4 * n3)
        place += r % n2 * d2 + r // n2 % n1 * d1
        place += r // (n2 * n1) * d0
        z[i, place] += a[i, j]


def constant(i, z, W, size):  # type: ignore[no-untyped-def]
    z[i] = W[i % size]


def gather_gradient(i, g, delta):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(delta.shape[0]):
        total += delta[s, i]
    g[i] += total


_PLACES = ("size", "a_size", "first", "n1", "n2", "n3", "n4", "n5", "n6", "d0", "d1", "d2", "d3", "d4", "d5", "d6")  # fmt: skip
TAKE = Kernel("onnx.take", take, {"z": "*", "a": "*"}, wholes=_PLACES, accumulates=True)
PUT = Kernel("onnx.put", put, {"z": "2", "a": "2"}, wholes=_PLACES, by_row=True)
CONSTANT = Kernel("onnx.constant", constant, {"z": "*", "W": "1"}, wholes=("size",))
GRADIENT = Kernel("onnx.constant_gradient", gather_gradient, {"g": "1", "delta": "2"}, accumulates=True)


class _Strided(Op):
    """Attributes: first, and lengths and strides of the axes that are copied; shape of the node that is made."""

    def _check(self, small: Shape, large: Shape, attributes: dict[str, Any]) -> None:
        lengths, strides, first = attributes["lengths"], attributes["strides"], attributes["first"]
        steps = [(n - 1) * d for n, d in zip(lengths, strides, strict=True)]
        low, high = (first + sum(s for s in steps if (s < 0) == below) for below in (True, False))
        if len(lengths) > AXES or prod(lengths) != prod(small) or low < 0 or high >= prod(large):
            raise ShapeError(
                f"{self.name} copies numbers that are not there",
                got=f"first {first}, lengths {lengths}, strides {strides}",
                expected=f"up to {AXES} axes, {prod(small)} numbers, places from 0 to {prod(large) - 1}",
            )

    def kernels(self) -> tuple[Kernel, ...]:
        return (TAKE, PUT)


def _places(small: Any, large: Any, n: NodeBuffers) -> dict[str, int]:
    """The whole settings of both kernels: the numbers of `small` lie among those of `large`, sample by sample."""
    lengths, strides = n.attributes["lengths"], n.attributes["strides"]
    lengths = (1,) * (AXES - len(lengths)) + tuple(lengths)
    strides = (0,) * (AXES - len(strides)) + tuple(strides)
    named = {f"n{k}": lengths[k] for k in range(1, AXES)} | {f"d{k}": strides[k] for k in range(AXES)}
    return {"size": small.row_size, "a_size": large.row_size, "first": n.attributes["first"], **named}


class Take(_Strided):
    name = "take"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        shape: Shape = tuple(attributes["shape"])
        self._check(shape, a[0], attributes)
        return shape

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(TAKE, n.z, n.a[0], **_places(n.z, n.a[0], n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(PUT, n.d_a[0], n.delta, **_places(n.z, n.a[0], n))

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(TAKE, n.dz, n.da[0], **_places(n.z, n.a[0], n))

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(PUT, n.dd_a[0], n.ddelta, **_places(n.z, n.a[0], n))


class Put(_Strided):
    name = "put"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        shape: Shape = tuple(attributes["shape"])
        self._check(a[0], shape, attributes)
        return shape

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(PUT, n.z, n.a[0], **_places(n.a[0], n.z, n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(TAKE, n.d_a[0], n.delta, **_places(n.a[0], n.z, n))

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(PUT, n.dz, n.da[0], **_places(n.a[0], n.z, n))

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(TAKE, n.dd_a[0], n.ddelta, **_places(n.a[0], n.z, n))


class Constant(Op):
    """No inputs, one parameter."""

    name = "constant"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return parameters[0]

    def kernels(self) -> tuple[Kernel, ...]:
        return (CONSTANT, GRADIENT)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(CONSTANT, n.z, n.parameters[0], size=n.z.row_size)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(GRADIENT, n.g[0], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(CONSTANT, n.dz, n.dparameters[0], size=n.z.row_size)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(GRADIENT, n.dg[0], n.ddelta)
