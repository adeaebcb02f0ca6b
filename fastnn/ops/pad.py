"""Padding:  z = a with a frame of one value around it

a, z       (batch, ...)     input, output; up to three axes of a sample
padding                     (before, after) for each axis of a sample

forward    z[s, k] = a[s, k - before], `value` outside          backward   dC/da[s, k] += delta[s, k + before]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Pad"]

AXES = 3


def forward(i, z, a, m0, m1, m2, n0, n1, n2, before0, before1, before2, value):  # type: ignore[no-untyped-def]
    """`m`: lengths of the axes of z, `n`: those of a."""
    k2, k1, k0 = i % m2 - before2, i // m2 % m1 - before1, i // (m2 * m1) % m0 - before0
    s = i // (m2 * m1 * m0)
    inside = 0 <= k2 < n2 and 0 <= k1 < n1 and 0 <= k0 < n0
    z[i] = a[((s * n0 + k0) * n1 + k1) * n2 + k2] if inside else value


def backward(i, da, delta, m0, m1, m2, n0, n1, n2, before0, before1, before2):  # type: ignore[no-untyped-def]
    k2, k1, k0 = i % n2 + before2, i // n2 % n1 + before1, i // (n2 * n1) % n0 + before0
    s = i // (n2 * n1 * n0)
    da[i] += delta[((s * m0 + k0) * m1 + k1) * m2 + k2]


_WHERE = ("m0", "m1", "m2", "n0", "n1", "n2", "before0", "before1", "before2")
FORWARD = Kernel("pad.forward", forward, {"z": "*", "a": "*"}, wholes=_WHERE, reals=("value",))
BACKWARD = Kernel("pad.backward", backward, {"da": "*", "delta": "*"}, wholes=_WHERE, accumulates=True)


class Pad(Op):
    """Attributes: padding, value."""

    name = "pad"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        padding = attributes["padding"]
        if len(padding) != len(a[0]) or len(a[0]) > AXES:
            raise ShapeError(
                f"padding has {len(padding)} pairs, and a sample has shape {a[0]}",
                expected=f"(before, after) for each axis of a sample, at most {AXES}",
            )
        return tuple(n + before + after for n, (before, after) in zip(a[0], padding, strict=True))

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, BACKWARD)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(FORWARD, n.z, n.a[0], value=float(n.attributes["value"]), **_where(n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(BACKWARD, n.d_a[0], n.delta, **_where(n))

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(FORWARD, n.dz, n.da[0], value=0.0, **_where(n))

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(BACKWARD, n.dd_a[0], n.ddelta, **_where(n))


def _where(n: NodeBuffers) -> dict[str, int]:
    """Missing axes have length 1 and come first."""
    missing = AXES - len(n.z.shape[1:])
    columns = {
        "m": [1] * missing + [*n.z.shape[1:]],
        "n": [1] * missing + [*n.a[0].shape[1:]],
        "before": [0] * missing + [before for before, _ in n.attributes["padding"]],
    }
    return {f"{name}{k}": int(values[k]) for name, values in columns.items() for k in range(AXES)}
