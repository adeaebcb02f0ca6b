"""Operators that move numbers: Concat, Flatten, Reshape, Squeeze, Transpose, Unsqueeze."""

from __future__ import annotations

from math import prod

import numpy as np

from fastnn.errors import CapabilityError
from fastnn.onnx.build import Builder, CrossesBatch, Value
from fastnn.onnx.fold import resolved
from fastnn.onnx.layers import c_strides, merged
from fastnn.onnx.model import Step

__all__ = ["SHAPES"]


def seen_as(b: Builder, step: Step, a: Value, shape: tuple[int, ...]) -> list[Value]:
    """The same numbers under another shape; the first axis stays the batch."""
    if not b.whole and (not shape or shape[0] != a.shape[0]):
        raise CrossesBatch(f"{step.label} changes the first axis", got=shape, expected=f"({a.shape[0]}, ...)")
    return [Value(a.node, shape)]


def flatten(b: Builder, step: Step) -> list[Value]:
    a = b.value(step, 0)
    rank = len(a.shape)
    axis = step.attributes.get("axis", 1)
    axis = axis + rank if axis < 0 else axis
    return seen_as(b, step, a, (prod(a.shape[:axis]), prod(a.shape[axis:])))


def reshape(b: Builder, step: Step) -> list[Value]:
    """The new shape is an attribute before opset 5, an input since."""
    a = b.value(step, 0)
    wanted = step.attributes["shape"] if b.opset < 5 else [int(n) for n in b.array(step, 1)]
    return seen_as(b, step, a, resolved(step, a.shape, wanted))


def _axes(b: Builder, step: Step) -> list[int] | None:
    given = step.attributes.get("axes") if b.opset < 13 else b.array(step, 1)
    return None if given is None else [int(axis) for axis in given]


def unsqueeze(b: Builder, step: Step) -> list[Value]:
    a, axes = b.value(step, 0), _axes(b, step) or []
    rank = len(a.shape) + len(axes)
    places = {axis % rank for axis in axes}
    rest = iter(a.shape)
    return seen_as(b, step, a, tuple(1 if axis in places else next(rest) for axis in range(rank)))


def squeeze(b: Builder, step: Step) -> list[Value]:
    a, axes = b.value(step, 0), _axes(b, step)
    rank = len(a.shape)
    places = {axis % rank for axis in axes} if axes is not None else {k for k, n in enumerate(a.shape) if n == 1}  # fmt: skip
    if any(a.shape[axis] != 1 for axis in places):
        raise CapabilityError(f"{step.label} leaves out axes that are not 1 long", got=a.shape)
    return seen_as(b, step, a, tuple(n for axis, n in enumerate(a.shape) if axis not in places))


def transpose(b: Builder, step: Step) -> list[Value]:
    a = b.value(step, 0)
    rank = len(a.shape)
    order = step.attributes.get("perm") or list(reversed(range(rank)))
    shape = tuple(a.shape[axis] for axis in order)
    if not b.whole and order[0] != 0:
        raise CrossesBatch(f"{step.label} moves the first axis")
    sample = b.sample(a.shape)
    inner = order if b.whole else [axis - 1 for axis in order[1:]]
    moves = [axis for axis in inner if sample[axis] > 1]
    if moves == sorted(moves):  # nothing moves in memory
        return [Value(a.node, shape)]
    strides = [c_strides(sample)[axis] for axis in inner]
    new = b.sample(shape)
    where = merged(new, strides)
    node = b.layer(step, "take", a.node, shape=new, lengths=where["lengths"], strides=where["strides"])
    return [Value(node, shape)]


def concatenate(b: Builder, step: Step) -> list[Value]:
    """Along the first axis of a sample by the library's layer; along another, each part is put into zeros, and these are added."""
    parts = [b.value(step, k) for k in range(len(step.inputs))]
    rank = len(parts[0].shape)
    at = b.axis(step, step.attributes.get("axis", 1), rank)
    samples = [b.sample(part.shape) for part in parts]
    total = sum(sample[at] for sample in samples)
    sample = (*samples[0][:at], total, *samples[0][at + 1 :])
    shape = sample if b.whole else (parts[0].shape[0], *sample)
    if len(parts) == 1:
        return [parts[0]]
    if prod(sample[:at]) == 1:
        nodes = [b.shaped(part, (prod(s),)) if at else b.shaped(part) for part, s in zip(parts, samples, strict=True)]  # fmt: skip
        return [Value(b.layer(step, "concatenate", *nodes), shape)]
    inner, placed, first = prod(sample[at + 1 :]), [], 0
    for part, own in zip(parts, samples, strict=True):
        node = b.layer(
            step, "put", part.node, shape=sample,
            lengths=(prod(own[:at]), own[at] * inner), strides=(total * inner, 1), first=first * inner,
        )  # fmt: skip
        placed.append(node)
        first += own[at]
    return [Value(b.layer(step, "add", *placed), shape)]


def pad(b: Builder, step: Step) -> list[Value]:
    """A border of one value. Pads are an attribute before opset 11, inputs since."""
    a, at = b.value(step, 0), step.attributes
    rank = len(a.shape)
    if at.get("mode", "constant") != "constant":
        raise CapabilityError(f"{step.label} has mode {at['mode']!r}, which fastnn does not read", expected="constant")  # fmt: skip
    given = at.get("pads", at.get("paddings", [0] * 2 * rank)) if b.opset < 11 else b.array(step, 1)
    value = at.get("value", 0.0) if b.opset < 11 else b.array(step, 2, 0.0)
    axes = [int(axis) % rank for axis in b.array(step, 3, range(rank))]
    pads: list[int] = [int(n) for n in given]
    sides = dict.fromkeys(range(rank), (0, 0))
    sides.update(zip(axes, zip(pads[: len(axes)], pads[len(axes) :], strict=True), strict=True))
    if min(pads) < 0:
        raise CapabilityError(f"{step.label} has negative pads, which fastnn does not read", got=pads)
    if not b.whole and sides[0] != (0, 0):
        raise CrossesBatch(f"{step.label} makes the first axis longer")
    shape = tuple(n + sum(sides[axis]) for axis, n in enumerate(a.shape))
    border = tuple(sides[axis] for axis in range(0 if b.whole else 1, rank))
    node = b.layer(step, "pad", b.shaped(a), padding=border, value=float(np.asarray(value).item()))
    return [Value(node, shape)]


SHAPES = {
    "Concat": concatenate,
    "Flatten": flatten,
    "Pad": pad,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
