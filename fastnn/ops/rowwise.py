"""Activation of a whole row at a time:  a = F(z), as softmax, J = dF/dz

    forward           a[s]      = F(z[s])
    backward          dC/dz[s]  = J^T delta[s]                     delta = dC/da
    tangent           da[s]     = J dz[s]
    backward_tangent  d(dC/dz)[s] = change of backward along dz, da, ddelta

The plugin writes whole rows, so nothing accumulates: where a gradient has another contribution, the plan adds the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.contracts import RowActivation
from fastnn.errors import CapabilityError, ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["RowActivate"]


def forward(i, a, z):  # type: ignore[no-untyped-def]
    row_value(a[i], z[i])  # noqa: F821  (row_value and the others are the plugin's)


def backward(i, out, delta, z, a):  # type: ignore[no-untyped-def]
    row_backward(out[i], delta[i], z[i], a[i])  # noqa: F821


def tangent(i, da, dz, z, a):  # type: ignore[no-untyped-def]
    row_tangent(da[i], dz[i], z[i], a[i])  # noqa: F821


def backward_tangent(i, out, delta, ddelta, z, dz, a, da):  # type: ignore[no-untyped-def]
    row_backward_tangent(out[i], delta[i], ddelta[i], z[i], dz[i], a[i], da[i])  # noqa: F821


class RowActivate(Op):
    name = "row_activate"
    reads_output = True

    def __init__(self, activation: RowActivation) -> None:
        self.activation = activation
        self.second_order = activation.tangent is not None and activation.backward_tangent is not None

        def kernel(body: Any, role: str, *arrays: str) -> Kernel:
            function = getattr(activation, role)
            settings = {s: activation.settings[s] for s in activation.takes(function)}
            return Kernel(
                f"row_activate.{role}",
                body,
                dict.fromkeys(arrays, "2"),
                functions={f"row_{role}": (function, settings)},
                by_row=True,
            )

        self._forward = kernel(forward, "value", "a", "z")
        self._backward = kernel(backward, "backward", "out", "delta", "z", "a")
        if self.second_order:
            self._tangent = kernel(tangent, "tangent", "da", "dz", "z", "a")
            self._backward_tangent = kernel(
                backward_tangent, "backward_tangent", "out", "delta", "ddelta", "z", "dz", "a", "da"
            )

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if len(a[0]) != 1:
            raise ShapeError(
                f"activation {self.activation.name!r} works on rows, but a sample has shape {a[0]}",
                expected="(batch, n)",
                hint="put Flatten() before it",
            )
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        second = (self._tangent, self._backward_tangent) if self.second_order else ()
        return (self._forward, self._backward, *second)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(self._forward, n.z, n.a[0])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(self._backward, n.d_a[0], n.delta, n.a[0], n.z)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        self._require_second_order()
        tape.write(self._tangent, n.dz, n.da[0], n.a[0], n.z)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        self._require_second_order()
        tape.add(self._backward_tangent, n.dd_a[0], n.delta, n.ddelta, n.a[0], n.da[0], n.z, n.dz)

    def _require_second_order(self) -> None:
        if not self.second_order:
            raise CapabilityError(
                f"activation {self.activation.name!r} has no backward_tangent, which exact second order needs",
                hint="use another activation, or an optimizer of first order",
            )
