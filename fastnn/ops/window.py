"""Windows that move over images, as pooling has them: what they are called as settings, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import ShapeError
from fastnn.ops.op import NodeBuffers, Shape

__all__ = ["WINDOW", "whole_plane", "window", "windows"]

WINDOW = (
    "height", "width", "out_height", "out_width", "kernel_u", "kernel_v", "stride_u", "stride_v", "pad_u", "pad_v", "dilation_u", "dilation_v",
)  # fmt: skip
"""Whole settings of the kernels. Padding behind needs no number: it follows from the shape of z."""


def windows(a: Shape, attributes: dict[str, Any]) -> Shape:
    """(channels, height', width') for a sample (channels, height, width); ShapeError where the window does not fit.

    height' = (height + padding - reach) / stride + 1, rounded down, or up with `ceil`; rounded up, a last window that would begin in
    the padding behind is left away (ONNX, PyTorch). The reach is dilation (kernel - 1) + 1.
    """
    if len(a) != 3:
        raise ShapeError(
            f"pooling moves over images, but a sample has shape {a}", expected="(channels, height, width)"
        )
    extents = []
    for n, kernel, stride, (before, after), dilation in zip(
        a[1:],
        attributes["kernel"],
        attributes["stride"],
        attributes["padding"],
        attributes["dilation"],
        strict=True,
    ):
        reach = dilation * (kernel - 1) + 1
        room = n + before + after - reach
        if room < 0:
            raise ShapeError(
                f"the window reaches over {reach} pixels, and there are {n + before + after} with padding",
                got=f"a {('batch', *a)}",
                hint="a smaller kernel, or more padding",
            )
        if before >= reach or after >= reach:
            raise ShapeError(
                "a window may lie in the padding alone",
                got=f"padding {(before, after)}",
                expected=f"below {reach}",
            )
        count = (-(-room // stride) if attributes["ceil"] else room // stride) + 1
        if attributes["ceil"] and (count - 1) * stride >= n + before:
            count -= 1
        extents.append(count)
    return (a[0], *extents)


def window(n: NodeBuffers) -> dict[str, int]:
    """The settings of a node's kernels."""
    (_, _, height, width), (_, _, out_height, out_width) = n.a[0].shape, n.z.shape
    kernel, stride, padding, dilation = (n.attributes[k] for k in ("kernel", "stride", "padding", "dilation"))
    numbers: Sequence[int] = (
        height, width, out_height, out_width, *kernel, *stride, padding[0][0], padding[1][0], *dilation
    )  # fmt: skip
    return dict(zip(WINDOW, numbers, strict=True))


def whole_plane(n: NodeBuffers) -> bool:
    """Whether there is one window, over all of a channel and nothing else."""
    return (
        tuple(n.attributes["kernel"]) == n.a[0].shape[2:]
        and n.z.shape[2:] == (1, 1)
        and not any(side for pair in n.attributes["padding"] for side in pair)
    )
