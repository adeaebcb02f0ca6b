"""Max pooling:  z = the largest number of a window; place says where it lies

    a          (batch, channels, height, width)         input
    z, place   (batch, channels, height', width')       output, and the place of the first maximum in its channel, y width + x

    forward    z[s,c,u,v]       = max_{p,q} a[s,c,y,x]        y = u stride - pad + p dilation, x likewise; padding never wins
    backward   dC/da[s,c,y,x]  += sum of delta[s,c,u,v] over the windows whose place is y, x
    tangent    dz[s,c,u,v]      = da[s,c, place]

A tie goes to the first, a NaN wins over all. Piecewise linear: second derivatives are those of the linear pieces. A place is a whole number
in the network's dtype: exact up to 2^24 pixels in a channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastnn.errors import CapabilityError
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape
from fastnn.ops.window import WINDOW, whole_plane, window, windows

__all__ = ["MaxPool"]

MOST_PIXELS = 2**24


def forward(  # type: ignore[no-untyped-def]
    i, z, place, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v
):  # fmt: skip
    v, u, plane = i % out_width, i // out_width % out_height, i // (out_width * out_height)
    largest = -math.inf
    found = -1
    for p in range(kernel_u):
        y = u * stride_u - pad_u + p * dilation_u
        if 0 <= y < height:
            for q in range(kernel_v):
                x = v * stride_v - pad_v + q * dilation_v
                if 0 <= x < width:
                    here = a[(plane * height + y) * width + x]
                    if here > largest or math.isnan(here) or found < 0:
                        largest = here
                        found = y * width + x
    z[i] = largest
    place[i] = float(found)


def forward_planes(  # type: ignore[no-untyped-def]
    i, z, place, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v
):  # fmt: skip
    if (
        kernel_u == 2
        and kernel_v == 2
        and stride_u == 2
        and stride_v == 2
        and pad_u == 0
        and pad_v == 0
        and dilation_u == 1
        and dilation_v == 1
        and 2 * out_height <= height  # rounded up, the last windows hang over the edge
        and 2 * out_width <= width
    ):
        for u in range(out_height):
            line = 2 * u * width
            largest_of_four(
                z,
                place,
                a,
                (i * out_height + u) * out_width,
                i * height * width + line,
                line,
                width,
                out_width,
            )
    else:
        for u in range(out_height):
            o = (i * out_height + u) * out_width
            for v in range(out_width):
                z[o + v] = -math.inf
                place[o + v] = -1.0
            for p in range(kernel_u):
                y = u * stride_u - pad_u + p * dilation_u
                if 0 <= y < height:
                    for q in range(kernel_v):
                        shift = q * dilation_v - pad_v
                        first, last = 0, out_width
                        while first * stride_v + shift < 0:
                            first += 1
                        while last > first and (last - 1) * stride_v + shift >= width:
                            last -= 1
                        line, start = y * width + shift, i * height * width + y * width + shift
                        # strides that are written out are vectorised
                        if stride_v == 1:
                            keep_larger(z, place, a, o, start, line, first, last, 1)
                        elif stride_v == 2:
                            keep_larger(z, place, a, o, start, line, first, last, 2)
                        else:
                            keep_larger(z, place, a, o, start, line, first, last, stride_v)


def largest_of_four(z, place, a, o, start, line, width, out_width):  # type: ignore[no-untyped-def]
    """A row of windows of 2 x 2 side by side, the most common ones, in one loop."""
    for v in range(out_width):
        x = 2 * v
        best, where = a[start + x], x
        right, below, across = a[start + x + 1], a[start + width + x], a[start + width + x + 1]
        if right > best or math.isnan(right):
            best, where = right, x + 1
        if below > best or math.isnan(below):
            best, where = below, width + x
        if across > best or math.isnan(across):
            best, where = across, width + x + 1
        z[o + v] = best
        place[o + v] = float(line + where)


def keep_larger(z, place, a, o, start, line, first, last, stride):  # type: ignore[no-untyped-def]
    for v in range(first, last):
        here, before, found = a[start + v * stride], z[o + v], place[o + v]
        better = here > before or math.isnan(here) or found < 0.0
        z[o + v] = here if better else before
        place[o + v] = float(line + v * stride) if better else found


def show(  # type: ignore[no-untyped-def]
    i, z, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v
):  # fmt: skip
    v, u, plane = i % out_width, i // out_width % out_height, i // (out_width * out_height)
    largest = -math.inf
    for p in range(kernel_u):
        y = u * stride_u - pad_u + p * dilation_u
        if 0 <= y < height:
            for q in range(kernel_v):
                x = v * stride_v - pad_v + q * dilation_v
                if 0 <= x < width:
                    here = a[(plane * height + y) * width + x]
                    if here > largest or math.isnan(here):
                        largest = here
    z[i] = largest


def show_planes(  # type: ignore[no-untyped-def]
    i, z, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v
):  # fmt: skip
    for u in range(out_height):
        o = (i * out_height + u) * out_width
        for v in range(out_width):
            z[o + v] = -math.inf
        for p in range(kernel_u):
            y = u * stride_u - pad_u + p * dilation_u
            if 0 <= y < height:
                for q in range(kernel_v):
                    shift = q * dilation_v - pad_v
                    first, last = 0, out_width
                    while first * stride_v + shift < 0:
                        first += 1
                    while last > first and (last - 1) * stride_v + shift >= width:
                        last -= 1
                    start = (i * height + y) * width + shift
                    if stride_v == 1:
                        keep_larger_only(z, a, o, start, first, last, 1)
                    elif stride_v == 2:
                        keep_larger_only(z, a, o, start, first, last, 2)
                    else:
                        keep_larger_only(z, a, o, start, first, last, stride_v)


def keep_larger_only(z, a, o, start, first, last, stride):  # type: ignore[no-untyped-def]
    for v in range(first, last):
        here, before = a[start + v * stride], z[o + v]
        z[o + v] = here if here > before or math.isnan(here) else before


def backward(  # type: ignore[no-untyped-def]
    i, da, delta, place, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v
):  # fmt: skip
    x, y, plane = i % width, i // width % height, i // (width * height)
    total = 0.0
    here = float(y * width + x)
    for p in range(kernel_u):
        u = y + pad_u - p * dilation_u
        if u >= 0 and u % stride_u == 0 and u // stride_u < out_height:
            for q in range(kernel_v):
                v = x + pad_v - q * dilation_v
                if v >= 0 and v % stride_v == 0 and v // stride_v < out_width:
                    o = (plane * out_height + u // stride_u) * out_width + v // stride_v
                    total += delta[o] if place[o] == here else 0.0
    da[i] += total


def backward_planes(  # type: ignore[no-untyped-def]
    i, da, delta, place, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v
):  # fmt: skip
    at, o, count = i * height * width, i * out_height * out_width, out_height * out_width
    for k in range(height * width):
        da[at + k] += 0.0  # the statement that becomes `=` where da is overwritten
    for k in range(count):
        if place[o + k] >= 0.0:
            here = at + int(place[o + k])
            da[here] = da[here] + delta[o + k]


def forward_whole(  # type: ignore[no-untyped-def]
    i, z, place, a, height, width, out_height, out_width, kernel_u, kernel_v, stride_u, stride_v, pad_u, pad_v, dilation_u, dilation_v,
    scratch
):  # fmt: skip
    """One window over all of a channel, in 64 lanes."""
    size = height * width
    for k in range(64):
        scratch[k] = -math.inf
        scratch[64 + k] = -1.0
    for block in range((size + 63) // 64):
        first = block * 64
        for k in range(min(64, size - first)):
            here, before, found = a[i * size + first + k], scratch[k], scratch[64 + k]
            better = here > before or math.isnan(here) or found < 0.0
            scratch[k] = here if better else before
            scratch[64 + k] = float(first + k) if better else found
    largest, where = scratch[0], scratch[64]
    for k in range(1, 64):
        here, found = scratch[k], scratch[64 + k]
        if found >= 0.0 and (here > largest or math.isnan(here) or (here == largest and found < where)):
            largest = here
            where = found
    z[i] = largest
    place[i] = where


def tangent(i, dz, da, place, height, width, out_height, out_width):  # type: ignore[no-untyped-def]
    found = place[i]
    dz[i] = da[i // (out_width * out_height) * height * width + int(found)] if found >= 0.0 else 0.0


def _kernel(
    name: str, body: Any, *arrays: str, vector: Any = None, wholes: tuple[str, ...] = WINDOW, **settings: Any
) -> Kernel:
    specs = dict.fromkeys(arrays, "*")
    several = (
        None
        if vector is None
        else Kernel(f"{name}_planes", vector, specs, wholes=wholes, counted=2, **settings)
    )
    return Kernel(name, body, specs, wholes=wholes, vector=several, **settings)


FORWARD = _kernel("max_pool.forward", forward, "z", "place", "a", vector=forward_planes, extra_results=1)
SHOW = _kernel("max_pool.show", show, "z", "a", vector=show_planes)
WHOLE = _kernel("max_pool.whole", forward, "z", "place", "a", vector=forward_whole, extra_results=1)
BACKWARD = _kernel(
    "max_pool.backward", backward, "da", "delta", "place", vector=backward_planes, accumulates=True
)
TANGENT = _kernel("max_pool.tangent", tangent, "dz", "da", "place", wholes=WINDOW[:4])


class MaxPool(Op):
    """Attributes: kernel, stride and dilation (height, width), padding ((top, bottom), (left, right)), ceil."""

    name = "max_pool"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        shape = windows(a[0], attributes)
        if a[0][1] * a[0][2] > MOST_PIXELS:
            raise CapabilityError(
                "the places of maxima would not be exact",
                got=f"{a[0][1]} x {a[0][2]} pixels",
                expected=f"at most {MOST_PIXELS:,}",
            )
        return shape

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, SHOW, WHOLE, BACKWARD, TANGENT)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        where = window(n)
        if not tape.backward and not whole_plane(n):
            tape.write(SHOW, n.z, n.a[0], **where)
            return
        n.kept["place"] = tape.room("place", n.z.shape[1:])
        tape.write(WHOLE if whole_plane(n) else FORWARD, n.z, n.kept["place"], n.a[0], **where)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(BACKWARD, n.d_a[0], n.delta, n.kept["place"], **window(n))

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        where = window(n)
        tape.write(TANGENT, n.dz, n.da[0], n.kept["place"], **{name: where[name] for name in WINDOW[:4]})

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(BACKWARD, n.dd_a[0], n.ddelta, n.kept["place"], **window(n))
