"""An op: the mathematics of one kind of node. It says which kernels run forward, backward and for tangents.

Letters: z output, a inputs, W parameters (as `n.parameters`), delta = dC/dz; `d` before a letter is a tangent (R-operator), as dz.
The tape writes instructions: `tape.write(kernel, out, ...)` overwrites, `tape.add(kernel, slot, ...)` adds to a gradient (and does nothing where
nobody wants it). Sizes follow from the operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastnn.errors import CapabilityError, PluginError
from fastnn.ops.kernel import Kernel

__all__ = ["NodeBuffers", "Op", "Shape", "Tape"]

Shape = tuple[int, ...]
Buffer = Any


class Tape(Protocol):
    """What an op writes its instructions to."""

    training: bool
    backward: bool
    """Whether a backward pass follows: what it needs has to be kept."""
    tracks: bool
    """Whether the network is being trained, so that running statistics move."""

    def room(self, name: str, shape: Shape, batched: bool = True) -> Buffer:
        """Memory for numbers that an op keeps from one instruction to another; `batched`: a row for each sample."""

    def write(self, kernel: Kernel, out: Buffer, *operands: Buffer, **settings: float) -> None:
        """out = kernel(operands); the result is overwritten."""

    def add(self, kernel: Kernel, slot: Buffer | None, *operands: Buffer, **settings: float) -> None:
        """slot += kernel(operands), where the slot is wanted; the first to add overwrites."""


@dataclass
class NodeBuffers:
    """Where the numbers of one node lie, for an op to name. Lists follow the node's inputs and parameters.

    z, a, parameters, statistics  values
    delta, d_a, g                 dC/dz; where dC/da and the parameters' gradients are added (None: not wanted)
    dz, da, dparameters           tangents (None in `da`: that input does not move)
    ddelta, dd_a, dg              tangents of delta, of dC/da and of the gradients
    kept                          what forward left for the others (tape.room)
    """

    name: str
    z: Buffer
    a: list[Buffer]
    parameters: list[Buffer]
    attributes: dict[str, Any] = field(default_factory=dict)
    delta: Buffer = None
    d_a: list[Buffer] = field(default_factory=list)
    g: list[Buffer] = field(default_factory=list)
    dz: Buffer = None
    da: list[Buffer] = field(default_factory=list)
    dparameters: list[Buffer] = field(default_factory=list)
    ddelta: Buffer = None
    dd_a: list[Buffer] = field(default_factory=list)
    dg: list[Buffer] = field(default_factory=list)
    statistics: list[Buffer] = field(default_factory=list)
    kept: dict[str, Buffer] = field(default_factory=dict)


class Op:
    """One kind of node. Shapes are per sample, without the batch.

    `kernels()` lists every kernel that the op can write, for the conformance checks.
    """

    name: str
    second_order = True
    is_view = False  # z lies where the input lies, in another shape
    reads_output = False  # backward needs z, so nobody may write over it
    backward_in_place = False  # dC/da may be written over delta

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        """Shape of the output; ShapeError where the inputs don't fit."""
        raise PluginError(f"op {self.name!r} has no method shape")

    def kernels(self) -> tuple[Kernel, ...]:
        return ()

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        """Write n.z from n.a and n.parameters."""
        raise PluginError(f"op {self.name!r} has no method forward")

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        """Add dC/da to n.d_a and the parameters' gradients to n.g, from n.delta."""
        raise PluginError(f"op {self.name!r} has no method backward, which training needs")

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        """n.dz from n.da and n.dparameters."""
        raise CapabilityError(f"op {self.name!r} has no tangents", hint="use an optimizer of first order")

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        """Add the tangents of what backward adds, from n.delta, n.ddelta and the tangents of the values."""
        raise CapabilityError(
            f"op {self.name!r} has no second derivative", hint="use an optimizer of first order"
        )

    def overwrites_input(self, training: bool) -> bool:
        """Whether z may lie where the input lies: the input is not needed after the forward pass."""
        return False

    def __repr__(self) -> str:
        return f"<op {self.name}>"
