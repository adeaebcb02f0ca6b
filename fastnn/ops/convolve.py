"""Convolution (as the field says it; mathematically a correlation):  z = W * a + b

    a       (batch, n_in, height, width)                  input
    W, b    (n_out, n_in / groups, kernel height, kernel width), (n_out,)      parameters; b may be left away
    z       (batch, n_out, height', width')               output; delta has its shape

    forward      z[s,j,u,v]     = b[j] + sum_{k,p,q} W[j,k,p,q] a[s, k, y, x]      y = u stride - pad + p dilation, x likewise; zeros outside
    backward     dC/da[s,k,y,x] += sum_{j,p,q} W[j,k,p,q] delta[s,j,u,v]           over all u, v, p, q that meet y, x
    gradient_W   dC/dW[j,k,p,q] += sum_{s,u,v} delta[s,j,u,v] a[s,k,y,x]
    gradient_b   dC/db[j]       += sum_{s,u,v} delta[s,j,u,v]

With groups, output channels j of one group see the input channels of that group only. Bilinear in a and W as the affine map is, so tangents
are made of the same four.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["Convolve"]


def forward(i, z, a, W, b, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v):  # type: ignore[no-untyped-def]
    v, u = i % z.shape[3], i // z.shape[3] % z.shape[2]
    j, s = i // (z.shape[3] * z.shape[2]) % z.shape[1], i // (z.shape[3] * z.shape[2] * z.shape[1])
    first = j // (z.shape[1] * W.shape[1] // a.shape[1]) * W.shape[1]
    total = b[j]
    for k in range(W.shape[1]):
        for p in range(W.shape[2]):
            y = u * stride_u - pad_u + p * dilation_u
            if 0 <= y < a.shape[2]:
                for q in range(W.shape[3]):
                    x = v * stride_v - pad_v + q * dilation_v
                    if 0 <= x < a.shape[3]:
                        total += W[j, k, p, q] * a[s, first + k, y, x]
    z[s, j, u, v] = total


def product(i, z, a, W, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v):  # type: ignore[no-untyped-def]
    v, u = i % z.shape[3], i // z.shape[3] % z.shape[2]
    j, s = i // (z.shape[3] * z.shape[2]) % z.shape[1], i // (z.shape[3] * z.shape[2] * z.shape[1])
    first = j // (z.shape[1] * W.shape[1] // a.shape[1]) * W.shape[1]
    total = 0.0
    for k in range(W.shape[1]):
        for p in range(W.shape[2]):
            y = u * stride_u - pad_u + p * dilation_u
            if 0 <= y < a.shape[2]:
                for q in range(W.shape[3]):
                    x = v * stride_v - pad_v + q * dilation_v
                    if 0 <= x < a.shape[3]:
                        total += W[j, k, p, q] * a[s, first + k, y, x]
    z[s, j, u, v] += total


def backward(i, da, delta, W, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v):  # type: ignore[no-untyped-def]
    x, y = i % da.shape[3], i // da.shape[3] % da.shape[2]
    k, s = i // (da.shape[3] * da.shape[2]) % da.shape[1], i // (da.shape[3] * da.shape[2] * da.shape[1])
    n_out = delta.shape[1] * W.shape[1] // da.shape[1]  # of one group
    first = k // W.shape[1] * n_out
    total = 0.0
    for p in range(W.shape[2]):
        u = y + pad_u - p * dilation_u
        if u >= 0 and u % stride_u == 0 and u // stride_u < delta.shape[2]:
            for q in range(W.shape[3]):
                v = x + pad_v - q * dilation_v
                if v >= 0 and v % stride_v == 0 and v // stride_v < delta.shape[3]:
                    for j in range(first, first + n_out):
                        total += W[j, k % W.shape[1], p, q] * delta[s, j, u // stride_u, v // stride_v]
    da[s, k, y, x] += total


def gradient_W(i, g, delta, a, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v):  # type: ignore[no-untyped-def]
    q, p = i % g.shape[3], i // g.shape[3] % g.shape[2]
    k, j = i // (g.shape[3] * g.shape[2]) % g.shape[1], i // (g.shape[3] * g.shape[2] * g.shape[1])
    channel = j // (g.shape[0] * g.shape[1] // a.shape[1]) * g.shape[1] + k
    total = 0.0
    for s in range(delta.shape[0]):
        for u in range(delta.shape[2]):
            y = u * stride_u - pad_u + p * dilation_u
            if 0 <= y < a.shape[2]:
                for v in range(delta.shape[3]):
                    x = v * stride_v - pad_v + q * dilation_v
                    if 0 <= x < a.shape[3]:
                        total += delta[s, j, u, v] * a[s, channel, y, x]
    g[j, k, p, q] += total


def gradient_b(i, g, delta):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(delta.shape[0]):
        for u in range(delta.shape[2]):
            for v in range(delta.shape[3]):
                total += delta[s, i, u, v]
    g[i] += total


_WHERE: dict[str, Any] = {"wholes": ("stride_u", "stride_v", "pad_u", "pad_v", "dilation_u", "dilation_v")}


def _flops(z: Shape, a: Shape, W: Shape, *others: Shape) -> int:
    """A multiply-add counts two."""
    return 2 * prod(z) * prod(W[1:])


FORWARD = Kernel(
    "convolve.forward", forward, {"z": "4", "a": "4", "W": "4", "b": "1"}, flops=_flops, **_WHERE
)
PRODUCT = Kernel(
    "convolve.product", product, {"z": "4", "a": "4", "W": "4"}, accumulates=True, flops=_flops, **_WHERE
)
BACKWARD = Kernel(
    "convolve.backward",
    backward,
    {"da": "4", "delta": "4", "W": "4"},
    accumulates=True,
    flops=lambda da, delta, W, *others: 2 * prod(delta) * prod(W[1:]),
    **_WHERE,
)
GRADIENT_W = Kernel(
    "convolve.gradient_W",
    gradient_W,
    {"g": "4", "delta": "4", "a": "4"},
    accumulates=True,
    flops=lambda g, delta, a: 2 * prod(delta) * prod(g[1:]),
    **_WHERE,
)
GRADIENT_B = Kernel("convolve.gradient_b", gradient_b, {"g": "1", "delta": "4"}, accumulates=True)

Pair = tuple[int, int]


class Convolve(Op):
    """Attributes: stride and dilation (height, width), padding ((top, bottom), (left, right)), groups."""

    name = "convolve"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        W, groups = parameters[0], attributes["groups"]
        if len(a[0]) != 3 or W[1] * groups != a[0][0] or W[0] % groups:
            raise ShapeError(
                f"a sample has shape {a[0]}, but W was built for {W[1] * groups} channels in {groups} groups",
                got=f"a {('batch', *a[0])}, W {W}",
                expected=f"a (batch, {W[1] * groups}, height, width), W ({groups} m, n, height, width)",
            )
        if len(parameters) > 1 and parameters[1] != (W[0],):
            raise ShapeError("b has one number for each output channel", got=parameters[1], expected=(W[0],))
        extents = []
        for n, kernel, stride, (before, after), dilation in zip(
            a[0][1:], W[2:], attributes["stride"], attributes["padding"], attributes["dilation"], strict=True
        ):
            room = n + before + after - dilation * (kernel - 1) - 1
            if room < 0:
                raise ShapeError(
                    f"the kernel reaches over {dilation * (kernel - 1) + 1} pixels, and there are {n + before + after} with padding",
                    got=f"a {('batch', *a[0])}, W {W}",
                    hint="a smaller kernel, or more padding",
                )
            extents.append(room // stride + 1)
        return (W[0], *extents)

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, PRODUCT, BACKWARD, GRADIENT_W, GRADIENT_B)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        self._forward(tape, n.z, n.a[0], n.parameters, _where(n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        where = _where(n)
        tape.add(BACKWARD, n.d_a[0], n.delta, n.parameters[0], **where)
        tape.add(GRADIENT_W, n.g[0], n.delta, n.a[0], **where)
        if len(n.g) > 1:
            tape.add(GRADIENT_B, n.g[1], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        where = _where(n)
        self._forward(tape, n.dz, n.a[0], n.dparameters, where)
        if n.da[0] is not None:
            tape.add(PRODUCT, n.dz, n.da[0], n.parameters[0], **where)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        where = _where(n)
        tape.add(BACKWARD, n.dd_a[0], n.ddelta, n.parameters[0], **where)
        tape.add(BACKWARD, n.dd_a[0], n.delta, n.dparameters[0], **where)
        tape.add(GRADIENT_W, n.dg[0], n.ddelta, n.a[0], **where)
        if n.da[0] is not None:
            tape.add(GRADIENT_W, n.dg[0], n.delta, n.da[0], **where)
        if len(n.dg) > 1:
            tape.add(GRADIENT_B, n.dg[1], n.ddelta)

    def _forward(self, tape: Tape, z: Any, a: Any, parameters: Sequence[Any], where: dict[str, int]) -> None:
        if len(parameters) > 1:
            tape.write(FORWARD, z, a, *parameters, **where)
        else:
            tape.add(PRODUCT, z, a, parameters[0], **where)


def _where(n: NodeBuffers) -> dict[str, int]:
    """The whole settings of every kernel but gradient_b. Padding behind needs no number: it follows from the shape of z."""
    stride, padding, dilation = (n.attributes[name] for name in ("stride", "padding", "dilation"))
    return {
        "stride_u": stride[0], "stride_v": stride[1], "pad_u": padding[0][0], "pad_v": padding[1][0],
        "dilation_u": dilation[0], "dilation_v": dilation[1],
    }  # fmt: skip
