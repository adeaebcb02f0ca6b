"""Operators on images of one, two or three axes: Conv, pooling, BatchNormalization, LRN.

The library's layers are for two axes. One axis is an image of height 1. Pooling of three is pooling of the last two and then of the first,
exactly: the largest of the largest, and a mean whose count of pixels is a product. Convolution of three is a product with windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from fastnn.errors import CapabilityError
from fastnn.graph import Node
from fastnn.onnx.build import Builder, Value
from fastnn.onnx.layers import PlaceOfMax, c_strides
from fastnn.onnx.model import Step

__all__ = ["IMAGES"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """How a window moves over an image, axis by axis."""

    kernel: Shape
    stride: Shape
    dilation: Shape
    before: Shape
    after: Shape

    @classmethod
    def of(cls, step: Step, image: Shape, kernel: Shape) -> Window:
        """The attributes of a step; `auto_pad` is worked out."""
        axes, at = len(kernel), step.attributes
        stride = tuple(at.get("strides", (1,) * axes))
        dilation = tuple(at.get("dilations", (1,) * axes))
        pads = tuple(at.get("pads", (0,) * (2 * axes)))
        auto = at.get("auto_pad", "NOTSET")
        if len(kernel) != len(image) or len(stride) != axes or len(dilation) != axes or len(pads) != 2 * axes:
            raise CapabilityError(f"{step.label}: kernel, strides, pads and image have other numbers of axes")
        if min(pads) < 0:
            raise CapabilityError(f"{step.label} has negative pads, which fastnn does not read", got=pads)
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
            totals = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(image, stride, reach, strict=True)]  # fmt: skip
            halves = tuple(total // 2 for total in totals)
            others = tuple(total - half for total, half in zip(totals, halves, strict=True))
            pads = halves + others if auto == "SAME_UPPER" else others + halves
        elif auto == "VALID":
            pads = (0,) * (2 * axes)
        return cls(kernel, stride, dilation, pads[:axes], pads[axes:])

    def of_axes(self, *axes: int) -> Window:
        """The window along these axes only."""
        return Window(*(tuple(numbers[k] for k in axes) for numbers in self._all()))

    def lifted(self) -> Window:
        """For an image of height 1 in place of one without height."""
        return Window(*((n, *numbers) for n, numbers in zip((1, 1, 1, 0, 0), self._all(), strict=True)))

    def _all(self) -> tuple[Shape, ...]:
        return self.kernel, self.stride, self.dilation, self.before, self.after

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        return tuple(zip(self.before, self.after, strict=True))


def image_of(b: Builder, step: Step, place: int = 0) -> tuple[Value, int, Shape]:
    """The input, its channels and the shape of its image, (batch, channels, *image)."""
    a = b.value(step, place)
    if len(a.shape) < 2:
        raise CapabilityError(f"{step.label}: no channels in {a.shape}", expected="(batch, channels, ...)")
    if b.whole and a.shape[0] != 1:
        raise CapabilityError(
            f"{step.label} works on several images in a model that computes across its first axis, which fastnn does not read",
            got=a.shape,
        )
    return a, a.shape[1], a.shape[2:]


def conv(b: Builder, step: Step) -> list[Value]:
    a, channels, image = image_of(b, step)
    W, bias = b.array(step, 1), b.array(step, 2)
    groups = step.attributes.get("group", 1)
    if W.shape[1] * groups != channels or not 1 <= len(image) <= 3 or W.shape[0] % groups:
        raise CapabilityError(f"{step.label}: W {W.shape} in {groups} groups does not fit {a.shape}")
    window = Window.of(step, image, W.shape[2:])
    if len(image) == 3:
        return [_conv3(b, step, a, W, bias, groups, window)]
    if len(image) == 1:
        image, window, W = (1, *image), window.lifted(), W[:, :, None]
    node = b.layer(
        step, "conv", b.shaped(a, (channels, *image)), assign={"W": W, "b": bias}, n_out=len(W), kernel=window.kernel,
        stride=window.stride, padding=window.padding, dilation=window.dilation, groups=groups, bias=bias is not None, **b.drawn,
    )  # fmt: skip
    return [Value(node, (a.shape[0], len(W), *node.shape[1:][-(len(a.shape) - 2) :]))]


def _conv3(b: Builder, step: Step, a: Value, W: Any, bias: Any, groups: int, w: Window) -> Value:
    """Zeros around the image, its windows one behind the other, and a product of matrices for each group."""
    channels, image = a.shape[1], a.shape[2:]
    padded = tuple(n + before + after for n, (before, after) in zip(image, w.padding, strict=True))
    node = a.node
    if padded != image:
        shape = (channels, *padded)
        first = sum(p * d for p, d in zip(w.before, c_strides(padded), strict=True))
        node = b.layer(step, "put", node, shape=shape, lengths=(channels, *image), strides=c_strides(shape), first=first)  # fmt: skip
    out = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(padded, w.kernel, w.stride, w.dilation, strict=True))  # fmt: skip
    steps = c_strides(padded)
    inner = tuple(d * c for d, c in zip(w.dilation, steps, strict=True))
    outer = tuple(s * c for s, c in zip(w.stride, steps, strict=True))
    matrix = (groups, channels // groups * prod(w.kernel), prod(out))
    node = b.layer(
        step, "take", node,
        shape=matrix, lengths=(channels, *w.kernel, *out), strides=(prod(padded), *inner, *outer),
    )  # fmt: skip
    weights = W.reshape(groups, len(W) // groups, -1)
    node = b.layer(step, "matrix_product", node, assign={"W": weights}, shape=weights.shape, side="left")
    shape = (a.shape[0], len(W), *out)
    if bias is not None:
        columns = b.shaped(Value(node, shape), (len(W), prod(out)))
        node = b.layer(step, "shift", columns, assign={"b": bias}, shape=(len(W), 1))
    return Value(node, shape)


# ---- pooling
def pool(b: Builder, step: Step) -> list[Value]:
    a, channels, image = image_of(b, step)
    kernel = tuple(step.attributes["kernel_shape"])
    if not 1 <= len(image) <= 3:
        raise CapabilityError(f"{step.label}: images of {len(image)} axes", expected="1, 2 or 3")
    window = Window.of(step, image, kernel)
    if len(image) == 1:
        node = _pool2(b, step, b.shaped(a, (channels, 1, *image)), window.lifted())
        return [Value(node, (*a.shape[:2], node.shape[-1]))]
    if len(image) == 2:
        node = _pool2(b, step, plane := b.shaped(a, (channels, *image)), window)
        pooled = Value(node, (*a.shape[:2], *node.shape[1:]))
        if step.op == "AveragePool" or len(step.outputs) == 1 or not step.outputs[1]:
            return [pooled]
        by_column = bool(step.attributes.get("storage_order", 0))
        layer = PlaceOfMax(
            node.shape, window.kernel, window.stride, window.dilation, window.before, by_column
        )
        return [pooled, Value(b.apply(step.outputs[1], layer, plane), pooled.shape)]
    planes = _pool2(b, step, b.shaped(a, (channels * image[0], *image[1:])), window.of_axes(1, 2))
    height, width = planes.shape[1:]
    column = window.of_axes(0)
    flat = b.shaped(Value(planes, a.shape), (channels, image[0], height * width))
    node = _pool2(b, step, flat, Window(*((*n, one) for n, one in zip(column._all(), (1, 1, 1, 0, 0), strict=True))))  # fmt: skip
    return [Value(node, (*a.shape[:2], node.shape[1], height, width))]


def _pool2(b: Builder, step: Step, node: Node, w: Window) -> Node:
    ceil = bool(step.attributes.get("ceil_mode", 0))
    where: dict[str, Any] = {"kernel": w.kernel, "stride": w.stride, "padding": w.padding, "ceil": ceil}
    if step.op == "MaxPool":
        return b.layer(step, "max_pool", node, dilation=w.dilation, **where)
    counted = bool(step.attributes.get("count_include_pad", 0))
    if set(w.dilation) == {1}:
        return b.layer(step, "average_pool", node, count_padding=counted, **where)
    for axis in (0, 1):
        one = w.of_axes(axis)
        node = b.layer(
            step, "average_along", node, axis=axis + 1, kernel=one.kernel[0], stride=one.stride[0],
            dilation=one.dilation[0], padding=one.padding[0], ceil=ceil, count_padding=counted,
        )  # fmt: skip
    return node


def global_pool(b: Builder, step: Step) -> list[Value]:
    a, channels, image = image_of(b, step)
    name = "global_average_pool" if step.op == "GlobalAveragePool" else "global_max_pool"
    rows = (channels, image[0] if image else 1, prod(image[1:]))
    node = b.layer(step, name, b.shaped(a, rows))
    return [Value(node, (*a.shape[:2], *(1,) * len(image)))]


# ---- normalisation
def batch_norm(b: Builder, step: Step) -> list[Value]:
    """In inference: (a - mean) / sqrt(variance + epsilon) scale + bias, channel by channel."""
    at = step.attributes
    training = (at.get("training_mode", 0) if b.opset >= 14 else any(step.outputs[1:]) or (b.opset < 7 and not at.get("is_test", 0)))  # fmt: skip
    if training:
        raise CapabilityError(
            f"{step.label} is in training mode, which fastnn does not read",
            hint="export the model for inference; fit trains the layer that it becomes",
        )
    if not at.get("spatial", 1):
        raise CapabilityError(f"{step.label} has spatial = 0: a mean for every pixel, which fastnn does not read")  # fmt: skip
    a, channels, image = image_of(b, step)
    names = ("gamma", "beta", "mean", "variance")
    numbers = dict(zip(names, (b.array(step, k) for k in range(1, 5)), strict=True))
    rows = (channels, *((1, *image) if len(image) == 1 else (image[0], prod(image[1:])) if image else (1, 1)))
    node = b.layer(
        step, "batch_norm", b.shaped(a, rows), assign=numbers,
        epsilon=float(at.get("epsilon", 1e-5)), momentum=1.0 - float(at.get("momentum", 0.9)),
    )  # fmt: skip
    return [Value(node, a.shape)]


def layer_norm(b: Builder, step: Step) -> list[Value]:
    """Over all of a sample, which is what the library's layer does."""
    a = b.value(step, 0)
    axis = step.attributes.get("axis", -1)
    sample = b.sample(a.shape)
    scale, bias = b.array(step, 1), b.array(step, 2, np.zeros(1))
    if b.axis(step, axis, len(a.shape)) != 0 or b.whole:
        raise CapabilityError(f"{step.label}: fastnn reads it over all of a sample alone", got=f"axis {axis}", expected="axis 1")  # fmt: skip
    numbers = {"gamma": np.broadcast_to(scale, sample), "beta": np.broadcast_to(bias, sample)}
    epsilon = float(step.attributes.get("epsilon", 1e-5))
    return [Value(b.layer(step, "layer_norm", b.shaped(a), assign=numbers, epsilon=epsilon), a.shape)]


def lrn(b: Builder, step: Step) -> list[Value]:
    a, channels, image = image_of(b, step)
    at = step.attributes
    rows = (channels, image[0] if image else 1, prod(image[1:]))
    node = b.layer(
        step, "local_response_norm", b.shaped(a, rows),
        size=at["size"], alpha=float(at.get("alpha", 1e-4)), beta=float(at.get("beta", 0.75)), k=float(at.get("bias", 1.0)),
    )  # fmt: skip
    return [Value(node, a.shape)]


IMAGES = {
    "AveragePool": pool,
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "LRN": lrn,
    "LayerNormalization": layer_norm,
    "MaxPool": pool,
}
