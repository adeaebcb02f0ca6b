"""Layer normalisation (Ba et al., 2016), sample by sample:  z = gamma h + beta,  h = (a - mean) r,  r = 1 / sqrt(variance + epsilon)

a, z          (batch, ...)      input, output; mean and (biased) variance are those of all n numbers of a sample
gamma, beta   as a sample       parameters

backward   g = delta gamma         dC/da += r (g - mean(g) - h mean(g h))
gradients  dC/dgamma += sum_s delta h          dC/dbeta += sum_s delta
tangents   dh = r (da - mean(da) - h mean(h da))          dz = gamma dh + dgamma h + dbeta          dr = -r^2 mean(h da)
           d(dC/da) = (dr / r) dC/da + r (dg - mean(dg) - dh mean(g h) - h mean(dg h + g dh))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape
from fastnn.ops.sums import add_in_lanes, squares_in_lanes

__all__ = ["LayerNorm"]


def moments(i, mean, r, a, size, epsilon):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(size):
        total += a[i * size + k]
    mean[i] = total / float(size)
    total = 0.0
    for k in range(size):
        d = a[i * size + k] - mean[i]
        total += d * d
    r[i] = 1.0 / math.sqrt(total / float(size) + epsilon)


def moments_lanes(i, mean, r, a, size, epsilon, scratch):  # type: ignore[no-untyped-def]
    middle = add_in_lanes(a, i * size, size, scratch) / float(size)
    mean[i] = middle
    r[i] = 1.0 / math.sqrt(squares_in_lanes(a, i * size, size, middle, scratch) / float(size) + epsilon)


def forward(i, z, a, mean, r, gamma, beta, size):  # type: ignore[no-untyped-def]
    s, k = i // size, i % size
    z[i] = (a[i] - mean[s]) * r[s] * gamma[k] + beta[k]


def forward_rows(i, z, a, mean, r, gamma, beta, size):  # type: ignore[no-untyped-def]
    middle, scale = mean[i], r[i]
    for k in range(size):
        z[i * size + k] = (a[i * size + k] - middle) * scale * gamma[k] + beta[k]


def two_means(i, plain, weighted, delta, a, mean, r, gamma, size):  # type: ignore[no-untyped-def]
    """mean(g) and mean(g h) of a sample."""
    total, product = 0.0, 0.0
    for k in range(size):
        g = delta[i * size + k] * gamma[k]
        total += g
        product += g * ((a[i * size + k] - mean[i]) * r[i])
    plain[i] = total / float(size)
    weighted[i] = product / float(size)


def two_means_lanes(i, plain, weighted, delta, a, mean, r, gamma, size, scratch):  # type: ignore[no-untyped-def]
    middle, scale = mean[i], r[i]
    for lane in range(64):
        scratch[lane] = 0.0
        scratch[64 + lane] = 0.0
    for block in range((size + 63) // 64):
        first = block * 64
        at = i * size + first
        for k in range(min(64, size - first)):
            g = delta[at + k] * gamma[first + k]
            scratch[k] = scratch[k] + g
            scratch[64 + k] = scratch[64 + k] + g * ((a[at + k] - middle) * scale)
    total, product = 0.0, 0.0
    for lane in range(64):
        total += scratch[lane]
        product += scratch[64 + lane]
    plain[i] = total / float(size)
    weighted[i] = product / float(size)


def backward(i, da, delta, a, mean, r, gamma, plain, weighted, size):  # type: ignore[no-untyped-def]
    s = i // size
    h = (a[i] - mean[s]) * r[s]
    da[i] += r[s] * (delta[i] * gamma[i % size] - plain[s] - h * weighted[s])


def backward_rows(i, da, delta, a, mean, r, gamma, plain, weighted, size):  # type: ignore[no-untyped-def]
    middle, scale, shared, slope = mean[i], r[i], plain[i], weighted[i]
    for k in range(size):
        h = (a[i * size + k] - middle) * scale
        da[i * size + k] += scale * (delta[i * size + k] * gamma[k] - shared - h * slope)


def gradient_gamma(i, g, delta, a, mean, r, batch, size):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(batch):
        total += delta[s * size + i] * ((a[s * size + i] - mean[s]) * r[s])
    g[i] += total


def gradient_beta(i, g, delta, batch, size):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(batch):
        total += delta[s * size + i]
    g[i] += total


def h_tangent(i, dh, da, a, mean, r, size):  # type: ignore[no-untyped-def]
    """dh of a whole sample, and behind it mean(h da)."""
    total, product = 0.0, 0.0
    for k in range(size):
        total += da[i, k]
        product += da[i, k] * ((a[i * size + k] - mean[i]) * r[i])
    for k in range(size):
        h = (a[i * size + k] - mean[i]) * r[i]
        dh[i, k] = r[i] * (da[i, k] - total / float(size) - h * (product / float(size)))
    dh[i, size] = product / float(size)


def tangent(i, dz, a, mean, r, dgamma, dbeta, gamma, dh, size):  # type: ignore[no-untyped-def]
    s, k = i // size, i % size
    dz[i] = gamma[k] * dh[s, k] + dgamma[k] * ((a[i] - mean[s]) * r[s]) + dbeta[k]


def backward_tangent(i, out, delta, ddelta, a, mean, r, gamma, dgamma, dh, size):  # type: ignore[no-untyped-def]
    """A whole sample."""
    g_mean, gh_mean, dg_mean, moved_mean = 0.0, 0.0, 0.0, 0.0
    for k in range(size):
        h = (a[i * size + k] - mean[i]) * r[i]
        g = delta[i, k] * gamma[k]
        dg = ddelta[i, k] * gamma[k] + delta[i, k] * dgamma[k]
        g_mean += g / float(size)
        gh_mean += g * h / float(size)
        dg_mean += dg / float(size)
        moved_mean += (dg * h + g * dh[i, k]) / float(size)
    for k in range(size):
        h = (a[i * size + k] - mean[i]) * r[i]
        g = delta[i, k] * gamma[k]
        dg = ddelta[i, k] * gamma[k] + delta[i, k] * dgamma[k]
        before = r[i] * (g - g_mean - h * gh_mean)
        moved = r[i] * (dg - dg_mean - dh[i, k] * gh_mean - h * moved_mean)
        out[i, k] += moved - r[i] * dh[i, size] * before


def gradient_tangent(i, g, delta, ddelta, a, mean, r, dh, batch, size):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(batch):
        at = s * size + i
        total += ddelta[at] * ((a[at] - mean[s]) * r[s]) + delta[at] * dh[s, i]
    g[i] += total


def _kernel(body: Any, arrays: str, wholes: str, vector: Any = None, **settings: Any) -> Kernel:
    """`arrays`: names, results first; those of two axes end with ":2"."""
    name = f"layer_norm.{body.__name__}"
    specs = {word.partition(":")[0]: word.partition(":")[2] or "*" for word in arrays.split()}
    settings["wholes"] = tuple(wholes.split())
    if vector is not None:
        several = Kernel(f"{name}_rows", vector, specs, **{"counted": 1, **settings})
        settings["vector"] = several
    return Kernel(name, body, specs, **settings)


MOMENTS = _kernel(moments, "mean r a", "size", moments_lanes, extra_results=1, reals=("epsilon",))
FORWARD = _kernel(forward, "z a mean r gamma beta", "size", forward_rows)
TWO_MEANS = _kernel(
    two_means, "plain weighted delta a mean r gamma", "size", two_means_lanes, extra_results=1
)
BACKWARD = _kernel(
    backward, "da delta a mean r gamma plain weighted", "size", backward_rows, accumulates=True
)
GRADIENT_GAMMA = _kernel(gradient_gamma, "g delta a mean r", "batch size", accumulates=True)
GRADIENT_BETA = _kernel(gradient_beta, "g delta", "batch size", accumulates=True)
H_TANGENT = _kernel(h_tangent, "dh:2 da:2 a mean r", "size", by_row=True)
TANGENT = _kernel(tangent, "dz a mean r dgamma dbeta gamma dh:2", "size")
BACKWARD_TANGENT = _kernel(
    backward_tangent,
    "out:2 delta:2 ddelta:2 a mean r gamma dgamma dh:2",
    "size",
    by_row=True,
    accumulates=True,
)
GRADIENT_TANGENT = _kernel(gradient_tangent, "g delta ddelta a mean r dh:2", "batch size", accumulates=True)


class LayerNorm(Op):
    """Parameters gamma, beta, of a sample's shape; attribute epsilon."""

    name = "layer_norm"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if any(shape != a[0] for shape in parameters):
            raise ShapeError(
                f"a sample has shape {a[0]}, but gamma and beta were built for {parameters[0]}",
                got=f"gamma {parameters[0]}, beta {parameters[1]}",
                expected=a[0],
            )
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        first = (MOMENTS, FORWARD, TWO_MEANS, BACKWARD, GRADIENT_GAMMA, GRADIENT_BETA)
        return (*first, H_TANGENT, TANGENT, BACKWARD_TANGENT, GRADIENT_TANGENT)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        mean, r = tape.room("mean", ()), tape.room("r", ())
        n.kept |= {"mean": mean, "r": r}
        tape.write(MOMENTS, mean, r, n.a[0], size=_size(n), epsilon=n.attributes["epsilon"])
        tape.write(FORWARD, n.z, n.a[0], mean, r, *n.parameters, size=_size(n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        size, mean, r = _size(n), n.kept["mean"], n.kept["r"]
        if n.d_a[0] is not None:
            plain, weighted = tape.room("mean g", ()), tape.room("mean g h", ())
            tape.write(TWO_MEANS, plain, weighted, n.delta, n.a[0], mean, r, n.parameters[0], size=size)
            tape.add(
                BACKWARD, n.d_a[0], n.delta, n.a[0], mean, r, n.parameters[0], plain, weighted, size=size
            )  # fmt: skip
        batch = n.z.shape[0]
        tape.add(GRADIENT_GAMMA, n.g[0], n.delta, n.a[0], mean, r, batch=batch, size=size)
        tape.add(GRADIENT_BETA, n.g[1], n.delta, batch=batch, size=size)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        size, mean, r = _size(n), n.kept["mean"], n.kept["r"]
        if n.da[0] is None:
            tape.write(FORWARD, n.dz, n.a[0], mean, r, *n.dparameters, size=size)
            return
        n.kept["dh"] = dh = tape.room("dh", (size + 1,))
        tape.write(H_TANGENT, dh, n.da[0], n.a[0], mean, r, size=size)
        tape.write(TANGENT, n.dz, n.a[0], mean, r, *n.dparameters, n.parameters[0], dh, size=size)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        size, batch, mean, r, dh = _size(n), n.z.shape[0], n.kept["mean"], n.kept["r"], n.kept.get("dh")
        tape.add(GRADIENT_BETA, n.dg[1], n.ddelta, batch=batch, size=size)
        if dh is None:  # the input does not move, and nobody wants dC/da
            tape.add(GRADIENT_GAMMA, n.dg[0], n.ddelta, n.a[0], mean, r, batch=batch, size=size)
            return
        where = (n.a[0], mean, r)
        tape.add(
            BACKWARD_TANGENT, n.dd_a[0], n.delta, n.ddelta, *where, n.parameters[0], n.dparameters[0], dh, size=size
        )  # fmt: skip
        tape.add(GRADIENT_TANGENT, n.dg[0], n.delta, n.ddelta, *where, dh, batch=batch, size=size)


def _size(n: NodeBuffers) -> int:
    """Numbers in a sample."""
    return prod(n.z.shape[1:])
