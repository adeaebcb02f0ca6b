"""CUDA's loop around a kernel's body, as the text of a module: a grid-stride loop, one element a turn.

    void kernel(int64 words, int64 run)

`words` is the device address of the instruction's numbers, in the order of fastnn/cpu/unit.py; `run` that of what the running loop knows
(RUN_VALUES). Real settings are bits of the network's dtype, so that a float32 kernel has no float64 in it.
"""

from __future__ import annotations

from fastnn.ops.kernel import Kernel
from fastnn.ops.text import definitions, operand_lines

__all__ = ["kernel_text"]

OPTIONS = "error_model='numpy'"
"""No fastmath: numba-cuda takes any set of flags for all of them, and computes exp and division approximately. It contracts by itself."""

HEADER = """import math

import numpy as np
from numba import cuda, njit

from fastnn import numerics
from fastnn.cuda.memory import pointer, real_from_word, view

real = np.{dtype}
"""

RUN_VALUES = {
    "step": "pointer(_run, np.int64)[0]",
    "t": "real(pointer(_run, np.int64)[0])",
    "row": "pointer(_run, np.int64)[1]",
    "seed": "pointer(_run, np.int64)[2]",
    "eta": "real_from_word(pointer(_run, np.int64)[3], real)",
}


def kernel_text(kernel: Kernel, dtype: str, accumulate: bool = True) -> str:
    """The module: the same functions as on the CPU, and `kernel(words, run)` around them, for cuda.compile or cuda.jit."""
    texts = [HEADER.format(dtype=dtype), *definitions(kernel, accumulate, f"@njit({OPTIONS})"), _loop(kernel)]
    return "\n".join(texts)


def _loop(kernel: Kernel) -> str:
    """The loop; its own names start with an underscore, for the body's arguments may be called anything."""
    lines = ["\ndef kernel(_words, _run):", "    _w = pointer(_words, np.int64)"]
    lines += operand_lines(kernel, RUN_VALUES, "real_from_word({word}, real)")
    lines += [
        "    for _i in range(cuda.grid(1), _w[0] * _w[1], cuda.gridsize(1)):",
        f"        body(_i, {', '.join(kernel.arguments())})",
    ]
    return "\n".join(lines) + "\n"
