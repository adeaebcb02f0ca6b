"""Kernels as the text of a module: what nvvm compiles, and what anyone can open to see what runs.

A stage is one instruction of the plan, and the element-wise ones behind it that its threads do on what they have just written. Its text is a device function

    stage(w, step, row, seed, eta)          w: the stage's words; eta: bits of the network's dtype

Around it goes one of two kernels, both with addresses for arguments:

    kernel(words, run)     one stage, launched by itself; `run` holds step, row, seed, eta
    kernel(frame)          the whole tape, step after step, in one launch (tape.py)

Words are in the order of fastnn/cpu/unit.py; real settings are bits of the network's dtype, so that a float32 kernel has no float64 in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from textwrap import indent

from fastnn.ops.kernel import Kernel
from fastnn.ops.text import definitions, operand_lines

__all__ = ["HEADER", "Part", "StageText", "check_text", "kernel_text", "launch_text", "stage_lines"]

OPTIONS = "error_model='numpy'"
"""No fastmath: numba-cuda takes any set of flags for all of them, and computes exp and division approximately. It contracts by itself."""

HEADER = """import math

import numpy as np

from fastnn import numerics
from fastnn.cuda import forms
from fastnn.cuda.toolkit import cuda, njit, pointer, real_from_word, view

real = np.{dtype}
"""

_RUN_VALUES = {
    "step": "_step",
    "t": "real(_step)",
    "row": "_row",
    "seed": "_seed",
    "eta": "real_from_word(_eta, real)",
}
_REAL = "real_from_word({word}, real)"
_RUN = "_step, _row, _seed, _eta"
_DEVICE = "@cuda.jit(device=True)"
_GO = "pointer(_w[{}], np.int64)[0] == 0"
"""Whether the loss of this step was finite."""


@dataclass(frozen=True)
class Part:
    """A kernel in a stage: its body adds or overwrites, its words start at `first`, `same` operands lie where the stage's result lies."""

    kernel: Kernel
    accumulate: bool
    first: int = 0
    same: tuple[int, ...] = ()
    checks: bool = False


@dataclass(frozen=True, eq=False)
class StageText:
    """What the text of a stage depends on. `form`: the call that makes its loop, as "forms.check(real)", where {then} stands for what follows; "" for a loop over the head's body.

    `result`: the word that holds the result's address. `bad`: the word with the address of the flag that `checks` looks at.
    """

    form: str
    head: Part | None
    tails: tuple[Part, ...] = ()
    result: int = 2
    result_type: str = "real"
    bad: int = 0

    @property
    def name(self) -> str:
        """What it is called in messages and in the cache."""
        head = (
            self.form.partition("(")[0].removeprefix("forms.") if self.head is None else self.head.kernel.name
        )
        return ".".join([head, *(part.kernel.name for part in self.tails)]).replace(".", "_")

    @cached_property
    def text(self) -> str:
        """The stage's definitions: two stages with the same ones are the same."""
        return "\n".join(stage_lines(self, "stage"))


def stage_lines(stage: StageText, name: str) -> list[str]:
    """Definitions for the stage, the last of which is the device function `name`."""
    parts = [*([stage.head] if stage.head is not None else []), *stage.tails]
    heads = len(parts) - len(stage.tails)
    texts = [_body(part, f"{name}_body_{number}") for number, part in enumerate(parts)]
    lines: list[str] = []
    after: list[str] = []
    others: list[str] = []
    for number, part in enumerate(parts[heads:], start=heads):
        same = dict.fromkeys(part.same, "_C")
        lines += operand_lines(part.kernel, _RUN_VALUES, _REAL, same, part.first, f"_{number}")
        own = [f"{argument}_{number}" for argument in part.kernel.arguments()]
        taken = ", ".join(f"_o[{len(others) + n}]" for n in range(len(own)))
        others += own
        if part.checks:
            after.append(f"    if _o[{len(others)}]:")
            others.append(_GO.format(stage.bad))
        after.append(f"    {'    ' if part.checks else ''}{name}_body_{number}(_i, {taken})")
    handed = f"({', '.join(others) or '0'},)"
    texts.append(_function(_DEVICE, f"{name}_operands(_w, _C, {_RUN})", [*lines, f"    return {handed}"]))
    texts.append(_function(f"@njit({OPTIONS})", f"{name}_after(_i, _o)", after or ["    pass"]))
    if stage.form:
        texts.append(f"\n{name}_form = {stage.form.format(then=f'{name}_operands, {name}_after')}\n")
    texts.append(_function(_DEVICE, f"{name}(_w, {_RUN})", _run(stage, name, bool(after))))
    return texts


def _run(stage: StageText, name: str, follows: bool) -> list[str]:
    """What the device function of a stage does: its form, or a loop over the head's body."""
    if stage.head is None:
        result = f"pointer(_w[{stage.result}], {stage.result_type})"
        return [f"    {name}_form(_w, {result}, {_RUN})"]
    kernel, checks = stage.head.kernel, stage.head.checks
    lines = operand_lines(kernel, _RUN_VALUES, _REAL)
    if follows:
        flat = kernel.arrays[kernel.result].endswith("*")
        result = kernel.result if flat else f"pointer(_w[{stage.result}], {stage.result_type})"
        lines.append(f"    _o = {name}_operands(_w, {result}, {_RUN})")
    if checks:
        lines.append(f"    _go = {_GO.format(stage.bad)}")
    lines.append("    for _i in range(cuda.grid(1), _w[0] * _w[1], cuda.gridsize(1)):")
    if checks:
        lines.append("        if _go:")
    lines.append(f"        {'    ' if checks else ''}{name}_body_0(_i, {', '.join(kernel.arguments())})")
    if follows:
        lines.append(f"        {name}_after(_i, _o)")
    return lines


def _function(decorator: str, signature: str, lines: list[str]) -> str:
    return "\n".join([f"\n{decorator}", f"def {signature}:", *lines]) + "\n"


def _body(part: Part, name: str) -> str:
    """The body and what it calls, behind a name of its own: two plugins may both call a function `value`."""
    texts = definitions(part.kernel, part.accumulate, f"@njit({OPTIONS})")
    inner = indent("\n".join(texts).strip(), "    ")
    return f"\ndef _{name}():\n{inner}\n\n    return body\n\n\n{name} = _{name}()\n"


def launch_text(stage: StageText, dtype: str) -> str:
    """The module of a kernel(words, run) that runs one stage."""
    lines = [
        "\ndef kernel(_words, _run):",
        "    _r = pointer(_run, np.int64)",
        "    stage(pointer(_words, np.int64), _r[0], _r[1], _r[2], _r[3])",
    ]
    return "\n".join([HEADER.format(dtype=dtype), *stage_lines(stage, "stage"), *lines]) + "\n"


def check_text() -> StageText:
    """A stage that sets a flag where a number is not finite: its words are the numbers, how many, and the flag."""
    return StageText("forms.check(real)", None, result=2, result_type="np.int64")


def kernel_text(kernel: Kernel, dtype: str, accumulate: bool = True) -> str:
    """The module of a kernel(words, run) that loops over this body alone: what the conformance checks compile."""
    return launch_text(StageText("", Part(kernel, accumulate)), dtype)
