"""Types every number in a plain Python function: `0.5 * z` becomes `real(0.5) * z`.

Numba takes the literal 0.5 for float64, and a whole number that meets a float32 makes float64 of both, so that a float32 network would
compute in float64 without a word. This rewrite wraps what is a real number (literals, math.pi, whole numbers that meet reals) in `real(...)`,
which the compiled module defines as numpy.float32 or numpy.float64. Whole-number arithmetic (kinds.py) stays as it is.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from typing import cast

from fastnn.compile.kinds import Kind, Kinds

__all__ = ["type_literals"]

_MATH_CONSTANTS = {"pi", "e", "tau", "inf", "nan"}


def type_literals(
    function: ast.FunctionDef,
    kinds: Kinds,
    called: Callable[[ast.Call], str | None],
    whole_result: bool = False,
) -> ast.FunctionDef:
    """The function with its reals typed, and its calls of other functions under the names that `called` gives.

    With `whole_result`, what it returns stays whole (or a truth value).
    """
    typer = _Typer(kinds, called, whole_result)
    function.args.defaults = [typer.real(value) for value in function.args.defaults]
    function.body = cast(ast.Module, typer.visit(ast.Module(function.body, []))).body
    for name in kinds.changed:
        function.body.insert(
            0, ast.Assign([ast.Name(name, ast.Store())], _wrapped(ast.Name(name, ast.Load())))
        )
    return ast.fix_missing_locations(function)


def _wrapped(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Call(ast.Name("real", ast.Load()), [node], []), node)


class _Typer(ast.NodeTransformer):
    """`real(node)` gives an operand of real arithmetic, `whole(node)` one that stays an integer, `visit` whatever it is by itself."""

    def __init__(self, kinds: Kinds, called: Callable[[ast.Call], str | None], whole_result: bool) -> None:
        self.kinds, self.called, self.whole_result = kinds, called, whole_result

    def real(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.IfExp):
            node.test = self.visit(node.test)
            node.body, node.orelse = self.real(node.body), self.real(node.orelse)
            return node
        if isinstance(node, ast.Tuple):
            node.elts = [self.real(element) for element in node.elts]
            return node
        if self.kinds.of(node) == "real":
            return cast(ast.expr, self.visit(node))
        return _wrapped(self.whole(node))

    def whole(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Constant():
                return node
            case ast.UnaryOp() if not isinstance(node.op, ast.Not):
                node.operand = self.whole(node.operand)
            case ast.BinOp():
                node.left, node.right = self.whole(node.left), self.whole(node.right)
            case ast.BoolOp():
                node.values = [self.whole(value) for value in node.values]
            case ast.IfExp():
                node.test = self.visit(node.test)
                node.body, node.orelse = self.whole(node.body), self.whole(node.orelse)
            case ast.Tuple():
                node.elts = [self.whole(element) for element in node.elts]
            case _:
                return cast(ast.expr, self.visit(node))
        return node

    def _as(self, name: ast.expr, value: ast.expr) -> ast.expr:
        """`value` for the target `name`."""
        if isinstance(name, ast.Tuple) and isinstance(value, ast.Tuple) and len(name.elts) == len(value.elts):
            value.elts = [self._as(one, given) for one, given in zip(name.elts, value.elts, strict=True)]
            return value
        return self._as_kind(self.kinds.of(name), value)

    def _alike(self, nodes: list[ast.expr]) -> list[ast.expr]:
        """Operands that meet: reals as soon as one is real."""
        kind: Kind = "real" if any(self.kinds.of(node) == "real" for node in nodes) else "whole"
        return [self._as_kind(kind, node) for node in nodes]

    # ---- expressions
    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _wrapped(node) if type(node.value) in (int, float) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        is_math = isinstance(node.value, ast.Name) and node.value.id == "math"
        return _wrapped(node) if is_math and node.attr in _MATH_CONSTANTS else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if self.kinds.of(node) != "real":
            return self.whole(node)
        multiplied_out = isinstance(node.op, ast.Pow) and _is_whole_literal(node.right)
        node.left = self.real(node.left)
        node.right = node.right if multiplied_out else self.real(node.right)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            node.operand = self.visit(node.operand)
            return node
        if isinstance(node.operand, ast.Constant):
            return _wrapped(node)
        node.operand = self._as_is(node.operand)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        node.left, *node.comparators = self._alike([node.left, *node.comparators])
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return self._as_is(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self.visit(node.value)
        node.slice = self.whole(node.slice)
        return node

    def visit_Slice(self, node: ast.Slice) -> ast.expr:
        node.lower, node.upper, node.step = (
            part if part is None else self.whole(part) for part in (node.lower, node.upper, node.step)
        )
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        helper = self.called(node)
        if isinstance(node.func, ast.Attribute):  # math.*
            exponent = node.args.pop() if node.func.attr == "ldexp" else None
            node.args = [self.real(argument) for argument in node.args]
            node.args += [] if exponent is None else [self.whole(exponent)]
            return node
        match node.func:
            case ast.Name(id="float") if len(node.args) == 1:
                argument = node.args[0]
                if isinstance(argument, ast.Constant):
                    return _wrapped(ast.copy_location(ast.Constant(float(argument.value)), node))  # type: ignore[arg-type]
                return _wrapped(self.whole(argument))
            case ast.Name(id="abs" | "max" | "min"):
                node.args = self._alike(node.args)
            case ast.Name(id="round") if len(node.args) == 2:
                node.args = [self.real(node.args[0]), self.whole(node.args[1])]
            case _:  # len, range, int, bool, and functions of the plugin, which take arguments as they are
                node.args = [self._as_is(argument) for argument in node.args]
                for keyword in node.keywords:
                    keyword.value = self._as_is(keyword.value)
        if helper is not None:
            node.func = ast.Name(helper, ast.Load())
        return node

    def _as_kind(self, kind: Kind, node: ast.expr) -> ast.expr:
        return self.real(node) if kind == "real" else self.whole(node)

    def _as_is(self, node: ast.expr) -> ast.expr:
        return self._as_kind(self.kinds.of(node), node)

    # ---- statements
    def visit_Assign(self, node: ast.Assign) -> ast.stmt | list[ast.stmt]:
        if len(node.targets) > 1 and isinstance(node.value, ast.Constant):  # each name has a kind of its own
            return [self._assign(target, copy.copy(node.value), node) for target in node.targets]
        return self._assign(node.targets, node.value, node)

    def _assign(self, targets: ast.expr | list[ast.expr], value: ast.expr, node: ast.stmt) -> ast.stmt:
        targets = targets if isinstance(targets, list) else [targets]
        value = self._as(targets[0], value)
        return ast.copy_location(ast.Assign([self.visit(target) for target in targets], value), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self._assign(node.target, node.value, node)

    def visit_For(self, node: ast.For) -> ast.stmt:
        over_numbers = isinstance(node.iter, ast.Tuple)
        node.iter = self._as(node.target, node.iter) if over_numbers else self.visit(node.iter)
        for part in ("body", "orelse"):
            setattr(node, part, cast(ast.Module, self.visit(ast.Module(getattr(node, part), []))).body)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        node.value = self._as(node.target, node.value)
        node.target = self.visit(node.target)
        return node

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        if node.value is not None:
            node.value = self.whole(node.value) if self.whole_result else self.real(node.value)
        return node


def _is_whole_literal(node: ast.expr) -> bool:
    """2 or -2: an exponent that stays whole, so that it is multiplied out."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        node = node.operand
    return isinstance(node, ast.Constant) and type(node.value) is int
