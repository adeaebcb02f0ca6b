"""Another shape for the same numbers:  z = a, seen as one row a sample. Nothing moves in memory and nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Flatten"]


class Flatten(Op):
    """The plan lets z, delta and the tangents lie where the input's lie, so no method below has work to do."""

    name = "flatten"
    is_view = True

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return (prod(a[0]),)

    def forward(self, tape: Tape, n: NodeBuffers) -> None: ...

    def backward(self, tape: Tape, n: NodeBuffers) -> None: ...

    def tangent(self, tape: Tape, n: NodeBuffers) -> None: ...

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None: ...
