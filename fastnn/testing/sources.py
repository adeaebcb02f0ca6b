"""A source of inputs for the checks of layers and ops: z = part of a + p, so that derivatives with respect to an input are those of p."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.ops import Kernel, NodeBuffers, Op
from fastnn.ops.op import Shape, Tape

__all__ = ["Source"]


def forward(i, z, a, p, first):  # type: ignore[no-untyped-def]
    for k in range(z.shape[1]):
        z[i, k] = a[i, first + k] + p[k]


def gradient(i, g, delta):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(delta.shape[0]):
        total += delta[s, i]
    g[i] += total


def tangent(i, dz, dp):  # type: ignore[no-untyped-def]
    for k in range(dz.shape[1]):
        dz[i, k] = dp[k]


FORWARD = Kernel("testing.source", forward, {"z": "2", "a": "2", "p": "1"}, wholes=("first",), by_row=True)
GRADIENT = Kernel("testing.source_gradient", gradient, {"g": "1", "delta": "2"}, accumulates=True)
TANGENT = Kernel("testing.source_tangent", tangent, {"dz": "2", "dp": "1"}, by_row=True)


class _SourceOp(Op):
    name = "testing_source"

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return self._shape

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, GRADIENT, TANGENT)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(FORWARD, n.z, n.a[0], n.parameters[0], **n.attributes)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(GRADIENT, n.g[0], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(TANGENT, n.dz, n.dparameters[0])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(GRADIENT, n.dg[0], n.ddelta)


class Source:
    """The layer around it: takes prod(shape) columns of its input from column `first` on."""

    name = "testing_source"

    def __init__(self, shape: Sequence[int], first: int = 0) -> None:
        self.shape, self.first = tuple(shape), first

    def __call__(self, net: Any, a: Any) -> Any:
        p = net.parameter("p", self.shape, "normal")
        return net.op(_SourceOp(self.shape), a, parameters=(p,), first=self.first)
