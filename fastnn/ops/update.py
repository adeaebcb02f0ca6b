"""The optimizer's rule, on every parameter:  w[i], state[i] = step(w[i], g[i], state[i], eta, t, settings)

The settings travel with the instruction, so that changing them compiles nothing.
"""

from __future__ import annotations

import types
from functools import cache
from typing import Any

from fastnn.contracts import Rule
from fastnn.errors import PluginError
from fastnn.ops.kernel import Kernel

__all__ = ["update_kernel"]


def update_kernel(rule: Rule) -> Kernel:
    """The kernel of a rule: arrays w, g and the states, then the rule's settings as reals."""
    settings = rule.takes(rule.step)
    reals = tuple(name for name in settings if name != "eta")
    words = ["i", "w", "g", "rule_step", "body", *(f"{name}_" for name in rule.state)]
    if clash := sorted(set(words) & set(reals)):
        raise PluginError(
            f"optimizer {rule.name!r} calls a setting {clash[0]!r}, a word of the loop around it",
            hint="rename it",
        )
    states = "".join(f", {name}_" for name in rule.state)
    taken = [n for n in rule.step.__code__.co_varnames[: rule.step.__code__.co_argcount]]
    passed = ["w[i]", "g[i]", *(f"{name}_[i]" for name in rule.state)]
    passed += taken[2 + len(rule.state) :]
    results = ", ".join(["w[i]", *(f"{name}_[i]" for name in rule.state)])
    extra = "".join(f", {name}" for name in ("eta", "t") if name in taken)
    text = f"def update(i, w, g{states}{extra}{''.join(f', {r}' for r in reals)}):\n    {results} = rule_step({', '.join(passed)})\n"
    arrays = {"w": "*", "g": "*"} | {f"{name}_": "*" for name in rule.state}
    return Kernel(
        f"update.{rule.name}",
        _written(text),
        arrays,
        reals=reals,
        functions={"rule_step": (rule.step, {})},
        extra_results=1 + len(rule.state),
        elementwise=True,
        wide=False,  # roots and divisions gain nothing: Adam is 8 % slower
    )


@cache
def _written(text: str) -> Any:
    """A function of this text that keeps its source: what the compiler reads."""
    namespace: dict[str, Any] = {}
    exec(compile(text, "<rule>", "exec"), namespace)  # noqa: S102  (text made above, of checked names)
    function: types.FunctionType = namespace["update"]
    function.__source__ = text  # type: ignore[attr-defined]
    return function
