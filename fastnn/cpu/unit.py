"""The CPU's loop around a kernel's body, as the text of a module.

    void kernel(int64 words, int64 run, int64 t, int64 team)

`words` is the address of the instruction's numbers: units, inner, then for each array its address and extents, then whole settings, then real
settings as bits of float64. `run` is the address of what the running loop knows (RUN below). Thread t of `team` does its share of the units.
"""

from __future__ import annotations

from fastnn.compile import Unit
from fastnn.cpu.lanes import lane_functions, lane_loop
from fastnn.ops.kernel import Kernel
from fastnn.ops.text import definitions, operand_lines

__all__ = ["FUNCTION", "HEADER", "OPTIONS", "RUN", "kernel_unit"]

RUN = ("step", "row", "seed", "eta", "scratch")
"""Places of the numbers in `run`; eta is the bits of a float64, scratch the address of this thread's workspace."""

OPTIONS = "error_model='numpy', fastmath={'contract', 'nsz'}"
"""Divisions must not raise, or loops don't vectorise. No 'arcp', 'afn' or 'reassoc': a vector and a scalar remainder must give the same bits."""

FUNCTION = f"@njit(inline='always', {OPTIONS})"
"""Inlined before types are inferred: compiled once and not once a level, in little more than half the time, to the same machine code."""

HEADER = """import numpy as np
from numba import cfunc, njit

from fastnn import numerics
from fastnn.cpu.share import share
from fastnn.cpu.transpose import transpose
from fastnn.cpu.vector import LANES, lane_array, pointer, real_from_bits, size_of, use_widest_registers, view
from fastnn.numerics import {dtype} as math

real = np.{dtype}
"""
"""What functions call `math` is Python's, but for exp, expm1, log, log1p, tanh and erf, which vectorise."""

RUN_VALUES = {
    "step": "pointer(_run, np.int64)[0]",
    "t": "real(pointer(_run, np.int64)[0])",
    "row": "pointer(_run, np.int64)[1]",
    "seed": "pointer(_run, np.int64)[2]",
    "eta": "real(real_from_bits(pointer(_run, np.int64)[3]))",
    "scratch": "pointer(pointer(_run, np.int64)[4], real)",
}
"""What a body may ask for by name."""


def kernel_unit(kernel: Kernel, dtype: str, accumulate: bool, same: tuple[int, ...]) -> Unit:
    """The unit that loops over the body. `same`: operands that lie where the result lies (so that the compiler knows, and vectorises)."""
    texts = [HEADER.format(dtype=dtype), *definitions(kernel, accumulate, FUNCTION)]
    lanes = lane_functions(kernel, [t.removeprefix(f"\n{FUNCTION}\n") for t in texts if FUNCTION in t])
    texts += [f"\n{FUNCTION}\n{text}" for text in lanes]
    texts.append(_loop(kernel, same, bool(lanes)))
    variant = ("" if accumulate or not kernel.accumulates else "_set") + ("_same" if same else "")
    name = f"{kernel.name.replace('.', '_')}{variant}_{dtype}"
    return Unit(name, "\n".join(texts))


def _loop(kernel: Kernel, same: tuple[int, ...], lanes: bool) -> str:
    """The loop; its own names start with an underscore, for the body's arguments may be called anything."""
    lines = [
        f"\n@cfunc('void(int64, int64, int64, int64)', _nrt=False, {OPTIONS})",
        "def kernel(_words, _run, _t, _team):",
        *(["    use_widest_registers()"] if kernel.wide and (kernel.functions or kernel.counted) else []),
        "    _w = pointer(_words, np.int64)",
    ]
    lines += operand_lines(
        kernel, RUN_VALUES, "real(real_from_bits({word}))", dict.fromkeys(same, kernel.result)
    )
    lines.append("    _low, _high = share(_w[0], _t, _team)")
    if lanes:
        lines += lane_loop(kernel)
    lines += [
        "    for _i in range(_low * _w[1], _high * _w[1]):",
        f"        body(_i, {', '.join(kernel.arguments())})",
    ]
    return "\n".join(lines) + "\n"
