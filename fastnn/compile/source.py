"""The source of plain Python functions, typed, as text of a module: what gets compiled and what a reader can open.

A function may call other plain functions of its module and use its numbers; these come along. Anything else is refused here, in a sentence,
before Numba sees it.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Mapping, Sequence

from fastnn.compile.grammar import parse, refuse, value_of
from fastnn.compile.kinds import Kind, Kinds, bindings
from fastnn.compile.literals import type_literals

__all__ = ["typed_source"]


def typed_source(
    function: types.FunctionType,
    role: str,
    settings: Mapping[str, float] | None = None,
    whole: frozenset[str] = frozenset(),
    provided: frozenset[str] = frozenset(),
    assign: str | None = None,
) -> list[str]:
    """Definitions, helpers first, that give `function` the name `role`; every real number is typed by `real`.

    `settings` are baked in: the definition called `role` takes the other arguments only. `whole` names arguments that are
    whole numbers, `provided` the names that the module defines already. With `assign`, the statement that adds to that
    argument overwrites it instead.
    """
    settings = settings or {}
    arguments: dict[str, Kind] = dict.fromkeys(whole & set(inspect.signature(function).parameters), "whole")
    arguments |= {name: _kind(value) for name, value in settings.items()}
    sources = _Sources(role, provided)
    sources.emit(function, f"{role}_" if settings else role, arguments, assign)
    if settings:
        names = list(inspect.signature(function).parameters)
        given = [name for name in names if name not in settings]
        passed = [_text(settings[name]) if name in settings else name for name in names]
        sources.texts.append(f"def {role}({', '.join(given)}):\n    return {role}_({', '.join(passed)})\n")
    return sources.texts


def _kind(value: float) -> Kind:
    return "truth" if isinstance(value, bool) else "whole" if isinstance(value, int) else "real"


def _text(value: float) -> str:
    return f"real({ast.unparse(ast.Constant(value))})" if isinstance(value, float) else repr(value)


_Key = tuple[types.FunctionType, tuple[tuple[str, Kind], ...]]


class _Sources:
    """The definitions collected so far. A helper that is called with whole numbers here and reals there is defined twice."""

    def __init__(self, role: str, provided: frozenset[str]) -> None:
        self.role, self.provided = role, provided
        self.texts: list[str] = []
        self._names: dict[_Key, str] = {}
        self._results: dict[_Key, Kind] = {}

    def emit(
        self, function: types.FunctionType, name: str, arguments: Mapping[str, Kind], assign: str | None = None
    ) -> None:
        """Append the definition of `function` as `name`, after those of its helpers."""
        key = _key(function, arguments)
        self._names[key] = name
        tree, helpers = self._prepared(function)
        kinds = self._kinds(tree, helpers, arguments)
        for node in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
            if isinstance(node.func, ast.Name) and node.func.id in helpers:
                node.func.id = self._emitted(helpers[node.func.id], _call(node, helpers[node.func.id], kinds))
        if assign is not None:
            tree = _Overwrite(assign).visit(tree)
        renamed = {self._names[k]: r for k, r in self._results.items() if k in self._names}
        kinds.rename(renamed)
        tree = type_literals(tree, kinds, whole_result=name != self.role and kinds.result != "real")
        tree.name = name
        self.texts.append(ast.unparse(tree) + "\n")
