"""Batch normalisation (Ioffe and Szegedy, 2015), channel by channel:  z = gamma (a - mean) / sqrt(variance + epsilon) + beta

    a, z                (batch, channels, ...)     input, output; everything behind the channels is called a pixel
    gamma, beta         (channels,)                parameters
    mean, variance      (channels,)                of the batch and its pixels in training (variance biased: divided by N = batch pixels);
                                                   running statistics otherwise
    r                   1 / sqrt(variance + epsilon)

    forward    z[s,c,k]       = gamma[c] r[c] (a[s,c,k] - mean[c]) + beta[c]
    gradients  dC/dbeta[c]   += sum_{s,k} delta             dC/dgamma[c] += r[c] sum_{s,k} delta (a - mean)
    backward   dC/da[s,c,k]  += gamma r (delta - (1/N) sum delta - (a - mean) r^2 (1/N) sum delta (a - mean))       in training
                             += gamma r delta                                                                   with running statistics
    running    mean    <- (1 - momentum) mean + momentum mean of the batch
               variance <- (1 - momentum) variance + momentum (N / (N - 1)) variance of the batch

Sums are made by sample and channel, then by channel over the samples: the same for any number of threads. Means come first and squares of
differences second, so nothing cancels. Second derivatives are those with running statistics; a training step has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.errors import CapabilityError, ShapeError
from fastnn.ops.data import ZERO
from fastnn.ops.join import ACCUMULATE
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape
from fastnn.ops.sums import add_in_lanes, products_in_lanes, squares_in_lanes

__all__ = ["BatchNorm"]


# ---- mean and variance
def plane_moments(i, mean, squares, a, size):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(size):
        total += a[i * size + k]
    middle = total / float(size)
    total = 0.0
    for k in range(size):
        total += (a[i * size + k] - middle) * (a[i * size + k] - middle)
    mean[i] = middle
    squares[i] = total


def plane_moments_planes(i, mean, squares, a, size, scratch):  # type: ignore[no-untyped-def]
    middle = add_in_lanes(a, i * size, size, scratch) / float(size)
    mean[i] = middle
    squares[i] = squares_in_lanes(a, i * size, size, middle, scratch)


def moments(i, mean, variance, r, plane_mean, plane_squares, batch, size, epsilon):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(batch):
        total += plane_mean[s, i]
    middle = total / float(batch)
    total, rest = 0.0, 0.0
    for s in range(batch):
        d = plane_mean[s, i] - middle
        rest += d
        total += plane_squares[s, i] + float(size) * d * d
    rest = rest / float(batch)  # what rounding left of the mean
    mean[i] = middle + rest
    variance[i] = total / float(batch * size) - rest * rest
    r[i] = 1.0 / math.sqrt(variance[i] + epsilon)


def root(i, r, variance, epsilon):  # type: ignore[no-untyped-def]
    r[i] = 1.0 / math.sqrt(variance[i] + epsilon)


def track(i, running, of_batch, momentum, factor):  # type: ignore[no-untyped-def]
    running[i] = (1.0 - momentum) * running[i] + momentum * factor * of_batch[i]


# ---- forward
def normalise(i, z, a, mean, r, gamma, beta, channels, size):  # type: ignore[no-untyped-def]
    c = i // size % channels
    z[i] = (a[i] - mean[c]) * (r[c] * gamma[c]) + beta[c]


def normalise_planes(i, z, a, mean, r, gamma, beta, channels, size):  # type: ignore[no-untyped-def]
    c = i % channels
    middle, scale, shift = mean[c], r[c] * gamma[c], beta[c]
    for k in range(i * size, (i + 1) * size):
        z[k] = (a[k] - middle) * scale + shift


# ---- backward
def plane_sums(i, plain, weighted, delta, a, mean, channels, size):  # type: ignore[no-untyped-def]
    middle = mean[i % channels]
    total, product = 0.0, 0.0
    for k in range(i * size, (i + 1) * size):
        total += delta[k]
        product += delta[k] * (a[k] - middle)
    plain[i] = total
    weighted[i] = product


def plane_sums_planes(i, plain, weighted, delta, a, mean, channels, size, scratch):  # type: ignore[no-untyped-def]
    plain[i] = add_in_lanes(delta, i * size, size, scratch)
    weighted[i] = products_in_lanes(delta, a, i * size, size, mean[i % channels], scratch)


def channel_sums(i, plain, weighted, plane_plain, plane_weighted, batch):  # type: ignore[no-untyped-def]
    total, product = 0.0, 0.0
    for s in range(batch):
        total += plane_plain[s, i]
        product += plane_weighted[s, i]
    plain[i] = total
    weighted[i] = product


def gradient_gamma(i, g, weighted, r):  # type: ignore[no-untyped-def]
    g[i] += r[i] * weighted[i]


def scale(i, da, delta, r, gamma, channels, size):  # type: ignore[no-untyped-def]
    c = i // size % channels
    da[i] += delta[i] * (r[c] * gamma[c])


def scale_planes(i, da, delta, r, gamma, channels, size):  # type: ignore[no-untyped-def]
    factor = r[i % channels] * gamma[i % channels]
    for k in range(i * size, (i + 1) * size):
        da[k] += delta[k] * factor


def backward(i, da, delta, a, mean, r, gamma, plain, weighted, channels, size, count):  # type: ignore[no-untyped-def]
    c = i // size % channels
    shared = plain[c] / float(count)
    slope = weighted[c] / float(count) * r[c] * r[c]
    da[i] += r[c] * gamma[c] * (delta[i] - shared - (a[i] - mean[c]) * slope)


def backward_planes(i, da, delta, a, mean, r, gamma, plain, weighted, channels, size, count):  # type: ignore[no-untyped-def]
    c = i % channels
    middle, factor, shared = mean[c], r[c] * gamma[c], plain[c] / float(count)
    slope = weighted[c] / float(count) * r[c] * r[c]
    for k in range(i * size, (i + 1) * size):
        da[k] += factor * (delta[k] - shared - (a[k] - middle) * slope)


def _kernel(name: str, body: Any, arrays: str, wholes: str, vector: Any = None, **settings: Any) -> Kernel:
    """`arrays`: names, results first; those of two axes end with ":2"."""
    specs = {word.partition(":")[0]: word.partition(":")[2] or "*" for word in arrays.split()}
    settings["wholes"] = tuple(wholes.split())
    several = None if vector is None else Kernel(f"{name}_planes", vector, specs, counted=2, **settings)
    return Kernel(name, body, specs, vector=several, **settings)


PLANE_MOMENTS = _kernel(
    "batch_norm.plane_moments", plane_moments, "mean squares a", "size", plane_moments_planes, extra_results=1
)
MOMENTS = _kernel(
    "batch_norm.moments",
    moments,
    "mean variance r plane_mean:2 plane_squares:2",
    "batch size",
    extra_results=2,
    reals=("epsilon",),
)
ROOT = _kernel("batch_norm.root", root, "r variance", "", reals=("epsilon",), elementwise=True)
TRACK = _kernel(
    "batch_norm.track", track, "running of_batch", "", reals=("momentum", "factor"), elementwise=True
)
NORMALISE = _kernel(
    "batch_norm.normalise", normalise, "z a mean r gamma beta", "channels size", normalise_planes
)
PLANE_SUMS = _kernel(
    "batch_norm.plane_sums",
    plane_sums,
    "plain weighted delta a mean",
    "channels size",
    plane_sums_planes,
    extra_results=1,
)
CHANNEL_SUMS = _kernel(
    "batch_norm.channel_sums",
    channel_sums,
    "plain weighted plane_plain:2 plane_weighted:2",
    "batch",
    extra_results=1,
)
GRADIENT_GAMMA = _kernel(
    "batch_norm.gradient_gamma", gradient_gamma, "g weighted r", "", accumulates=True, elementwise=True
)
SCALE = _kernel(
    "batch_norm.scale", scale, "da delta r gamma", "channels size", scale_planes, accumulates=True
)
BACKWARD = _kernel(
    "batch_norm.backward",
    backward,
    "da delta a mean r gamma plain weighted",
    "channels size count",
    backward_planes,
    accumulates=True,
)


class BatchNorm(Op):
    """Parameters gamma, beta; statistics mean, variance; attributes epsilon, momentum."""

    name = "batch_norm"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        channels = a[0][:1]
        if any(shape != channels for shape in parameters):
            raise ShapeError(
                f"input has shape {a[0]}, but gamma and beta were built for {parameters[0]} channels",
                got=f"a {('batch', *a[0])}, gamma {parameters[0]}, beta {parameters[1]}",
                expected=f"gamma and beta {channels}",
            )
        return a[0]

    def kernels(self) -> tuple[Kernel, ...]:
        forward = (PLANE_MOMENTS, MOMENTS, ROOT, TRACK, NORMALISE)
        return (*forward, PLANE_SUMS, CHANNEL_SUMS, GRADIENT_GAMMA, SCALE, BACKWARD)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        batch, channels, size = _extents(n)
        where = {"channels": channels, "size": size}
        epsilon = n.attributes["epsilon"]
        mean, variance = n.statistics
        r = tape.room("r", (channels,), batched=False)
        if tape.training:
            plane_mean, plane_squares = (
                tape.room(name, (channels,)) for name in ("plane mean", "plane squares")
            )
            tape.write(PLANE_MOMENTS, plane_mean, plane_squares, n.a[0], size=size)
            of_batch = [tape.room(name, (channels,), batched=False) for name in ("mean", "variance")]
            tape.write(
                MOMENTS, *of_batch, r, plane_mean, plane_squares, batch=batch, size=size, epsilon=epsilon
            )
            if tape.tracks:
                momentum, count = n.attributes["momentum"], batch * size
                tape.write(TRACK, mean, of_batch[0], momentum=momentum, factor=1.0)
                tape.write(TRACK, variance, of_batch[1], momentum=momentum, factor=count / max(count - 1, 1))
            mean = of_batch[0]
        else:
            tape.write(ROOT, r, variance, epsilon=epsilon)
        n.kept |= {"mean": mean, "r": r}
        tape.write(NORMALISE, n.z, n.a[0], mean, r, *n.parameters, **where)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        batch, channels, size = _extents(n)
        where = {"channels": channels, "size": size}
        mean, r = n.kept["mean"], n.kept["r"]
        plain, weighted = self._sums(tape, n, n.delta, n.a[0], mean)
        if tape.training:
            tape.add(
                BACKWARD, n.d_a[0], n.delta, n.a[0], mean, r, n.parameters[0], plain, weighted, count=batch * size, **where
            )  # fmt: skip
        else:
            tape.add(SCALE, n.d_a[0], n.delta, r, n.parameters[0], **where)
        tape.add(GRADIENT_GAMMA, n.g[0], weighted, r)
        tape.add(ACCUMULATE, n.g[1], plain)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        if tape.training:
            raise CapabilityError(
                "batch norm in training has no tangents",
                hint="objectives take the running statistics for constants, and have second derivatives",
            )
        _, channels, size = _extents(n)
        where = {"channels": channels, "size": size}
        mean, r = n.kept["mean"], n.kept["r"]
        tape.write(NORMALISE, n.dz, n.a[0], mean, r, *n.dparameters, **where)
        if n.da[0] is not None:
            tape.add(SCALE, n.dz, n.da[0], r, n.parameters[0], **where)

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        _, channels, size = _extents(n)
        where = {"channels": channels, "size": size}
        mean, r = n.kept["mean"], n.kept["r"]
        tape.add(SCALE, n.dd_a[0], n.ddelta, r, n.parameters[0], **where)
        tape.add(SCALE, n.dd_a[0], n.delta, r, n.dparameters[0], **where)
        plain, weighted = self._sums(tape, n, n.ddelta, n.a[0], mean)
        tape.add(GRADIENT_GAMMA, n.dg[0], weighted, r)
        tape.add(ACCUMULATE, n.dg[1], plain)
        if n.da[0] is not None:
            nothing = tape.room("zeros", (channels,), batched=False)
            tape.write(ZERO, nothing)
            _, weighted = self._sums(tape, n, n.delta, n.da[0], nothing)
            tape.add(GRADIENT_GAMMA, n.dg[0], weighted, r)

    def _sums(self, tape: Tape, n: NodeBuffers, delta: Any, a: Any, mean: Any) -> tuple[Any, Any]:
        """sum delta and sum delta (a - mean), by channel."""
        batch, channels, size = _extents(n)
        by_plane = [tape.room(name, (channels,)) for name in ("plane sums", "weighted plane sums")]
        tape.write(PLANE_SUMS, *by_plane, delta, a, mean, channels=channels, size=size)
        plain, weighted = (tape.room(name, (channels,), batched=False) for name in ("sums", "weighted sums"))
        tape.write(CHANNEL_SUMS, plain, weighted, *by_plane, batch=batch)
        return plain, weighted

    def overwrites_input(self, training: bool) -> bool:
        return not training


def _extents(n: NodeBuffers) -> tuple[int, int, int]:
    """Samples, channels, pixels."""
    shape = n.z.shape
    return shape[0], shape[1], prod(shape[2:])
