"""Other order of a sample's axes:  z[s, k_axes[0], k_axes[1], ...] = a[s, k_0, k_1, ...]

    a, z   (batch, ...)     input, output
    axes                    axis m of a sample of z is axis axes[m] of a sample of a

    forward    z = a with its axes moved          backward   dC/da += delta with its axes moved back

Linear, so tangents go the way of the values. Up to four axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Transpose"]

AXES = 4


def move(i, z, a, size, n1, n2, n3, step0, step1, step2, step3):  # type: ignore[no-untyped-def]
    """`n`: lengths of the axes of z; `step`: how far apart neighbours along them lie in a."""
    k = i % size
    k3, k2, k1 = k % n3, k // n3 % n2, k // (n3 * n2) % n1
    k0 = k // (n3 * n2 * n1)
    z[i] += a[i - k + k0 * step0 + k1 * step1 + k2 * step2 + k3 * step3]


MOVE = Kernel(
    "transpose.move",
    move,
    {"z": "*", "a": "*"},
    wholes=("size", "n1", "n2", "n3", "step0", "step1", "step2", "step3"),
    accumulates=True,
)


class Transpose(Op):
    """Attribute: axes."""

    name = "transpose"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        axes = attributes["axes"]
        if sorted(axes) != list(range(len(a[0]))) or len(axes) > AXES:
            raise ShapeError(
                "axes is no order of the axes of a sample",
                got=f"axes {tuple(axes)}, a sample {a[0]}",
                expected=f"each of {tuple(range(len(a[0])))} once, at most {AXES} of them",
            )
        return tuple(a[0][axis] for axis in axes)

    def kernels(self) -> tuple[Kernel, ...]:
        return (MOVE,)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(MOVE, n.z, n.a[0], **_there(n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(MOVE, n.d_a[0], n.delta, **_back(n))

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(MOVE, n.dz, n.da[0], **_there(n))

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(MOVE, n.dd_a[0], n.ddelta, **_back(n))


def _there(n: NodeBuffers) -> dict[str, int]:
    return _settings(n.a[0].shape[1:], tuple(n.attributes["axes"]))


def _back(n: NodeBuffers) -> dict[str, int]:
    axes = tuple(n.attributes["axes"])
    return _settings(n.z.shape[1:], tuple(axes.index(axis) for axis in range(len(axes))))


def _settings(shape: Shape, axes: Sequence[int]) -> dict[str, int]:
    """Lengths of the axes of the result, and their steps in the operand of this shape; axes of length 1 come first."""
    steps = [prod(shape[axis + 1 :]) for axis in axes]
    missing = AXES - len(axes)
    lengths = [1] * missing + [shape[axis] for axis in axes]
    steps = [0] * missing + steps
    names = {f"n{k}": lengths[k] for k in range(1, AXES)} | {f"step{k}": steps[k] for k in range(AXES)}
    return {"size": prod(shape), **names}
