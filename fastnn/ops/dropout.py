"""Dropout (Srivastava et al., 2014), inverted:  z = a m / (1 - rate), m = 1 with probability 1 - rate, in training; else z = a

    forward   z[i]       = a[i] m_i / (1 - rate)
    backward  dC/da[i]  += delta[i] m_i / (1 - rate)

m_i comes from a counter-based generator, m = f(seed, step, layer, i): nothing is stored, and the mask is the same on every device and
for any number of threads. i counts the elements of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.numerics import uniform
from fastnn.ops.join import ACCUMULATE
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Dropout"]


def forward(i, z, a, rate, layer, seed, step):  # type: ignore[no-untyped-def]
    scale = 1.0 / (1.0 - rate)
    z[i] = a[i] * scale if uniform(seed, step, layer, i) >= rate else 0.0


def backward(i, da, delta, rate, layer, seed, step):  # type: ignore[no-untyped-def]
    scale = 1.0 / (1.0 - rate)
    da[i] += delta[i] * scale if uniform(seed, step, layer, i) >= rate else 0.0


_SETTINGS: dict[str, Any] = {"reals": ("rate",), "wholes": ("layer",), "elementwise": True}
FORWARD = Kernel("dropout.forward", forward, {"z": "*", "a": "*"}, **_SETTINGS)
BACKWARD = Kernel("dropout.backward", backward, {"da": "*", "delta": "*"}, accumulates=True, **_SETTINGS)


class Dropout(Op):
    name = "dropout"
    backward_in_place = True

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, BACKWARD)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        if tape.training:
            tape.write(FORWARD, n.z, n.a[0], **n.attributes)
        else:
            tape.add(ACCUMULATE, n.z, n.a[0])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        if tape.training:
            tape.add(BACKWARD, n.d_a[0], n.delta, **n.attributes)
        else:
            tape.add(ACCUMULATE, n.d_a[0], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        if tape.training:
            tape.write(FORWARD, n.dz, n.da[0], **n.attributes)
        else:
            tape.add(ACCUMULATE, n.dz, n.da[0])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        if tape.training:
            tape.add(BACKWARD, n.dd_a[0], n.ddelta, **n.attributes)
        else:
            tape.add(ACCUMULATE, n.dd_a[0], n.ddelta)

    def overwrites_input(self, training: bool) -> bool:
        return True
