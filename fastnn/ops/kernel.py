"""A kernel: the work for one element, as a plain body, and what its arguments are.

    def forward(i, z, a, W, b): ...      i counts output elements; the result comes first, as in an assignment

The body is documentation, fallback and test oracle at once: every device makes a loop around it. Arguments are matched by name:

    arrays    operands in memory; a letter and a number say what they are (table below)
    reals     settings of the instruction, real numbers
    wholes    settings of the instruction, whole numbers
    step, t, eta, seed, row   what the running loop knows: step number (whole, and as a real), learning rate, the fit's seed, and where
                              the batch starts in the epoch's order

| spec | operand                                                       |
|------|---------------------------------------------------------------|
| `*`  | numbers of the network's dtype, flat, without a shape         |
| `1`, `2`, `3`, `4` | array of that many axes of the network's dtype  |
| `i*`, `i1` | the same of int64                                       |
| `d*` | the same of float64                                           |
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

__all__ = ["RUN_NAMES", "Kernel"]

RUN_NAMES = ("step", "t", "eta", "seed", "row")


@dataclass(frozen=True, eq=False)
class Kernel:
    """A body with what its arguments are.

    name         of op and body, as 'affine.forward': what a device's table of tuned kernels is keyed by
    body         body(i, out, ...); plain Python
    arrays       argument name -> spec, results first
    reals, wholes  further arguments by name
    functions    names that the body calls -> (plugin function, its settings)
    whole_functions  arguments of plugin functions that are whole numbers (a class index)
    extra_results  how many arrays after the first are written too
    flops        floating-point operations from the shapes of all operands; without it, one for every element of the result
    by_row       i counts rows of the result (samples), not its elements
    counted      i counts what the first so many axes of the result hold (2: a sample's channels); None: every element
    vector       the same work on the same operands by a body that does many elements at once, for a CPU: it may ask for `scratch`, memory of
                 its thread for 65,536 numbers. Tests hold it against this kernel's body
    by_column    a tuned kernel can deal out columns of the result, for operands (result, a, W, ...)
    elementwise  the body touches element i of every operand, and nothing else: a device may run it where element i has just been written
    wide         on the CPU, the widest registers pay off
    accumulates  the body adds to its result by one `out[...] += x`; a variant that overwrites is derived from it
    """

    name: str
    body: Callable[..., None]
    arrays: Mapping[str, str]
    reals: tuple[str, ...] = ()
    wholes: tuple[str, ...] = ()
    functions: Mapping[str, tuple[Callable[..., Any], Mapping[str, float]]] = field(default_factory=dict)
    whole_functions: frozenset[str] = frozenset()
    by_row: bool = False
    counted: int | None = None
    vector: Kernel | None = None
    by_column: bool = False
    elementwise: bool = False
    wide: bool = True
    accumulates: bool = False
    extra_results: int = 0
    flops: Callable[..., int] | None = None

    def arguments(self) -> list[str]:
        """Argument names of the body after i."""
        return list(inspect.signature(self.body).parameters)[1:]

    def inner(self, shape: Sequence[int], axes: int = 1) -> int:
        """How often the body runs for one unit of a result of this shape: what its first `axes` axes count, as samples."""
        return 1 if self.by_row else prod(shape[axes : self.counted])

    @property
    def by_channel(self) -> bool:
        """Whether the channels of one sample can be dealt out."""
        return (
            not self.by_row and self.counted in (None, 2) and (self.vector is None or self.vector.by_channel)
        )

    @property
    def result(self) -> str:
        """Name of the first operand, the one that is written."""
        return next(iter(self.arrays))

    def signature_key(self) -> Any:
        """What tells this kernel from others that compile differently."""
        functions = tuple((role, f, tuple(sorted(s.items()))) for role, (f, s) in self.functions.items())
        return (self.name, tuple(self.arrays.items()), functions)
