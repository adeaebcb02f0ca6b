"""Activation, element by element:  a = f(z)

    forward           a      = f(z)
    backward          dC/dz += delta f'(z)                         delta = dC/da
    tangent           da     = f'(z) dz
    backward_tangent  d(dC/dz) += ddelta f'(z) + delta f''(z) dz

The plugin gives value, slope and curvature; the op's z is the plugin's a, and the op's input is its z.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from fastnn.contracts import Activation
from fastnn.errors import CapabilityError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Activate"]


def forward(i, a, z):  # type: ignore[no-untyped-def]
    a[i] = value(z[i])  # noqa: F821  (value, slope and curvature are the plugin's)


def backward(i, out, delta, z, a):  # type: ignore[no-untyped-def]
    out[i] += delta[i] * slope(z[i], a[i])  # noqa: F821


def tangent(i, da, dz, z, a):  # type: ignore[no-untyped-def]
    da[i] = slope(z[i], a[i]) * dz[i]  # noqa: F821


def backward_tangent(i, out, delta, ddelta, z, dz, a):  # type: ignore[no-untyped-def]
    out[i] += ddelta[i] * slope(z[i], a[i]) + delta[i] * curvature(z[i], a[i]) * dz[i]  # noqa: F821


class Activate(Op):
    name = "activate"
    backward_in_place = True
    reads_output = True

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        functions = {
            role: (function, {s: activation.settings[s] for s in activation.takes(function)})
            for role in ("value", "slope", "curvature")
            if (function := getattr(activation, role)) is not None
        }

        def kernel(body: Any, arrays: dict[str, str], *roles: str, accumulates: bool = False) -> Kernel:
            used = {role: functions[role] for role in roles}
            return Kernel(
                f"activate.{body.__name__}",
                body,
                arrays,
                functions=used,
                accumulates=accumulates,
                elementwise=True,
            )

        self._forward = kernel(forward, {"a": "*", "z": "*"}, "value")
        self._backward = kernel(
            backward, {"out": "*", "delta": "*", "z": "*", "a": "*"}, "slope", accumulates=True
        )
        self._tangent = kernel(tangent, {"da": "*", "dz": "*", "z": "*", "a": "*"}, "slope")
        self.second_order = activation.curvature is not None
        if self.second_order:
            arrays = {name: "*" for name in ("out", "delta", "ddelta", "z", "dz", "a")}
            self._backward_tangent = kernel(backward_tangent, arrays, "slope", "curvature", accumulates=True)

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        second = (self._backward_tangent,) if self.second_order else ()
        return (self._forward, self._backward, self._tangent, *second)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(self._forward, n.z, n.a[0])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(self._backward, n.d_a[0], n.delta, n.a[0], n.z)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(self._tangent, n.dz, n.da[0], n.a[0], n.z)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        if not self.second_order:
            raise CapabilityError(
                f"activation {self.activation.name!r} has no curvature, which exact second order needs",
                hint="use another activation, or an optimizer of first order",
            )
        tape.add(self._backward_tangent, n.dd_a[0], n.delta, n.ddelta, n.a[0], n.da[0], n.z)

    def overwrites_input(self, training: bool) -> bool:
        """True where the slope is computed from a alone, as for relu, tanh and logistic."""
        return not training or "z" not in _names_used(self.activation.slope)


def _names_used(function: Any) -> set[str]:
    """Argument names that the function reads."""
    code = function.__code__
    return {
        instruction.argval
        for instruction in _instructions(code)
        if instruction.opname.startswith("LOAD_FAST")
    } & set(inspect.signature(function).parameters)


def _instructions(code: Any) -> Any:
    import dis

    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, tuple):  # LOAD_FAST_LOAD_FAST of Python 3.13 names two
            for name in instruction.argval:
                yield instruction._replace(argval=name)
        else:
            yield instruction
