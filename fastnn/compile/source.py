"""The source of plain Python functions, typed, as text of a module: what gets compiled and what a reader can open.

A function may call other plain functions of its module and use its numbers; these come along. Anything else is refused here, in a sentence,
before Numba sees it.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import textwrap
import types
from collections.abc import Mapping
from typing import Any

from fastnn.compile.literals import type_literals
from fastnn.errors import PluginError

__all__ = ["typed_source"]

WHOLE_ARGUMENTS = frozenset({"i", "step", "seed", "row"})
_ALLOWED_BUILTINS = {"abs", "bool", "float", "int", "len", "max", "min", "range", "round"}
_ALLOWED_MODULES = {"math"}


def typed_source(
    function: types.FunctionType,
    role: str,
    settings: Mapping[str, float] | None = None,
    whole: frozenset[str] = WHOLE_ARGUMENTS,
    provided: frozenset[str] = frozenset(),
    assign: str | None = None,
) -> list[str]:
    """Definitions, helpers first, that give `function` the name `role`; every real number is typed by `real`.

    `settings` are baked in: the definition called `role` takes the other arguments only. `whole` names arguments that are
    whole numbers, `provided` the names that the module defines already. With `assign`, the statement that adds to that
    argument overwrites it instead.
    """
    collected: dict[types.FunctionType, str] = {}
    texts: list[str] = []
    inner = f"{role}_" if settings else role
    _collect(function, inner, whole, provided, assign, collected, texts, role)
    if settings:
        given = [name for name in inspect.signature(function).parameters if name not in settings]
        passed = [
            f"real({settings[name]!r})" if name in settings else name
            for name in inspect.signature(function).parameters
        ]
        texts.append(f"def {role}({', '.join(given)}):\n    return {inner}({', '.join(passed)})\n")
    return texts


def _collect(
    function: types.FunctionType,
    name: str,
    whole: frozenset[str],
    provided: frozenset[str],
    assign: str | None,
    collected: dict[types.FunctionType, str],
    texts: list[str],
    prefix: str,
) -> None:
    collected[function] = name
    tree = _parse(function)
    renames: dict[str, str | float] = {}
    local = set(inspect.signature(function).parameters) | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or node.id in local or node.id in provided:
            continue
        value = _lookup(function, node.id)
        if isinstance(value, types.FunctionType):
            if value not in collected:
                _collect(value, f"{prefix}_{value.__name__}", whole, provided, None, collected, texts, prefix)
            renames[node.id] = collected[value]
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            renames[node.id] = float(value) if isinstance(value, float) else value
    tree = _Rename(renames).visit(tree)
    if assign is not None:
        tree = _Overwrite(assign).visit(tree)
    tree = type_literals(tree, whole)
    tree.name = name
    tree.decorator_list, tree.returns = [], None
    for argument in tree.args.args:
        argument.annotation = None
    if tree.body and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant):
        tree.body = tree.body[1:] or [ast.Pass()]
    texts.append(ast.unparse(ast.fix_missing_locations(tree)) + "\n")


def _parse(function: types.FunctionType) -> ast.FunctionDef:
    where = f"{function.__module__}.{function.__qualname__}"
    try:
        text = getattr(function, "__source__", None) or textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise PluginError(
            f"the source of {where} cannot be read, and it is compiled from its source",
            hint="put the function in a file or a notebook cell, not into exec() or `python -c`",
        ) from error
    tree = ast.parse(text).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise PluginError(f"{where} is not written as `def`", hint="write it as a plain def in a module")
    return copy.deepcopy(tree)


def _lookup(function: types.FunctionType, name: str) -> Any:
    where = f"{function.__module__}.{function.__qualname__}"
    if name in function.__globals__:
        value = function.__globals__[name]
    elif hasattr(builtins, name):
        if name in _ALLOWED_BUILTINS:
            return None
        raise PluginError(
            f"{where} uses {name}(), which cannot be compiled",
            hint="use arithmetic, comparisons and math.* only",
        )
    else:
        raise PluginError(f"{where} uses the name {name!r}, which is defined nowhere")
    if isinstance(value, types.ModuleType) and value.__name__ in _ALLOWED_MODULES:
        return None
    if getattr(value, "__module__", None) == "fastnn.numerics":
        return None
    if isinstance(value, (types.FunctionType, int, float)):
        return value
    raise PluginError(
        f"{where} uses {name!r}, which cannot be compiled",
        got=repr(value)[:80],
        expected="math.*, numbers and plain functions of the same module",
    )


class _Rename(ast.NodeTransformer):
    """Put helper functions under their unique names, and numbers of the module in place."""

    def __init__(self, renames: Mapping[str, str | float]) -> None:
        self.renames = renames

    def visit_Name(self, node: ast.Name) -> ast.expr:
        new = self.renames.get(node.id)
        if new is None:
            return node
        replacement = ast.Name(new, node.ctx) if isinstance(new, str) else ast.Constant(new)
        return ast.copy_location(replacement, node)


class _Overwrite(ast.NodeTransformer):
    """Turn `out[...] += x` into `out[...] = x` for the argument `out`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        target = node.target
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            if target.value.id == self.name and isinstance(node.op, ast.Add):
                return ast.copy_location(ast.Assign([target], node.value), node)
        return node
