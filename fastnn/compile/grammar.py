"""What a plain function may say, and what its names stand for. Anything else is refused here, in a sentence, before Numba sees it.

Arithmetic, comparisons, if, for, while, math.*, subscripts, sizes (`len(z)`, `z.shape[0]`), numbers of the module, other plain functions.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import math
import numbers
import textwrap
import types
from typing import Any

from fastnn.compile.names import check_names
from fastnn.errors import PluginError, did_you_mean

__all__ = ["meaning", "parse", "where"]

_BUILTINS = {"abs", "bool", "float", "int", "len", "max", "min", "range", "round"}
_SIZES = {"shape", "size", "ndim"}
_USE = "use arithmetic, comparisons, if, loops and math.* only"
_REFUSED: dict[type[ast.AST], str] = {
    ast.AsyncFunctionDef: "a function inside it",
    ast.Assert: "assert",
    ast.ClassDef: "a class",
    ast.Delete: "del",
    ast.Dict: "a dict",
    ast.DictComp: "a dict",
    ast.FunctionDef: "a function inside it",
    ast.GeneratorExp: "a generator",
    ast.Global: "global",
    ast.Import: "an import inside it",
    ast.ImportFrom: "an import inside it",
    ast.JoinedStr: "text",
    ast.Lambda: "a lambda",
    ast.List: "a list",
    ast.ListComp: "a list",
    ast.Match: "match",
    ast.NamedExpr: "the operator :=",
    ast.Nonlocal: "nonlocal",
    ast.Raise: "raise",
    ast.Set: "a set",
    ast.SetComp: "a set",
    ast.Starred: "a starred expression",
    ast.Try: "try",
    ast.With: "with",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}


def where(function: types.FunctionType) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def parse(function: types.FunctionType) -> ast.FunctionDef:
    """The function's syntax tree, without docstring and annotations; PluginError where it cannot be compiled."""
    try:
        text = getattr(function, "__source__", None) or textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise PluginError(
            f"the source of {where(function)} cannot be read, and it is compiled from its source",
            hint="put the function in a file or a notebook cell, not into exec() or `python -c`",
        ) from error
    try:
        tree = ast.parse(text).body[0]
    except SyntaxError:  # a lambda in the middle of an expression
        tree = ast.Pass()
    if not isinstance(tree, ast.FunctionDef):
        raise PluginError(
            f"{where(function)} is not written as `def`", hint="write it as a plain def in a module"
        )
    if tree.decorator_list:
        raise PluginError(
            f"{where(function)} is decorated", hint="leave decorators away: the library compiles it"
        )
    if function.__code__.co_freevars:
        raise PluginError(
            f"{where(function)} uses {', '.join(function.__code__.co_freevars)} of an enclosing function",
            hint="move it to the module, or make it a setting",
        )
    as_imported = copy.deepcopy(tree)
    tree.returns = None
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    first = tree.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        tree.body = tree.body[1:] or [ast.Pass()]
    _refuse(function, tree)
    _check_returns(function, tree)
    check_names(where(function), tree)
    _check_current(function, as_imported)
    return tree


def _check_current(function: types.FunctionType, tree: ast.FunctionDef) -> None:
    """The file may have been edited since it was imported: what is compiled must be what was imported."""
    modules = [ast.alias(name) for name, value in function.__globals__.items() if value is math]
    imports: list[ast.stmt] = (
        [ast.Import(modules)] if modules else []
    )  # Python calls into an imported module in a way of its own
    for before in (imports, []):
        module = ast.fix_missing_locations(ast.Module([*before, tree], []))
        codes = compile(module, "<source>", "exec", dont_inherit=True).co_consts
        if any(isinstance(code, types.CodeType) and _same(code, function.__code__) for code in codes):
            return
    raise PluginError(
        f"the source of {where(function)} has changed since it was imported",
        hint="restart Python, or reload the module",
    )


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    parts = [(c.co_code, c.co_names, c.co_varnames, repr(c.co_consts)) for c in (one, other)]
    return parts[0] == parts[1]


