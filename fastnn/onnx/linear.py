"""Gemm and MatMul. Weights that are constant become a Dense layer; everything else is a product of matrices, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import CapabilityError
from fastnn.onnx.build import Builder, CrossesBatch, Value
from fastnn.onnx.model import Step

__all__ = ["LINEAR"]


def gemm(b: Builder, step: Step) -> list[Value]:
    """alpha A' B' + beta C; A' is A or its transpose."""
    at = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0, **step.attributes}
    B, C = b.given(step, 1), b.given(step, 2)
    if isinstance(B, np.ndarray) and not at["transA"] and not b.whole and not isinstance(C, Value):
        W = B if at["transB"] else B.T
        return [_dense(b, step, W if at["alpha"] == 1 else at["alpha"] * W, C, at["beta"])]
    if not b.whole:
        raise CrossesBatch(f"{step.label} is no layer of one sample")
    A = b.given(step, 0)
    product = matmul(b, step, _side(b, A, at["transA"]), _side(b, B, at["transB"]))
    product = _times(b, step, product, at["alpha"])
    if C is None:
        return [product]
    if isinstance(C, np.ndarray):
        return [_plus(b, step, product, at["beta"] * C)]
    scaled = _times(b, step, C, at["beta"])
    return [Value(b.layer(step, "add", b.shaped(product), b.expanded(scaled, product.shape)), product.shape)]


def _dense(b: Builder, step: Step, W: Any, C: Any, beta: float) -> Value:
    """W (n_out, n_in); C of (n_out,), (1, n_out) or one number."""
    a = b.value(step, 0)
    n_out = len(W)
    shape = (a.shape[0], n_out)
    if len(a.shape) != 2 or a.shape[1] != W.shape[1]:
        raise CapabilityError(f"{step.label}: {a.shape} and W {W.shape} do not fit")
    row = b.shaped(a)
    if C is None or beta == 0:
        return Value(b.layer(step, "linear", row, assign={"W": W}, n_out=n_out, **b.drawn), shape)
    if C.size > 1 and C.ndim == 2 and C.shape[0] != 1:
        raise CrossesBatch(f"{step.label} adds another row to each sample")
    bias = np.broadcast_to(beta * C.reshape(-1), (n_out,))
    return Value(b.layer(step, "dense", row, assign={"W": W, "b": bias}, n_out=n_out, **b.drawn), shape)


def _side(b: Builder, given: Any, transposed: int) -> Any:
    if not transposed:
        return given
    if isinstance(given, np.ndarray):
        return given.T
    return Value(b.transposed(given, (1, 0)), given.shape[::-1])


def _times(b: Builder, step: Step, a: Value, factor: float) -> Value:
    if factor == 1.0:
        return a
    return Value(b.layer(step, "scale", b.shaped(a), assign={"w": [factor]}, shape=(1,)), a.shape)


def _plus(b: Builder, step: Step, a: Value, array: Any) -> Value:
    return Value(b.layer(step, "shift", b.shaped(a), assign={"b": array}, shape=array.shape or (1,)), a.shape)


def matmul_step(b: Builder, step: Step) -> list[Value]:
    x, y = b.given(step, 0), b.given(step, 1)
    if isinstance(x, Value) and isinstance(y, np.ndarray) and y.ndim == 2 and len(x.shape) == 2 and not b.whole:  # fmt: skip
        return [_dense(b, step, y.T, None, 1.0)]
    return [matmul(b, step, x, y)]


def matmul(b: Builder, step: Step, x: Any, y: Any) -> Value:
    """NumPy's matmul: vectors are rows on the left and columns on the right, axes in front broadcast."""
    left = (1, *x.shape) if len(x.shape) == 1 else x.shape
    right = (*y.shape, 1) if len(y.shape) == 1 else y.shape
    front = b.common(step, left[:-2], right[:-2])
    lead = front if b.whole else front[1:]
    kept = (left[-2:-1] if len(x.shape) > 1 else ()) + (right[-1:] if len(y.shape) > 1 else ())
    if not b.whole and (not front or min(len(left), len(right)) < 3):
        constant_right = isinstance(y, np.ndarray) and len(left) > 2 and right[:-2] in ((), (1,))
        if not constant_right:
            raise CrossesBatch(f"{step.label} multiplies across the first axis")
    if isinstance(y, np.ndarray):
        node = b.shaped(x, (*lead, *left[-2:])) if left[:-2] == front else b.expanded(Value(x.node, left), (*front, *left[-2:]))  # fmt: skip
        W = y.reshape(right)
        W = W.reshape(W.shape[-2:]) if W.size == right[-1] * right[-2] else W
        made = b.layer(step, "matrix_product", node, assign={"W": W}, shape=W.shape, side="right")
    elif isinstance(x, np.ndarray):
        node = b.expanded(Value(y.node, right), (*front, *right[-2:]))
        W = x.reshape(left)
        W = W.reshape(W.shape[-2:]) if W.size == left[-1] * left[-2] else W
        made = b.layer(step, "matrix_product", node, assign={"W": W}, shape=W.shape, side="left")
    else:
        sides = [b.expanded(Value(v.node, s), (*front, *s[-2:])) for v, s in ((x, left), (y, right))]
        made = b.layer(step, "matrix_product", *sides)
    return Value(made, (*front, *kept))


LINEAR = {"Gemm": gemm, "MatMul": matmul_step}
