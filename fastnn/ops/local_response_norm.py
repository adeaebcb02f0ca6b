"""Local response normalisation (Krizhevsky et al., 2012), across channels:  z = a d^-beta,  d = k + (alpha / size) sum of squares nearby

    a, z, d    (batch, channels, ...)     input, output, and the sums that backward needs again
    window     channels c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), as far as there are any (ONNX's definition)

    forward    d[c] = k + (alpha / size) sum_{j in window of c} a[j]^2                   z[c] = a[c] d[c]^-beta
    backward   t[j] = delta[j] a[j] d[j]^(-beta - 1)
               dC/da[c] += delta[c] d[c]^-beta - (2 alpha beta / size) a[c] sum of t[j] over the j whose window holds c
    tangents   dd[c] = (2 alpha / size) sum_{j in window of c} a[j] da[j]               dz = d^-beta da - beta a d^(-beta - 1) dd
               and the same rule once more for backward, with dt

d^-beta is computed as exp(-beta log d), so k and alpha must keep d above 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape

__all__ = ["LocalResponseNorm"]


def nearby(i, d, a, b, channels, size, before, after, start, factor):  # type: ignore[no-untyped-def]
    """d[c] = start + factor sum_{j = c - before .. c + after} a[j] b[j]"""
    c = i // size % channels
    total = 0.0
    for j in range(max(c - before, 0), min(c + after + 1, channels)):
        total += a[i + (j - c) * size] * b[i + (j - c) * size]
    d[i] = start + factor * total


def nearby_planes(i, d, a, b, channels, size, before, after, start, factor):  # type: ignore[no-untyped-def]
    c = i % channels
    for k in range(i * size, (i + 1) * size):
        d[k] = 0.0
    for j in range(max(c - before, 0), min(c + after + 1, channels)):
        far = (j - c) * size
        for k in range(i * size, (i + 1) * size):
            d[k] = d[k] + a[k + far] * b[k + far]
    for k in range(i * size, (i + 1) * size):
        d[k] = start + factor * d[k]


def forward(i, z, a, d, beta):  # type: ignore[no-untyped-def]
    z[i] = a[i] * math.exp(-beta * math.log(d[i]))


def term(i, terms, delta, a, d, beta):  # type: ignore[no-untyped-def]
    terms[i] = delta[i] * a[i] * math.exp(-(beta + 1.0) * math.log(d[i]))


def backward(i, da, delta, a, d, terms, channels, size, before, after, beta, factor):  # type: ignore[no-untyped-def]
    c = i // size % channels
    total = 0.0
    for j in range(max(c - after, 0), min(c + before + 1, channels)):
        total += terms[i + (j - c) * size]
    da[i] += delta[i] * math.exp(-beta * math.log(d[i])) - factor * beta * a[i] * total


def backward_planes(i, da, delta, a, d, terms, channels, size, before, after, beta, factor, scratch):  # type: ignore[no-untyped-def]
    c = i % channels
    for first in range(0, size, 1024):
        at, count = i * size + first, min(1024, size - first)
        for k in range(count):
            scratch[k] = 0.0
        for j in range(max(c - after, 0), min(c + before + 1, channels)):
            far = at + (j - c) * size
            for k in range(count):
                scratch[k] = scratch[k] + terms[far + k]
        for k in range(count):
            da[at + k] += (
                delta[at + k] * math.exp(-beta * math.log(d[at + k])) - factor * beta * a[at + k] * scratch[k]
            )


def tangent(i, dz, da, a, d, dd, beta):  # type: ignore[no-untyped-def]
    power = math.exp(-beta * math.log(d[i]))
    dz[i] = power * (da[i] - beta * a[i] * dd[i] / d[i])


def term_tangent(i, dt, delta, ddelta, a, da, d, dd, beta):  # type: ignore[no-untyped-def]
    power = math.exp(-(beta + 1.0) * math.log(d[i]))
    moved = ddelta[i] * a[i] + delta[i] * da[i]
    dt[i] = power * (moved - (beta + 1.0) * delta[i] * a[i] * dd[i] / d[i])


def backward_tangent(  # type: ignore[no-untyped-def]
    i, out, delta, ddelta, a, da, d, dd, terms, dt, channels, size, before, after, beta, factor
):
    c = i // size % channels
    total, moved = 0.0, 0.0
    for j in range(max(c - after, 0), min(c + before + 1, channels)):
        total += terms[i + (j - c) * size]
        moved += dt[i + (j - c) * size]
    power = math.exp(-beta * math.log(d[i]))
    out[i] += power * (ddelta[i] - beta * delta[i] * dd[i] / d[i]) - factor * beta * (
        da[i] * total + a[i] * moved
    )


_NEAR = ("channels", "size", "before", "after")


def _kernel(body: Any, arrays: str, reals: str, near: bool, vector: Any = None, **settings: Any) -> Kernel:
    name = f"local_response_norm.{body.__name__}"
    specs = dict.fromkeys(arrays.split(), "*")
    settings |= {"reals": tuple(reals.split()), "wholes": _NEAR if near else ()}
    if vector is not None:
        settings["vector"] = Kernel(f"{name}_planes", vector, specs, counted=2, **settings)
    return Kernel(name, body, specs, elementwise=not near, **settings)


NEARBY = _kernel(nearby, "d a b", "start factor", True, nearby_planes)
FORWARD = _kernel(forward, "z a d", "beta", False)
TERM = _kernel(term, "terms delta a d", "beta", False)
BACKWARD = _kernel(backward, "da delta a d terms", "beta factor", True, backward_planes, accumulates=True)
TANGENT = _kernel(tangent, "dz da a d dd", "beta", False)
TERM_TANGENT = _kernel(term_tangent, "dt delta ddelta a da d dd", "beta", False)
BACKWARD_TANGENT = _kernel(
    backward_tangent, "out delta ddelta a da d dd terms dt", "beta factor", True, accumulates=True
)


class LocalResponseNorm(Op):
    """Attributes: size, alpha, beta, k."""

    name = "local_response_norm"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if not a[0]:
            raise ShapeError("local response normalisation works across channels", expected="(channels, ...)")
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        return (NEARBY, FORWARD, TERM, BACKWARD, TANGENT, TERM_TANGENT, BACKWARD_TANGENT)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        size, alpha = n.attributes["size"], n.attributes["alpha"]
        n.kept["d"] = d = tape.room("d", n.z.shape[1:])
        tape.write(NEARBY, d, n.a[0], n.a[0], start=n.attributes["k"], factor=alpha / size, **_near(n))
        tape.write(FORWARD, n.z, n.a[0], d, beta=n.attributes["beta"])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        t = n.kept.get("t")
        if t is None:
            t = self._term(tape, n)
        tape.add(
            BACKWARD, n.d_a[0], n.delta, n.a[0], n.kept["d"], t,
            beta=n.attributes["beta"], factor=_factor(n), **_near(n),
        )  # fmt: skip

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        n.kept["dd"] = dd = tape.room("dd", n.z.shape[1:])
        tape.write(NEARBY, dd, n.a[0], n.da[0], start=0.0, factor=_factor(n), **_near(n))
        tape.write(TANGENT, n.dz, n.da[0], n.a[0], n.kept["d"], dd, beta=n.attributes["beta"])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        d, dd, beta = n.kept["d"], n.kept["dd"], n.attributes["beta"]
        t, dt = self._term(tape, n), tape.room("dt", n.z.shape[1:])
        tape.write(TERM_TANGENT, dt, n.delta, n.ddelta, n.a[0], n.da[0], d, dd, beta=beta)
        tape.add(
            BACKWARD_TANGENT, n.dd_a[0], n.delta, n.ddelta, n.a[0], n.da[0], d, dd, t, dt,
            beta=beta, factor=_factor(n), **_near(n),
        )  # fmt: skip

    def _term(self, tape: Tape, n: NodeBuffers) -> Any:
        n.kept["t"] = t = tape.room("t", n.z.shape[1:])
        tape.write(TERM, t, n.delta, n.a[0], n.kept["d"], beta=n.attributes["beta"])
        return t


def _factor(n: NodeBuffers) -> float:
    return float(2 * n.attributes["alpha"] / n.attributes["size"])


def _near(n: NodeBuffers) -> dict[str, int]:
    size = n.attributes["size"]
    return {
        "channels": n.z.shape[1], "size": prod(n.z.shape[2:]), "before": (size - 1) // 2, "after": size // 2
    }  # fmt: skip
