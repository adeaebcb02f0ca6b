"""No float64 in a float32 network, shown on the code that a GPU would run: PTX, compiled without a GPU.

>>> from fastnn.testing.ptx import float64_lines, kernels_of
>>> import fastnn as fnn
>>> for kernel in kernels_of(fnn.activations.gelu):          # doctest: +SKIP
...     assert float64_lines(kernel) == []
"""

from __future__ import annotations

import inspect
from typing import Any

from fastnn.contracts import Activation, Loss, RowActivation, Rule
from fastnn.cuda import compile_ptx, kernel_text
from fastnn.ops import Activate, Kernel, LossOp, Op, RowActivate
from fastnn.ops.loss import link_kernel
from fastnn.ops.update import update_kernel

__all__ = ["GENERATIONS", "float64_lines", "float64_lines_of", "kernels_of", "ptx"]

_REDUCTION = "0d3BF921FB54442D19"
"""Pi / 2 * 2^-64 as PTX writes it: the factor in CUDA's reduction of large angles."""
_AROUND_REDUCTION = (".reg .f64", "cvt.rn.f64.s64", "cvt.rn.f32.f64", "neg.f64")

GENERATIONS = ((8, 0), (9, 0))
"""Compute capabilities that code is made for: A100 and H100."""


def kernels_of(thing: Any) -> list[Kernel]:
    """Every kernel that the CPU engine compiles for an activation, a loss, a rule or an op (object or class)."""
    if isinstance(thing, Activation):
        return list(Activate(thing).kernels())
    if isinstance(thing, RowActivation):
        return list(RowActivate(thing).kernels())
    if isinstance(thing, Rule):
        return [update_kernel(thing)]
    if isinstance(thing, Loss):
        return _kernels_of_loss(thing)
    op = thing() if inspect.isclass(thing) else thing
    assert isinstance(op, Op)
    return list(op.kernels())


def _kernels_of_loss(loss: Loss) -> list[Kernel]:
    kernels = []
    for kind in ("index", "row"):
        if getattr(loss, kind) is not None:
            op = LossOp(loss, kind)
            kernels.append(op.value)
            if getattr(loss, f"{kind}_curvature") is not None:
                kernels.append(op.curvature)
    link = link_kernel(loss)
    return kernels if link is None else [*kernels, link]


def ptx(kernel: Kernel, dtype: str = "float32", cc: tuple[int, int] = (9, 0)) -> str:
    """The kernel's PTX; MissingExtraError where numba-cuda is not installed."""
    return compile_ptx(kernel_text(kernel, dtype), cc, kernel.name)


def float64_lines(kernel: Kernel, dtype: str = "float32", cc: tuple[int, int] = (9, 0)) -> list[str]:
    """The instructions of the kernel's PTX that work in float64: none, for float32.

    CUDA's own sin, cos and tan reduce large float32 arguments by one product in float64; that is not the plugin's doing, and not listed.
    """
    return float64_lines_of(ptx(kernel, dtype, cc), dtype)


def float64_lines_of(text: str, dtype: str = "float32") -> list[str]:
    """As `float64_lines`, of PTX that is there already."""
    lines = [line.strip() for line in text.splitlines() if ".f64" in line]
    if dtype == "float32" and _REDUCTION in text:
        lines = [line for line in lines if not (_REDUCTION in line or line.startswith(_AROUND_REDUCTION))]
    return lines
