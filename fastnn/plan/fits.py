"""Whether an array can stand for a buffer that is bound from outside: kernels look at nothing, and would read beyond its end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import FastnnError
from fastnn.plan.instruction import Plan

__all__ = ["check_fits"]


def check_fits(plans: Iterable[Plan], name: str, array: NDArray[np.generic]) -> None:
    """FastnnError where the array for external buffer `name` is not contiguous, or has another size or dtype than a plan says."""
    if not array.flags.c_contiguous:
        raise FastnnError(f"the array for {name!r} is not C-contiguous", hint="np.ascontiguousarray")
    for plan in plans:
        buffer = plan.externals.get(name)
        if buffer is None or name == "ones":
            continue
        fits = (
            array.size == buffer.size if -1 not in buffer.shape else array.size % max(buffer.row_size, 1) == 0
        )
        if not fits or array.dtype != buffer.dtype:
            raise FastnnError(
                f"the array for {name!r} does not fit the plan",
                got=f"{array.shape}, {array.dtype}",
                expected=f"{buffer.shape}, {buffer.dtype}",
            )
