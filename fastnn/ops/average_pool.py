"""Average pooling:  z = the mean of a window

    a   (batch, channels, height, width)          input
    z   (batch, channels, height', width')        output; delta has its shape

    forward    z[s,c,u,v]      = sum_{p,q} a[s,c,y,x] / n[u,v]          y = u stride - pad + p, x likewise
    backward   dC/da[s,c,y,x] += sum of delta[s,c,u,v] / n[u,v] over the windows that hold y, x

n[u,v] counts the pixels of the window; with `counted`, those in the padding too, but none behind the padding, where a window reaches
when the number of windows is rounded up. Linear, so tangents go the way of the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape
from fastnn.ops.sums import add_in_lanes
from fastnn.ops.window import WINDOW, whole_plane, window, windows

__all__ = ["AveragePool"]


def inside(u, kernel, stride, pad, cut, end):  # type: ignore[no-untyped-def]
    """Of window u, how many pixels lie before `end`, those in front of the image included unless `cut`."""
    first = u * stride - pad
    last = min(first + kernel, end)
    return last - (max(first, 0) if cut else first)


def forward(  # type: ignore[no-untyped-def]
    i, z, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, cut, end_u, end_v
):  # fmt: skip
    v, u, plane = i % out_width, i // out_width % out_height, i // (out_width * out_height)
    total = 0.0
    for p in range(kernel_u):
        y = u * stride_u - pad_u + p
        if 0 <= y < height:
            for q in range(kernel_v):
                x = v * stride_v - pad_v + q
                if 0 <= x < width:
                    total += a[(plane * height + y) * width + x]
    rows, columns = (
        inside(u, kernel_u, stride_u, pad_u, cut, end_u),
        inside(v, kernel_v, stride_v, pad_v, cut, end_v),
    )
    z[i] = total / float(rows * columns)


def forward_planes(  # type: ignore[no-untyped-def]
    i, z, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, cut, end_u, end_v
):  # fmt: skip
    for u in range(out_height):
        o = (i * out_height + u) * out_width
        for v in range(out_width):
            z[o + v] = 0.0
        for p in range(kernel_u):
            y = u * stride_u - pad_u + p
            if 0 <= y < height:
                for q in range(kernel_v):
                    first, last = 0, out_width
                    while first * stride_v + q - pad_v < 0:
                        first += 1
                    while last > first and (last - 1) * stride_v + q - pad_v >= width:
                        last -= 1
                    start = (i * height + y) * width + q - pad_v
                    # strides that are written out are vectorised
                    if stride_v == 1:
                        sum_up(z, a, o, start, first, last, 1)
                    elif stride_v == 2:
                        sum_up(z, a, o, start, first, last, 2)
                    else:
                        sum_up(z, a, o, start, first, last, stride_v)
        rows = inside(u, kernel_u, stride_u, pad_u, cut, end_u)
        for v in range(out_width):
            z[o + v] = z[o + v] / float(rows * inside(v, kernel_v, stride_v, pad_v, cut, end_v))


def sum_up(z, a, o, start, first, last, stride):  # type: ignore[no-untyped-def]
    for v in range(first, last):
        z[o + v] = z[o + v] + a[start + v * stride]


def backward(  # type: ignore[no-untyped-def]
    i, da, delta, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, cut, end_u, end_v
):  # fmt: skip
    x, y, plane = i % width, i // width % height, i // (width * height)
    total = 0.0
    for p in range(kernel_u):
        u = y + pad_u - p
        if u >= 0 and u % stride_u == 0 and u // stride_u < out_height:
            rows = inside(u // stride_u, kernel_u, stride_u, pad_u, cut, end_u)
            for q in range(kernel_v):
                v = x + pad_v - q
                if v >= 0 and v % stride_v == 0 and v // stride_v < out_width:
                    columns = inside(v // stride_v, kernel_v, stride_v, pad_v, cut, end_v)
                    o = (plane * out_height + u // stride_u) * out_width + v // stride_v
                    total += delta[o] / float(rows * columns)
    da[i] += total


def backward_planes(  # type: ignore[no-untyped-def]
    i, da, delta, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, cut, end_u, end_v,
    scratch
):  # fmt: skip
    at = i * height * width
    for k in range(height * width):
        da[at + k] += 0.0  # the statement that becomes `=` where da is overwritten
    for u in range(out_height):
        rows = inside(u, kernel_u, stride_u, pad_u, cut, end_u)
        o = (i * out_height + u) * out_width
        for v in range(out_width):
            scratch[v] = delta[o + v] / float(rows * inside(v, kernel_v, stride_v, pad_v, cut, end_v))
        for p in range(kernel_u):
            y = u * stride_u - pad_u + p
            if 0 <= y < height:
                for q in range(kernel_v):
                    first, last = 0, out_width
                    while first * stride_v + q - pad_v < 0:
                        first += 1
                    while last > first and (last - 1) * stride_v + q - pad_v >= width:
                        last -= 1
                    start = at + y * width + q - pad_v
                    if stride_v == 1:
                        hand_out(da, scratch, start, first, last, 1)
                    elif stride_v == 2:
                        hand_out(da, scratch, start, first, last, 2)
                    else:
                        hand_out(da, scratch, start, first, last, stride_v)


def hand_out(da, share, start, first, last, stride):  # type: ignore[no-untyped-def]
    for v in range(first, last):
        da[start + v * stride] = da[start + v * stride] + share[v]


def plane_mean(i, z, a, size):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(size):
        total += a[i * size + k]
    z[i] = total / float(size)


def plane_mean_planes(i, z, a, size, scratch):  # type: ignore[no-untyped-def]
    z[i] = add_in_lanes(a, i * size, size, scratch) / float(size)


def spread(i, da, delta, size):  # type: ignore[no-untyped-def]
    da[i] += delta[i // size] / float(size)


def spread_planes(i, da, delta, size):  # type: ignore[no-untyped-def]
    share = delta[i] / float(size)
    for k in range(size):
        da[i * size + k] += share


_WHERE = (*WINDOW[:10], "cut", "end_u", "end_v")


def _kernel(
    name: str, body: Any, vector: Any, *arrays: str, wholes: tuple[str, ...] = _WHERE, **settings: Any
) -> Kernel:
    specs = dict.fromkeys(arrays, "*")
    several = Kernel(f"{name}_planes", vector, specs, wholes=wholes, counted=2, **settings)
    return Kernel(name, body, specs, wholes=wholes, vector=several, **settings)


FORWARD = _kernel("average_pool.forward", forward, forward_planes, "z", "a")
BACKWARD = _kernel("average_pool.backward", backward, backward_planes, "da", "delta", accumulates=True)
MEAN = _kernel("average_pool.plane_mean", plane_mean, plane_mean_planes, "z", "a", wholes=("size",))
SPREAD = _kernel(
    "average_pool.spread", spread, spread_planes, "da", "delta", wholes=("size",), accumulates=True
)


class AveragePool(Op):
    """Attributes: kernel and stride (height, width), padding ((top, bottom), (left, right)), ceil, counted."""

    name = "average_pool"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return windows(a[0], {**attributes, "dilation": (1, 1)})

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, BACKWARD, MEAN, SPREAD)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        n.attributes["dilation"] = (1, 1)
        self._mean(tape, n, n.z, n.a[0])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        self._spread(tape, n, n.d_a[0], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        self._mean(tape, n, n.dz, n.da[0])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        self._spread(tape, n, n.dd_a[0], n.ddelta)

    def _mean(self, tape: Tape, n: NodeBuffers, z: Any, a: Any) -> None:
        if whole_plane(n):
            tape.write(MEAN, z, a, size=_size(n))
        else:
            tape.write(FORWARD, z, a, **_where(n))

    def _spread(self, tape: Tape, n: NodeBuffers, d_a: Any, delta: Any) -> None:
        if whole_plane(n):
            tape.add(SPREAD, d_a, delta, size=_size(n))
        else:
            tape.add(BACKWARD, d_a, delta, **_where(n))


def _size(n: NodeBuffers) -> int:
    height, width = n.a[0].shape[2:]
    return int(height * width)


def _where(n: NodeBuffers) -> dict[str, int]:
    """`cut`: pixels in front of the image are not counted; `end`: nor those from here on."""
    numbers, counted = window(n), bool(n.attributes["counted"])
    ends = {}
    for letter, axis in (("u", 0), ("v", 1)):
        extent = n.a[0].shape[2 + axis]
        ends[f"end_{letter}"] = extent + n.attributes["padding"][axis][1] if counted else extent
    return {name: numbers[name] for name in WINDOW[:10]} | {"cut": int(not counted)} | ends
