"""Ops that ONNX has and layers lack, beside the copies of copies.py.

product         z[s,g,m,n] = sum_k a[s,g,m,k] b[s,g,k,n]                     a matrix product of two nodes, for every g
linear          z = W a                                                      an affine map without its bias
average_along   z[s,..,u,..] = mean_p a[s,..,u stride - pad + p dilation,..]     along one axis: windows with holes, which pooling has none of
place_of_max    where the largest number of a window lies
rows_activate   an activation of rows along the last of two axes
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from math import prod
from typing import Any

from fastnn.contracts import RowActivation
from fastnn.errors import ShapeError
from fastnn.onnx.copies import Constant, Put, Take
from fastnn.ops import Kernel, NodeBuffers, Op, RowActivate
from fastnn.ops.affine import BACKWARD as AFFINE_BACKWARD
from fastnn.ops.affine import GRADIENT_W as AFFINE_GRADIENT_W
from fastnn.ops.affine import PRODUCT as AFFINE_PRODUCT
from fastnn.ops.op import Shape, Tape

__all__ = ["AverageAlong", "Constant", "Linear", "MatrixProduct", "PlaceOfMax", "Put", "RowsActivate", "Take"]


def product(i, z, a, b, rows, columns, depth, a_row, a_k, b_k, b_column):  # type: ignore[no-untyped-def]
    n = i % columns
    m = i // columns % rows
    g = i // (columns * rows)
    total = 0.0
    for k in range(depth):
        total += a[g * rows * depth + m * a_row + k * a_k] * b[g * depth * columns + k * b_k + n * b_column]
    z[i] += total


def average_along(i, z, a, length, inner, n_out, window, stride, dilation, pad, counted, end):  # type: ignore[no-untyped-def]
    q, u, o = i % inner, i // inner % n_out, i // (inner * n_out)
    total = 0.0
    for p in range(window):
        y = u * stride - pad + p * dilation
        if 0 <= y < length:
            total += a[(o * length + y) * inner + q]
    z[i] += total / float(places_in(u, length, window, stride, dilation, pad, counted, end))  # type: ignore[no-untyped-call]


def average_along_backward(i, da, delta, length, inner, n_out, window, stride, dilation, pad, counted, end):  # type: ignore[no-untyped-def]
    q, y, o = i % inner, i // inner % length, i // (inner * length)
    total = 0.0
    for p in range(window):
        u = y + pad - p * dilation
        if u >= 0 and u % stride == 0 and u // stride < n_out:
            n = places_in(u // stride, length, window, stride, dilation, pad, counted, end)  # type: ignore[no-untyped-call]
            total += delta[(o * n_out + u // stride) * inner + q] / float(n)
    da[i] += total


def places_in(u, length, window, stride, dilation, pad, counted, end):  # type: ignore[no-untyped-def]
    n = 0
    for p in range(window):
        y = u * stride - pad + p * dilation
        if 0 <= y < length or (counted > 0 and y < end):
            n += 1
    return n


def place_of_max(i, z, a, height, width, out_height, out_width, window_u, window_v, stride_u, stride_v, dilation_u, dilation_v, pad_u, pad_v, by_column):  # type: ignore[no-untyped-def]  # fmt: skip
    v, u, plane = i % out_width, i // out_width % out_height, i // (out_width * out_height)
    place = -1
    largest = 0.0
    for p in range(window_u):
        y = u * stride_u - pad_u + p * dilation_u
        for q in range(window_v):
            x = v * stride_v - pad_v + q * dilation_v
            if 0 <= y < height and 0 <= x < width:
                here = a[(plane * height + y) * width + x]
                if place < 0 or here > largest:
                    largest = here
                    place = x * height + y if by_column > 0 else y * width + x
    z[i] = float(plane * height * width + place)


def rows_value(i, a, z):  # type: ignore[no-untyped-def]
    for r in range(a.shape[1]):
        row_value(a[i, r], z[i, r])  # type: ignore[name-defined]  # noqa: F821  (row_value and the others are the plugin's)


def rows_backward(i, out, delta, z, a):  # type: ignore[no-untyped-def]
    for r in range(a.shape[1]):
        row_backward(out[i, r], delta[i, r], z[i, r], a[i, r])  # type: ignore[name-defined]  # noqa: F821


def rows_tangent(i, da, dz, z, a):  # type: ignore[no-untyped-def]
    for r in range(a.shape[1]):
        row_tangent(da[i, r], dz[i, r], z[i, r], a[i, r])  # type: ignore[name-defined]  # noqa: F821


def rows_backward_tangent(i, out, delta, ddelta, z, dz, a, da):  # type: ignore[no-untyped-def]
    for r in range(a.shape[1]):
        row_backward_tangent(out[i, r], delta[i, r], ddelta[i, r], z[i, r], dz[i, r], a[i, r], da[i, r])  # type: ignore[name-defined]  # noqa: F821


_ALONG = ("length", "inner", "n_out", "window", "stride", "dilation", "pad", "counted", "end")
ALONG = Kernel("onnx.average_along", average_along, {"z": "*", "a": "*"}, wholes=_ALONG, accumulates=True)
ALONG_BACKWARD = Kernel(
    "onnx.average_along_backward",
    average_along_backward,
    {"da": "*", "delta": "*"},
    wholes=_ALONG,
    accumulates=True,
)
_MAX = ("height", "width", "out_height", "out_width", "window_u", "window_v", "stride_u", "stride_v", "dilation_u", "dilation_v", "pad_u", "pad_v", "by_column")  # fmt: skip
PLACE_OF_MAX = Kernel("onnx.place_of_max", place_of_max, {"z": "*", "a": "*"}, wholes=_MAX)
PRODUCT = Kernel(
    "onnx.product",
    product,
    {"z": "*", "a": "*", "b": "*"},
    wholes=("rows", "columns", "depth", "a_row", "a_k", "b_k", "b_column"),
    accumulates=True,
)


class MatrixProduct(Op):
    """(..., m, k) times (..., k, n), the axes in front alike. Bilinear, so that one kernel with other strides does everything:

    dC/da = delta b^T,  dC/db = a^T delta;  dz = da b + a db;  d(dC/da) = ddelta b^T + delta db^T,  d(dC/db) = da^T delta + a^T ddelta
    """

    name = "matrix_product"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        x, y = a
        if min(len(x), len(y)) < 2 or x[:-2] != y[:-2] or x[-1] != y[-2]:
            raise ShapeError("these matrices cannot be multiplied", got=f"{x} and {y}", expected="(..., m, k) and (..., k, n)")  # fmt: skip
        return (*x[:-1], y[-1])

    def kernels(self) -> tuple[Kernel, ...]:
        return (PRODUCT,)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        self._ab(tape, n.z, n.a[0], n.a[1])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        self._abt(tape, n.d_a[0], n.delta, n.a[1])
        self._atb(tape, n.d_a[1], n.a[0], n.delta)

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        if n.da[0] is not None:
            self._ab(tape, n.dz, n.da[0], n.a[1])
        if n.da[1] is not None:
            self._ab(tape, n.dz, n.a[0], n.da[1])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        self._abt(tape, n.dd_a[0], n.ddelta, n.a[1])
        self._atb(tape, n.dd_a[1], n.a[0], n.ddelta)
        if n.da[1] is not None:
            self._abt(tape, n.dd_a[0], n.delta, n.da[1])
        if n.da[0] is not None:
            self._atb(tape, n.dd_a[1], n.da[0], n.delta)

    def _ab(self, tape: Tape, z: Any, a: Any, b: Any) -> None:
        m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
        tape.add(PRODUCT, z, a, b, rows=m, columns=n, depth=k, a_row=k, a_k=1, b_k=n, b_column=1)

    def _abt(self, tape: Tape, z: Any, a: Any, b: Any) -> None:
        """z = a b^T, with b (n, k)."""
        m, k, n = a.shape[-2], a.shape[-1], b.shape[-2]
        tape.add(PRODUCT, z, a, b, rows=m, columns=n, depth=k, a_row=k, a_k=1, b_k=1, b_column=k)

    def _atb(self, tape: Tape, z: Any, a: Any, b: Any) -> None:
        """z = a^T b, with a (k, m)."""
        k, m, n = a.shape[-2], a.shape[-1], b.shape[-1]
        tape.add(PRODUCT, z, a, b, rows=m, columns=n, depth=k, a_row=1, a_k=m, b_k=n, b_column=1)


class AverageAlong(Op):
    """Attributes: axis of a sample, kernel, stride, dilation, padding (before, after), ceil, counted (the mean counts the padding's zeros)."""

    name = "average_along"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        axis, kernel, stride = (attributes[name] for name in ("axis", "kernel", "stride"))
        n, (before, after) = a[0][axis], attributes["padding"]
        room = n + before + after - attributes["dilation"] * (kernel - 1) - 1
        if room < 0:
            raise ShapeError("the window is longer than the axis with its padding", got=a[0], expected=f"{-room} more along axis {axis}")  # fmt: skip
        windows = (-(-room // stride) if attributes["ceil"] else room // stride) + 1
        if attributes["ceil"] and (windows - 1) * stride >= n + before:  # none begins in the padding behind
            windows -= 1
        return (*a[0][:axis], windows, *a[0][axis + 1 :])

    def kernels(self) -> tuple[Kernel, ...]:
        return (ALONG, ALONG_BACKWARD)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(ALONG, n.z, n.a[0], **self._where(n))

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(ALONG_BACKWARD, n.d_a[0], n.delta, **self._where(n))

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.write(ALONG, n.dz, n.da[0], **self._where(n))

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(ALONG_BACKWARD, n.dd_a[0], n.ddelta, **self._where(n))

    def _where(self, n: NodeBuffers) -> dict[str, int]:
        at, shape = n.attributes, n.a[0].shape
        axis = at["axis"] + 1  # behind the batch
        before, after = at["padding"]
        sizes = {"length": shape[axis], "inner": prod(shape[axis + 1 :]), "n_out": n.z.shape[axis]}
        window = {"window": at["kernel"], "stride": at["stride"], "dilation": at["dilation"]}
        return {**sizes, **window, "pad": before, "counted": int(at["counted"]), "end": shape[axis] + after}


class PlaceOfMax(Op):
    """Attributes: shape of the node that is made, and window, stride, dilation, pad (height, width); by_column. It has no derivative."""

    name = "place_of_max"
    second_order = False

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        shape: Shape = tuple(attributes["shape"])
        return shape

    def kernels(self) -> tuple[Kernel, ...]:
        return (PLACE_OF_MAX,)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        at, (height, width), (out_height, out_width) = n.attributes, n.a[0].shape[2:], n.z.shape[2:]
        pairs = {f"{name}_{axis}": at[name][k] for name in ("window", "stride", "dilation", "pad") for k, axis in enumerate("uv")}  # fmt: skip
        sizes = {"height": height, "width": width, "out_height": out_height, "out_width": out_width}
        tape.write(PLACE_OF_MAX, n.z, n.a[0], **sizes, **pairs, by_column=int(at["by_column"]))


class Linear(Op):
    """z = W a, an affine map without its bias, by the same kernels."""

    name = "linear"

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        n_out, n_in = parameters[0]
        if a[0] != (n_in,):
            raise ShapeError(f"input has shape {a[0]}, but W was built for {n_in} features", expected=(n_in,))
        return (n_out,)

    def kernels(self) -> tuple[Kernel, ...]:
        return (AFFINE_PRODUCT, AFFINE_BACKWARD, AFFINE_GRADIENT_W)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(AFFINE_PRODUCT, n.z, n.a[0], n.parameters[0])

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(AFFINE_BACKWARD, n.d_a[0], n.delta, n.parameters[0])
        tape.add(AFFINE_GRADIENT_W, n.g[0], n.delta, n.a[0])

    def tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(AFFINE_PRODUCT, n.dz, n.a[0], n.dparameters[0])
        if n.da[0] is not None:
            tape.add(AFFINE_PRODUCT, n.dz, n.da[0], n.parameters[0])

    def backward_tangent(self, tape: Tape, n: NodeBuffers) -> None:
        tape.add(AFFINE_BACKWARD, n.dd_a[0], n.ddelta, n.parameters[0])
        tape.add(AFFINE_BACKWARD, n.dd_a[0], n.delta, n.dparameters[0])
        tape.add(AFFINE_GRADIENT_W, n.dg[0], n.ddelta, n.a[0])
        if n.da[0] is not None:
            tape.add(AFFINE_GRADIENT_W, n.dg[0], n.delta, n.da[0])


class RowsActivate(RowActivate):
    """An activation of rows along the last of two axes of a sample, as softmax over (positions, classes)."""

    name = "rows_activate"

    def __init__(self, activation: RowActivation) -> None:
        super().__init__(activation)

        def kernel(body: Any, role: str) -> Kernel:
            function = getattr(activation, role)
            settings = {s: activation.settings[s] for s in activation.takes(function)}
            arrays = dict.fromkeys(list(inspect.signature(body).parameters)[1:], "3")
            functions = {f"row_{role}": (function, settings)}
            return Kernel(f"onnx.rows_{role}", body, arrays, functions=functions, by_row=True)

        self._forward, self._backward = kernel(rows_value, "value"), kernel(rows_backward, "backward")
        if self.second_order:
            self._tangent = kernel(rows_tangent, "tangent")
            self._backward_tangent = kernel(rows_backward_tangent, "backward_tangent")

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        if len(a[0]) != 2:
            what = f"activation {self.activation.name!r} works on rows of a sample"
            raise ShapeError(what, got=a[0], expected="(rows, n)")
        return a[0]
