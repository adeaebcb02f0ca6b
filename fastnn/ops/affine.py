"""Affine map, the heart of a dense layer:  z = W a + b

    a       (batch, n_in)               input
    W, b    (n_out, n_in), (n_out,)     parameters
    z       (batch, n_out)              output; delta has its shape

    forward      z[s,j]      = sum_k W[j,k] a[s,k] + b[j]
    backward     dC/da[s,k] += sum_j W[j,k] delta[s,j]
    gradient_W   dC/dW[j,k] += sum_s delta[s,j] a[s,k]
    gradient_b   dC/db[j]   += sum_s delta[s,j]

The map is linear in a and in (W, b), so its tangents are made of the same four:
    dz       = dW a + db + W da
    d(dC/da) = dW^T delta + W^T ddelta           d(dC/dW) = ddelta^T a + delta^T da
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Affine"]


def forward(i, z, a, W, b):  # type: ignore[no-untyped-def]
    s = i // z.shape[1]
    j = i % z.shape[1]
    total = b[j]
    for k in range(a.shape[1]):
        total += W[j, k] * a[s, k]
    z[s, j] = total


def product(i, z, a, W):  # type: ignore[no-untyped-def]
    s = i // z.shape[1]
    j = i % z.shape[1]
    total = 0.0
    for k in range(a.shape[1]):
        total += W[j, k] * a[s, k]
    z[s, j] += total


def backward(i, da, delta, W):  # type: ignore[no-untyped-def]
    s = i // da.shape[1]
    k = i % da.shape[1]
    total = 0.0
    for j in range(delta.shape[1]):
        total += W[j, k] * delta[s, j]
    da[s, k] += total


def transposed(i, z, a, W, c):  # type: ignore[no-untyped-def]
    s = i // z.shape[1]
    k = i % z.shape[1]
    total = c[k]
    for j in range(a.shape[1]):
        total += W[j, k] * a[s, j]
    z[s, k] = total


def gradient_W(i, g, delta, a):  # type: ignore[no-untyped-def]
    j = i // g.shape[1]
    k = i % g.shape[1]
    total = 0.0
    for s in range(a.shape[0]):
        total += delta[s, j] * a[s, k]
    g[j, k] += total


def gradient_b(i, g, delta):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(delta.shape[0]):
        total += delta[s, i]
    g[i] += total


def _flops(z: Shape, a: Shape, *others: Shape) -> int:
    """A multiply-add counts two."""
    return 2 * prod(z) * a[1]


def _product(name: str, body: Any, result: str, *operands: str, bias: str = "") -> Kernel:
    arrays = {result: "2"} | dict.fromkeys(operands, "2") | ({bias: "1"} if bias else {})
    return Kernel(f"affine.{name}", body, arrays, accumulates=not bias, flops=_flops, by_column=True)


FORWARD = _product("forward", forward, "z", "a", "W", bias="b")
TRANSPOSED = _product("transposed", transposed, "z", "a", "W", bias="c")
"""z = W^T a + c: the way back through the same weights, as from the hidden to the visible units of a Boltzmann machine."""
PRODUCT = _product("product", product, "z", "a", "W")
BACKWARD = _product("backward", backward, "da", "delta", "W")
GRADIENT_W = Kernel(
    "affine.gradient_W",
    gradient_W,
    {"g": "2", "delta": "2", "a": "2"},
    accumulates=True,
    flops=lambda g, delta, a: 2 * prod(g) * a[0],
)
GRADIENT_B = Kernel("affine.gradient_b", gradient_b, {"g": "1", "delta": "2"}, accumulates=True)


class Affine(Op):
    name = "affine"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        (n_out, n_in), (n_b,) = parameters
        if a[0] != (n_in,) or n_b != n_out:
            raise ShapeError(
                f"input has shape {a[0]}, but W was built for {n_in} features",
                got=f"a {('batch', *a[0])}, W {(n_out, n_in)}, b {(n_b,)}",
                expected=f"a (batch, {n_in}), b ({n_out},)",
                hint="put Flatten() before a dense layer" if len(a[0]) > 1 else None,
            )
        return (n_out,)

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, PRODUCT, BACKWARD, GRADIENT_W, GRADIENT_B)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(FORWARD, n.z, n.a[0], *n.parameters)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(BACKWARD, n.d_a[0], n.delta, n.parameters[0])
        tape.add(GRADIENT_W, n.g[0], n.delta, n.a[0])
        tape.add(GRADIENT_B, n.g[1], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(FORWARD, n.dz, n.a[0], *n.dparameters)
        if n.da[0] is not None:
            tape.add(PRODUCT, n.dz, n.da[0], n.parameters[0])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(BACKWARD, n.dd_a[0], n.ddelta, n.parameters[0])
        tape.add(BACKWARD, n.dd_a[0], n.delta, n.dparameters[0])
        tape.add(GRADIENT_W, n.dg[0], n.ddelta, n.a[0])
        if n.da[0] is not None:
            tape.add(GRADIENT_W, n.dg[0], n.delta, n.da[0])
        tape.add(GRADIENT_B, n.dg[1], n.ddelta)
