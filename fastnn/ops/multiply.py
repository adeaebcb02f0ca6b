"""Product of two nodes, element by element:  z = a b

    a, z   (batch, ...)                  input, output
    b      as a, or with trailing axes of length 1, as (batch, channels, 1, 1): one number for all pixels of a channel

    forward    z[i] = a[i] b[i // pixels]
    backward   dC/da[i] += delta[i] b[i // pixels]          dC/db[j] += sum over the pixels of j of delta[i] a[i]

Bilinear, so tangents are made of the same two.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Multiply"]


def product(i, z, a, b):  # type: ignore[no-untyped-def]
    z[i] += a[i] * b[i]


def scaled(i, z, a, b, pixels):  # type: ignore[no-untyped-def]
    z[i] += a[i] * b[i // pixels]


def summed(i, out, delta, a, pixels):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(i * pixels, (i + 1) * pixels):
        total += delta[k] * a[k]
    out[i] += total


def _kernel(name: str, body: Any, *arrays: str, **settings: Any) -> Kernel:
    return Kernel(f"multiply.{name}", body, dict.fromkeys(arrays, "*"), accumulates=True, **settings)


PRODUCT = _kernel("product", product, "z", "a", "b", elementwise=True)
SCALED = _kernel("scaled", scaled, "z", "a", "b", wholes=("pixels",))
SUMMED = _kernel("summed", summed, "out", "delta", "a", wholes=("pixels",))


class Multiply(Op):
    name = "multiply"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if len(a) != 2 or len(a[0]) != len(a[1]) or not _fits(a[0], a[1]):
            raise ShapeError(
                "multiply takes two nodes of one shape, the second perhaps with trailing axes of length 1",
                got=", ".join(map(str, a)),
                expected="(channels, height, width) and the same, or (channels, 1, 1)",
            )
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        return (PRODUCT, SCALED, SUMMED)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        _times(tape, n, n.z, n.a[0], n.a[1])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        _times(tape, n, n.d_a[0], n.delta, n.a[1])
        _sum(tape, n, n.d_a[1], n.delta, n.a[0])

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        for da, a in ((n.da[0], n.a[1]), (n.a[0], n.da[1])):
            if da is not None and a is not None:
                _times(tape, n, n.dz, da, a)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        _times(tape, n, n.dd_a[0], n.ddelta, n.a[1])
        _sum(tape, n, n.dd_a[1], n.ddelta, n.a[0])
        if n.da[1] is not None:
            _times(tape, n, n.dd_a[0], n.delta, n.da[1])
        if n.da[0] is not None:
            _sum(tape, n, n.dd_a[1], n.delta, n.da[0])


def _fits(a: Shape, b: Shape) -> bool:
    same = 0
    while same < len(a) and a[same] == b[same]:
        same += 1
    return set(b[same:]) <= {1}


def _times(tape: Tape, n: NodeBuffers, z: Any, a: Any, b: Any) -> None:
    pixels = _pixels(n)
    if pixels == 1:
        tape.add(PRODUCT, z, a, b)
    else:
        tape.add(SCALED, z, a, b, pixels=pixels)


def _sum(tape: Tape, n: NodeBuffers, out: Any, delta: Any, a: Any) -> None:
    pixels = _pixels(n)
    if pixels == 1:
        tape.add(PRODUCT, out, delta, a)
    else:
        tape.add(SUMMED, out, delta, a, pixels=pixels)


def _pixels(n: NodeBuffers) -> int:
    """Numbers of a for one of b."""
    return prod(n.a[0].shape[1:]) // max(prod(n.a[1].shape[1:]), 1) or 1
