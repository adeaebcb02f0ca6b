"""Convolution by Winograd's minimal filtering F(2x2, 3x3): 16 multiplications for 4 outputs of a 3 x 3 kernel, in place of 36

    U[x,j,k]  = (G W[j,k] G^T)[x]                      x = 0..15, the places of a 4 x 4 matrix row by row
    V[x,k]    = (B^T a[k] B)[x]                        a 4 x 4 piece of the image
    z[j]      = A^T (sum_k U[.,j,k] V[.,k]) A + b[j]   a 2 x 2 piece of the output

    G = 1 0 0      B^T = 1  0 -1  0       A^T = 1 1  1  0
        h h h            0  1  1  0             0 1 -1 -1
        h -h h           0 -1  1  0       h = 1/2
        0 0 1            0  1  0 -1

The plan for a CPU replaces large convolutions by an instruction for U and one for the rest (plan/winograd.py). The bodies of the latter are those of the
convolution: the same map, by another way. Its float32 errors are no larger than the direct sum's, whose chains are nine times as long: against float64
and relative to the largest output, 3e-7 for 64 channels of positive numbers (direct 8e-7), 8e-7 for 512 (3e-6); tests/test_winograd.py holds it to that. What is
infinite in the image is NaN in the output, and reaches the whole 2 x 2 piece.

Source: Lavin and Gray 2016, Fast algorithms for convolutional neural networks (section 4.1); Winograd 1980, Arithmetic complexity of computations.
"""

from __future__ import annotations

import dataclasses
from math import prod

from fastnn.ops import convolve
from fastnn.ops.kernel import Kernel

__all__ = ["PLACES", "WEIGHTS", "WINOGRAD"]

PLACES = 16
"""Places of the 4 x 4 matrices."""


def of_G(r, p):  # type: ignore[no-untyped-def]
    """G[r, p]."""
    if r == 0 or r == 3:
        value = 1.0 if p == (0 if r == 0 else 2) else 0.0
    else:
        value = -0.5 if r == 2 and p == 1 else 0.5
    return value


def weights(i, U, W, turned):  # type: ignore[no-untyped-def]
    rows = U.shape[0] // 16
    k, j, x = i % U.shape[1], i // U.shape[1] % rows, i // (U.shape[1] * rows)
    total = 0.0
    for p in range(3):
        for q in range(3):
            if turned == 1:
                total += of_G(x // 4, p) * of_G(x % 4, q) * W[k, j, 2 - p, 2 - q]
            else:
                total += of_G(x // 4, p) * of_G(x % 4, q) * W[j, k, p, q]
    U[x * rows + j, k] = total


def _by_winograd(kernel: Kernel) -> Kernel:
    """The same kernel, which finds U behind its other operands; the body does without."""
    name = kernel.name.replace("convolve.", "convolve.winograd_")
    return dataclasses.replace(kernel, name=name, arrays={**kernel.arrays, "U": "2"})


WEIGHTS = Kernel(
    "winograd.weights",
    weights,
    {"U": "2", "W": "4"},
    wholes=("turned",),
    flops=lambda U, W: 28 * prod(W[:2]),
)
WINOGRAD = {k.name: _by_winograd(k) for k in (convolve.FORWARD, convolve.PRODUCT, convolve.BACKWARD)}
"""The kernel by the name of the one whose work it does."""
