"""check_optimizer: a rule inside the compiled loop, or a solver that asks the objective, on quadratics whose bottom is known."""

from __future__ import annotations

from typing import Any

from fastnn.contracts import Rule
from fastnn.testing.compiled import check_ptx
from fastnn.testing.identity import check_class_identity, check_part_identity, found, label
from fastnn.testing.rules import RuleCheck
from fastnn.testing.solvers import SolverCheck

__all__ = ["check_optimizer"]


def check_optimizer(optimizer: Any, *, fraction: float = 0.5, **settings: Any) -> None:
    """Raise AssertionError where the optimizer breaks its contract.

    On a convex quadratic the loss above its bottom must fall below `fraction` of what it was: a rule in 2000 steps (one of a small
    learning rate is best handed over with a larger eta), a solver in 100.
    """
    thing = found("optimizer", optimizer, settings)
    if isinstance(thing, Rule):
        check_part_identity(thing, "optimizer")
        RuleCheck(thing).check(fraction)
        check_ptx(label(thing, "optimizer"), thing)
    else:
        check_class_identity(thing, "optimizer")
        SolverCheck(thing).check(fraction)
