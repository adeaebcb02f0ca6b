"""Another shape for the same numbers:  z = a, seen as one row a sample, or in any other shape. Nothing moves in memory and nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Flatten", "Reshape"]


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


class Reshape(Flatten):
    """Attribute: shape, of a sample; one -1 stands for what is left."""

    name = "reshape"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        wanted, size = tuple(attributes["shape"]), prod(a[0])
        known = prod(n for n in wanted if n != -1)
        if wanted.count(-1) == 1 and known and size % known == 0:
            wanted = tuple(size // known if n == -1 else n for n in wanted)
        if -1 in wanted or prod(wanted) != size:
            raise ShapeError(
                f"a sample of shape {a[0]} has {size} numbers, which do not make the shape asked for",
                got=attributes["shape"],
                expected=f"a shape of {size} numbers, one length perhaps -1",
            )
        return wanted
