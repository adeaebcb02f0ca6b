"""The text of a kernel's functions: helpers, plugin functions and the body, typed. The same on every device; devices add their loops."""

from __future__ import annotations

from fastnn import numerics
from fastnn.compile import typed_source
from fastnn.ops.kernel import Kernel

__all__ = ["definitions"]


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