def _check_returns(function: types.FunctionType, tree: ast.FunctionDef) -> None:
    """A function that gives a value gives one always: Numba would print an error for None and go on with what lay in memory."""
    gives = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value is not None]
    bare = any(isinstance(node, ast.Return) and node.value is None for node in ast.walk(tree))
    if gives and (bare or not _ends(tree.body)):
        raise PluginError(
            f"{where(function)} returns a value on some ways through it and none on others",
            hint="end every branch with a return",
        )


def _ends(body: list[ast.stmt]) -> bool:
    """Whether nobody comes out at the end of these statements."""
    match body[-1]:
        case ast.Return():
            return True
        case ast.If(body=then, orelse=otherwise):
            return bool(otherwise) and _ends(then) and _ends(otherwise)
        case ast.For(orelse=otherwise) | ast.While(orelse=otherwise) as loop:
            endless = (
                isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant) and bool(loop.test.value)
            )
            leaves = any(isinstance(node, ast.Break) for node in ast.walk(loop))
            return not leaves and (endless or (bool(otherwise) and _ends(otherwise)))
    return False


def _refuse(function: types.FunctionType, tree: ast.FunctionDef) -> None:
    for node in ast.walk(tree):
        what = _REFUSED.get(type(node)) if node is not tree else None
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            what = None if _is_float_text(node, tree) else "text"
        elif isinstance(node, ast.Constant) and isinstance(node.value, complex):
            what = "a complex number"
        elif isinstance(node, ast.Attribute):
            what = _refused_attribute(function, node)
        elif isinstance(node, ast.Call) and not isinstance(node.func, (ast.Name, ast.Attribute)):
            what = "a call of an expression"
        if what is not None:
            raise PluginError(
                f"{where(function)} uses {what}, which cannot be compiled",
                got=ast.unparse(node)[:80],
                hint=_USE,
            )


def _is_float_text(node: ast.Constant, tree: ast.AST) -> bool:
    """float("inf") is a number."""
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "float"
        and node in call.args
        for call in ast.walk(tree)
    )


def _refused_attribute(function: types.FunctionType, node: ast.Attribute) -> str | None:
    if isinstance(node.value, ast.Name) and function.__globals__.get(node.value.id) is math:
        return None if hasattr(math, node.attr) else f"math.{node.attr}{did_you_mean(node.attr, dir(math))}"
    if isinstance(node.value, ast.Name) and isinstance(
        function.__globals__.get(node.value.id), types.ModuleType
    ):
        return f"{node.value.id}.{node.attr}"
    return None if node.attr in _SIZES else f".{node.attr}"


def meaning(function: types.FunctionType, name: str) -> ast.expr | types.FunctionType | None:
    """What a global name stands for: an expression to put in its place, a plain function, or None (leave it)."""
    if name not in function.__globals__:
        if name in _BUILTINS:
            return None
        if hasattr(builtins, name):
            raise PluginError(f"{where(function)} uses {name}(), which cannot be compiled", hint=_USE)
        raise PluginError(
            f"{where(function)} uses the name {name!r}, which is defined nowhere{did_you_mean(name, function.__globals__)}"
        )
    value = function.__globals__[name]
    if value is math:
        return ast.Name("math", ast.Load())
    if isinstance(value, types.BuiltinFunctionType) and value.__module__ == "math":
        return ast.Attribute(ast.Name("math", ast.Load()), value.__name__, ast.Load())
    if (getattr(value, "__module__", None) or "").startswith("fastnn.numerics"):
        return None
    if isinstance(value, types.FunctionType):
        return value
    number = _number(value)
    if number is not None:
        return number
    raise PluginError(
        f"{where(function)} uses {name!r}, which cannot be compiled",
        got=repr(value)[:80],
        expected="math.*, numbers and plain functions of the same module",
    )


def _number(value: Any) -> ast.expr | None:
    """A number of the module, or a tuple of them, as a literal."""
    if isinstance(value, tuple):
        elements = [_number(element) for element in value]
        whole = [element for element in elements if element is not None]
        return ast.Tuple(whole, ast.Load()) if elements and len(whole) == len(elements) else None
    if isinstance(value, bool):
        return ast.Constant(value)
    if isinstance(value, numbers.Integral):
        return ast.Constant(int(value))
    if isinstance(value, numbers.Real):
        return ast.Constant(float(value))
    return None
