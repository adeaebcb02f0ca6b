"""The source of plain Python functions, typed, as text of a module: what gets compiled and what a reader can open.

The functions that a function calls, and the numbers of its module that it uses, come along.
"""

from __future__ import annotations

import ast
import copy
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastnn.compile.grammar import meaning, parse, where
from fastnn.compile.kinds import Kind, Kinds, bindings
from fastnn.compile.literals import type_literals
from fastnn.errors import PluginError

__all__ = ["typed_source"]


def typed_source(
    function: Callable[..., Any],
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
    if not isinstance(function, types.FunctionType):
        raise PluginError(
            f"{role} is not a plain Python function", got=repr(function)[:80], expected=f"def {role}(...)"
        )
    settings = settings or {}
    chosen = tuple((name, type(value), value) for name, value in settings.items())
    key = (function, role, chosen, whole, provided, assign)
    kept = _kept.get(key)
    if kept is not None and all(space.get(name, _kept) is value for space, name, value in kept[1]):
        return list(kept[0])
    sources = _written(function, role, settings, whole, provided, assign)
    if len(_kept) >= _KEPT:
        _kept.clear()
    _kept[key] = sources.texts, sources.read()
    return list(sources.texts)


_KEPT = 1000
_kept: dict[Any, tuple[list[str], list[tuple[dict[str, Any], str, Any]]]] = {}
"""Texts, and what was read of modules for them: a plan asks for the same ones again and again, some 10 ms each, and a notebook may change
a number or a helper in between."""


def _written(
    function: types.FunctionType,
    role: str,
    settings: Mapping[str, float],
    whole: frozenset[str],
    provided: frozenset[str],
    assign: str | None,
) -> _Sources:
    names = list(inspect.signature(function).parameters)
    arguments: dict[str, Kind] = {name: "whole" for name in names if name in whole}
    arguments |= {name: _kind(value) for name, value in settings.items()}
    sources = _Sources(role, provided)
    sources.define(function, arguments, f"{role}_" if settings else role, assign)
    if settings:
        given = ", ".join(name for name in names if name not in settings)
        passed = ", ".join(_text(settings[name]) if name in settings else name for name in names)
        sources.texts.append(f"def {role}({given}):\n    return {role}_({passed})\n")
    return sources


def _kind(value: float) -> Kind:
    return "truth" if isinstance(value, bool) else "whole" if isinstance(value, int) else "real"


def _text(value: float) -> str:
    return f"real({ast.unparse(ast.Constant(value))})" if _kind(value) == "real" else repr(value)


Arguments = Mapping[str, Kind]
_Key = tuple[types.FunctionType, tuple[tuple[str, Kind], ...]]


class _Sources:
    """Definitions in the order in which they are needed. A helper called with whole numbers here and reals there is defined twice."""

    def __init__(self, role: str, provided: frozenset[str]) -> None:
        self.role, self.provided = role, provided
        self.texts: list[str] = []
        self._names: dict[_Key, str] = {}
        self._kinds: dict[_Key, Kinds] = {}
        self._open: list[types.FunctionType] = []
        self._trees: dict[types.FunctionType, tuple[ast.FunctionDef, dict[str, types.FunctionType]]] = {}

    def define(
        self, function: types.FunctionType, arguments: Arguments, name: str, assign: str | None = None
    ) -> None:
        """Append the definition of `function` for arguments of these kinds, after those of the functions that it calls."""
        self._names[_key(function, arguments)] = name
        tree, helpers = self._tree(function)
        kinds = self._kinds_of(function, arguments)

        def called(node: ast.Call) -> str | None:
            """The name of the definition that a call means."""
            word = node.func.id if isinstance(node.func, ast.Name) else ""
            if word not in helpers:
                return None
            named = {k.arg: kinds.of(k.value) for k in node.keywords if k.arg}
            bound = _bound(function, helpers[word], [kinds.of(a) for a in node.args], named)
            key = _key(helpers[word], bound)
            if key not in self._names:
                self.define(helpers[word], bound, self._free(f"{self.role}_{word}"))
            return self._names[key]

        tree = copy.deepcopy(tree)
        if assign is not None:
            tree = _Overwrite(assign).visit(tree)
        is_helper = name not in (self.role, f"{self.role}_")
        tree = type_literals(tree, kinds, called, whole_result=is_helper and kinds.result != "real")
        tree.name = name
        self.texts.append(ast.unparse(tree) + "\n")

    def read(self) -> list[tuple[dict[str, Any], str, Any]]:
        """(module, name, value) of every name that the functions mention; a name that a module lacks has the value `_kept`."""
        functions = self._trees
        return [
            (f.__globals__, name, f.__globals__.get(name, _kept))
            for f in functions
            for name in f.__code__.co_names
        ]

    def _free(self, name: str) -> str:
        taken = {*self._names.values(), self.role, f"{self.role}_"}
        numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
        return next(candidate for candidate in numbered if candidate not in taken)

    def _kinds_of(self, function: types.FunctionType, arguments: Arguments) -> Kinds:
        """The kinds in `function`."""
        key = _key(function, arguments)
        if key not in self._kinds:
            if function in self._open:
                raise PluginError(
                    f"{where(function)} calls itself, which cannot be compiled", hint="write a loop"
                )
            self._open.append(function)
            tree, helpers = self._tree(function)

            def result(name: str, places: Sequence[Kind], named: Arguments) -> Kind | None:
                if name not in helpers:
                    return None
                bound = _bound(function, helpers[name], places, named)
                return self._kinds_of(helpers[name], bound).result

            self._kinds[key] = Kinds(tree, arguments, result)
            self._open.pop()
        return self._kinds[key]

    def _tree(self, function: types.FunctionType) -> tuple[ast.FunctionDef, dict[str, types.FunctionType]]:
        """The function with the module's numbers in place, and the functions that it calls by name."""
        if function not in self._trees:
            tree = parse(function)
            local = {a.arg for a in tree.args.args} | {name for name, _ in bindings(tree)}
            if "real" in local:
                raise PluginError(
                    f"{where(function)} calls a variable 'real', the word for the network's dtype",
                    hint="rename it",
                )
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - local - self.provided
            meanings = {name: meaning(function, name) for name in sorted(names)}
            helpers = {name: what for name, what in meanings.items() if isinstance(what, types.FunctionType)}
            tree = _Replace(
                {name: what for name, what in meanings.items() if isinstance(what, ast.expr)}
            ).visit(tree)
            self._trees[function] = (tree, helpers)
        return self._trees[function]


def _key(function: types.FunctionType, arguments: Arguments) -> _Key:
    return function, tuple(sorted((name, kind) for name, kind in arguments.items() if kind != "real"))


def _bound(
    caller: types.FunctionType, helper: types.FunctionType, places: Sequence[Kind], named: Arguments
) -> dict[str, Kind]:
    """Kinds of the helper's arguments in a call."""
    try:
        return inspect.signature(helper).bind(*places, **named).arguments
    except TypeError as error:
        raise PluginError(
            f"{where(caller)} calls {helper.__name__} with the wrong arguments: {error}"
        ) from None


class _Replace(ast.NodeTransformer):
    """Put expressions in the place of names."""

    def __init__(self, meanings: Mapping[str, ast.expr]) -> None:
        self.meanings = meanings

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self.meanings.get(node.id)
        return node if found is None else ast.copy_location(copy.deepcopy(found), node)


class _Overwrite(ast.NodeTransformer):
    """Turn `out[...] += x` into `out[...] = x` for the argument `out`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        match node:
            case ast.AugAssign(target=ast.Subscript(value=ast.Name(id=name)), op=ast.Add()) if (
                name == self.name
            ):
                return ast.copy_location(ast.Assign([node.target], node.value), node)
        return node
