"""Types every number in a plain Python function: `0.5 * z` becomes `real(0.5) * z`.

Numba takes the literal 0.5 for float64, so that a float32 network would compute in float64 without a word. This rewrite wraps
what is a real number (literals, math.pi, module constants, whole numbers that meet reals) in `real(...)`, which the compiled
module defines as numpy.float32 or numpy.float64. Whole-number arithmetic (loop counters, subscripts, sizes, exponents) stays as it is.
"""

from __future__ import annotations

import ast

__all__ = ["type_literals"]

_WHOLE_CALLS = {"len", "range", "int"}
_WHOLE_ATTRIBUTES = {"size", "shape", "ndim"}
_MATH_CONSTANTS = {"pi", "e", "tau", "inf", "nan"}


def type_literals(function: ast.FunctionDef, whole: frozenset[str]) -> ast.FunctionDef:
    """The function with its real literals typed; `whole` names the arguments that are whole numbers."""
    names = set(whole)
    while True:  # assignments in loops can make a name whole that an earlier line uses
        found = _whole_names(function, names)
        if found == names:
            break
        names = found
    typed = _Typer(names).visit(function)
    return ast.fix_missing_locations(typed)


def _whole_names(function: ast.FunctionDef, names: set[str]) -> set[str]:
    """Names that only ever hold whole numbers: loop counters over ranges and whole expressions."""
    whole, mixed = set(names), set()
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
            (whole if _is_range(node.iter) else mixed).add(node.target.id)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    derived = _is_whole(node.value, names) and not isinstance(node.value, ast.Constant)
                    (whole if derived else mixed).add(target.id)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            if not _is_whole(node.value, names):
                mixed.add(node.target.id)
    return (whole - mixed) | set(names)


def _is_range(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"


def _is_whole(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) is int
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _WHOLE_CALLS
    if isinstance(node, ast.Attribute):
        return node.attr in _WHOLE_ATTRIBUTES
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr in _WHOLE_ATTRIBUTES
    if isinstance(node, ast.UnaryOp):
        return _is_whole(node.operand, names)
    if isinstance(node, ast.BinOp):
        both = _is_whole(node.left, names) and _is_whole(node.right, names)
        return both and not isinstance(node.op, ast.Div)
    return False


def _only_literals(node: ast.expr) -> bool:
    return not any(isinstance(part, (ast.Name, ast.Attribute, ast.Call)) for part in ast.walk(node))


class _Typer(ast.NodeTransformer):
    def __init__(self, whole: set[str]) -> None:
        self.whole = whole

    def _real(self, node: ast.expr) -> ast.expr:
        return ast.copy_location(ast.Call(ast.Name("real", ast.Load()), [node], []), node)

    def _as_real(self, node: ast.expr) -> ast.expr:
        """The operand of real arithmetic: whole expressions are converted, others are visited."""
        if _is_whole(node, self.whole):
            return self._real(node)
        visited: ast.expr = self.visit(node)
        return visited

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self._real(node) if type(node.value) in (int, float) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        is_math = isinstance(node.value, ast.Name) and node.value.id == "math"
        return self._real(node) if is_math and node.attr in _MATH_CONSTANTS else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.Pow) and _is_whole(node.right, self.whole) and _only_literals(node.right):
            node.left = self._as_real(node.left)
            return node
        if _is_whole(node, self.whole) and not _only_literals(node):
            return node
        node.left, node.right = self._as_real(node.left), self._as_real(node.right)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        sides = [node.left, *node.comparators]
        if all(_is_whole(side, self.whole) for side in sides):
            return node
        node.left = self._as_real(node.left)
        node.comparators = [self._as_real(side) for side in node.comparators]
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in _WHOLE_CALLS | {"real"}:
            return node
        if isinstance(node.func, ast.Name) and node.func.id == "float" and len(node.args) == 1:
            return self._real(node.args[0])
        if isinstance(node.func, ast.Name) and all(_is_whole(a, self.whole) for a in node.args):
            if any(not _only_literals(a) for a in node.args):
                return node  # a helper, min or max of whole numbers
        node.args = [
            argument if isinstance(argument, ast.Name) else self._as_real(argument) for argument in node.args
        ]
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self.visit(node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        if _is_whole(node.value, self.whole) and all(
            isinstance(target, ast.Name) and target.id in self.whole for target in node.targets
        ):
            return node
        node.targets = [self.visit(target) for target in node.targets]
        node.value = self._as_real(node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        if isinstance(node.target, ast.Name) and node.target.id in self.whole:
            return node
        node.target = self.visit(node.target)
        node.value = self._as_real(node.value)
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        node.body = [self.visit(statement) for statement in node.body]
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        node.test = self.visit(node.test)
        node.body, node.orelse = self._as_real(node.body), self._as_real(node.orelse)
        return node

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        if node.value is not None:
            node.value = self._as_real(node.value)
        return node
