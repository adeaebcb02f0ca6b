"""Linear joins of two or more nodes, and the copies they are made of.

    add          z = a_1 + a_2 + ...             dC/da_m += delta
    concatenate  z = [a_1, a_2, ...]             dC/da_m += delta[..., slice m]     along the first axis of a sample

Both are linear, so tangents go the way of the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["ACCUMULATE", "Add", "Concatenate"]


def accumulate(i, z, a):  # type: ignore[no-untyped-def]
    z[i] += a[i]


def put(i, z, a, first):  # type: ignore[no-untyped-def]
    for k in range(a.shape[1]):
        z[i, first + k] = a[i, k]


def take(i, out, delta, first):  # type: ignore[no-untyped-def]
    for k in range(out.shape[1]):
        out[i, k] += delta[i, first + k]


ACCUMULATE = Kernel("join.accumulate", accumulate, {"z": "*", "a": "*"}, accumulates=True, elementwise=True)
PUT = Kernel("join.put", put, {"z": "2", "a": "2"}, wholes=("first",), by_row=True)
TAKE = Kernel("join.take", take, {"out": "2", "delta": "2"}, wholes=("first",), by_row=True, accumulates=True)


class Add(Op):
    name = "add"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if len(a) < 2 or len(set(a)) != 1:
            raise ShapeError(
                "add joins two or more nodes of one shape",
                got=", ".join(map(str, a)),
                expected="equal shapes",
                hint="bring them to one width with a Dense layer, or use Concatenate",
            )
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        return (ACCUMULATE,)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        for a in n.a:
            tape.add(ACCUMULATE, n.z, a)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        for slot in n.d_a:
            tape.add(ACCUMULATE, slot, n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        for da in n.da:
            if da is not None:
                tape.add(ACCUMULATE, n.dz, da)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        for slot in n.dd_a:
            tape.add(ACCUMULATE, slot, n.ddelta)


class Concatenate(Op):
    name = "concatenate"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if len(a) < 2 or len({shape[1:] for shape in a}) != 1:
            raise ShapeError(
                "concatenate joins two or more nodes whose shapes agree behind the first axis",
                got=", ".join(map(str, a)),
                expected="(n_1, ...), (n_2, ...)",
            )
        return (sum(shape[0] for shape in a), *a[0][1:])

    def kernels(self) -> tuple[Kernel, ...]:
        return (PUT, TAKE)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        for a, first in _places(n.a):
            tape.write(PUT, n.z, a, first=first)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        for (_, first), slot in zip(_places(n.a), n.d_a, strict=True):
            tape.add(TAKE, slot, n.delta, first=first)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        for (_, first), da in zip(_places(n.a), n.da, strict=True):
            if da is not None:
                tape.write(PUT, n.dz, da, first=first)
            # an input that doesn't move leaves zeros: the plan hands dz over zeroed

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        for (_, first), slot in zip(_places(n.a), n.dd_a, strict=True):
            tape.add(TAKE, slot, n.ddelta, first=first)


def _places(a: Sequence[Any]) -> list[tuple[Any, int]]:
    """Each input with the number of elements of a sample before it."""
    first, places = 0, []
    for buffer in a:
        places.append((buffer, first))
        first += buffer.row_size
    return places
