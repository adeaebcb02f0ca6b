"""The text of a kernel's functions: helpers, plugin functions and the body, typed. The same on every device; devices add their loops."""

from __future__ import annotations

from collections.abc import Mapping

from fastnn import numerics
from fastnn.compile import typed_source
from fastnn.ops.kernel import Kernel

__all__ = ["definitions", "operand_lines", "word_places"]


def definitions(kernel: Kernel, accumulate: bool, decorator: str) -> list[str]:
    """Definitions in the order in which they are needed, each under `decorator`; the last is called `body`.

    The module that they go into has `real`, the network's dtype, and `numerics`. With `accumulate` false, a body that adds overwrites.
    """
    texts = []
    for role, (function, settings) in kernel.functions.items():
        texts += typed_source(function, role, settings, kernel.whole_functions)
    whole = frozenset({"i", "step", "seed", "row", *kernel.wholes}) - set(kernel.reals)
    overwrite = kernel.result if kernel.accumulates and not accumulate else None
    texts += typed_source(kernel.body, "body", None, whole, frozenset(kernel.functions), overwrite)
    used = [name for name in numerics.__all__ if any(f"{name}(" in text for text in texts)]
    return [f"{name} = numerics.{name}\n" for name in used] + [f"\n{decorator}\n{text}" for text in texts]


ELEMENT_TYPES = {"": "real", "i": "np.int64", "d": "np.float64"}


def word_places(kernel: Kernel) -> dict[str, int]:
    """Where each argument's first number stands among the instruction's words: units and inner, arrays (address, extents), wholes, reals."""
    places, place = {}, 2
    for name, spec in kernel.arrays.items():
        places[name] = place
        place += 1 + _extents(spec)
    for name in (*kernel.wholes, *kernel.reals):
        places[name] = place
        place += 1
    return places


def operand_lines(
    kernel: Kernel,
    run_values: Mapping[str, str],
    real: str,
    same: Mapping[int, str] | None = None,
    first: int = 0,
    suffix: str = "",
) -> list[str]:
    """Statements that give every argument of the body its value, from `_w`, the words (from number `first` on), and `run_values`.

    `real` makes a real setting of a word; `same` names what lies where the operand of this position lies. Names end with `suffix`.
    """
    lines, places, same = [], {n: first + place for n, place in word_places(kernel).items()}, same or {}
    for position, (name, spec) in enumerate(kernel.arrays.items()):
        element, place = ELEMENT_TYPES[spec[:-1]], places[name]
        if position in same:
            value = same[position]
        elif _extents(spec) == 0:
            value = f"pointer(_w[{place}], {element})"
        else:
            shape = ", ".join(f"_w[{place + 1 + axis}]" for axis in range(_extents(spec)))
            value = f"view(_w[{place}], {element}, ({shape},))"
        lines.append(f"    {name}{suffix} = {value}")
    lines += [f"    {name}{suffix} = _w[{places[name]}]" for name in kernel.wholes]
    lines += [f"    {name}{suffix} = {real.format(word=f'_w[{places[name]}]')}" for name in kernel.reals]
    arguments = kernel.arguments()
    lines += [
        f"    {name}{suffix} = {text}"
        for name, text in run_values.items()
        if name in arguments and name not in kernel.reals
    ]
    return lines


def _extents(spec: str) -> int:
    return 0 if spec[-1] == "*" else int(spec[-1])
