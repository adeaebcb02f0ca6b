"""What the names and expressions of a plain function hold: a real number, a whole number or a truth value.

A name is whole where everything it is ever given is whole, as a loop counter, and then stays an integer; a name that is real anywhere is
real everywhere. Subscripts, sizes and exponents need integers; everything else is computed in the network's dtype.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

__all__ = ["Kind", "Kinds", "bindings"]

Kind = Literal["real", "whole", "truth"]

_TRUTHS = {"isfinite", "isinf", "isnan"}
_WHOLES = {"ceil", "floor", "gcd", "lcm", "trunc"}
_SIZES = {"size", "ndim"}


class Kinds:
    """Kinds in one function whose arguments have the kinds `arguments` (those not named are real, or arrays).

    `helper(name, kinds of its arguments by place or name)` says what a function of the plugin gives, None where `name` is no such function.
    """

    def __init__(
        self,
        function: ast.FunctionDef,
        arguments: Mapping[str, Kind],
        helper: Callable[[str, Sequence[Kind], Mapping[str, Kind]], Kind | None],
    ) -> None:
        self._helper = helper
        self.names: dict[str, Kind | None] = {a.arg: arguments.get(a.arg, "real") for a in function.args.args}
        given = dict(self.names)
        found = list(bindings(function))
        self.names |= {name: None for name, _ in found if name not in given}
        moving = True
        while moving:  # kinds only ever grow, from unknown to real: it ends
            before = dict(self.names)
            for name, value in found:
                kind = value if isinstance(value, str) else self._of(value)
                self.names[name] = _join(self.names[name], kind)
            moving = self.names != before
        self.changed = [name for name, kind in given.items() if self.names[name] != kind]
        """Arguments that come as whole numbers and are given reals later."""
        returned = [
            node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None
        ]
        kinds = {self.of(node.value) for node in returned if node.value is not None}
        self.result: Kind = kinds.pop() if len(kinds) == 1 else "real"

    def of(self, node: ast.expr) -> Kind:
        return self._of(node) or "real"

    def _of(self, node: ast.expr) -> Kind | None:
        """The kind, None as long as it is unknown."""
        match node:
            case ast.Constant():
                return {bool: "truth", int: "whole"}.get(type(node.value), "real")  # type: ignore[return-value]
            case ast.Name():
                return self.names.get(node.id, "real")
            case ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return "truth"
            case ast.UnaryOp():
                kind = self._of(node.operand)
                return "whole" if kind == "truth" else kind
            case ast.BoolOp():
                return self._all(node.values)
            case ast.IfExp():
                return self._all([node.body, node.orelse])
            case ast.BinOp():
                return self._of_operation(node)
            case ast.Attribute():
                return "whole" if node.attr in _SIZES else "real"
            case ast.Subscript(value=ast.Attribute(attr="shape")):
                return "whole"
            case ast.Call():
                return self._of_call(node)
        return "real"

    def _of_operation(self, node: ast.BinOp) -> Kind | None:
        if isinstance(node.op, ast.Div):
            return "real"
        if isinstance(node.op, ast.Pow) and not isinstance(node.right, ast.Constant):
            return "real"  # whole to the power of minus one is not whole
        kinds = {self._of(node.left), self._of(node.right)}
        if "real" in kinds:
            return "real"
        return None if None in kinds else "whole"

    def _of_call(self, node: ast.Call) -> Kind | None:
        if isinstance(node.func, ast.Attribute):
            return "truth" if node.func.attr in _TRUTHS else "whole" if node.func.attr in _WHOLES else "real"
        if not isinstance(node.func, ast.Name):
            return "real"
        match node.func.id:
            case "len" | "int":
                return "whole"
            case "round":
                return "whole" if len(node.args) == 1 else "real"
            case "bool":
                return "truth"
            case "abs" | "max" | "min":
                return self._all(node.args)
        places = [self.of(argument) for argument in node.args]
        return (
            self._helper(node.func.id, places, {k.arg: self.of(k.value) for k in node.keywords if k.arg})
            or "real"
        )

    def _all(self, nodes: Sequence[ast.expr]) -> Kind | None:
        kind: Kind | None = None
        for node in nodes:
            kind = _join(kind, self._of(node))
        return kind


def _join(first: Kind | None, second: Kind | None) -> Kind | None:
    if first is None or second is None:
        return first or second
    return first if first == second else "real"


def bindings(function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr | Kind]]:
    """Every name that the function binds, with what it is given."""
    for node in ast.walk(function):
        match node:
            case ast.Assign():
                for target in node.targets:
                    yield from _bound(target, node.value)
            case ast.AnnAssign(value=ast.expr() as value):
                yield from _bound(node.target, value)
            case ast.AugAssign(target=ast.Name() as target):
                yield target.id, ast.BinOp(ast.Name(target.id, ast.Load()), node.op, node.value)
            case ast.For():
                yield from _counted(node)


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | Kind]]:
    match target, value:
        case ast.Name(), _:
            yield target.id, value
        case ast.Tuple(), ast.Tuple() if len(target.elts) == len(value.elts):
            for one, given in zip(target.elts, value.elts, strict=True):
                yield from _bound(one, given)
        case ast.Tuple(), _:
            kind: Kind = "whole" if isinstance(value, ast.Attribute) and value.attr == "shape" else "real"
            yield from ((one.id, kind) for one in target.elts if isinstance(one, ast.Name))


def _counted(loop: ast.For) -> Iterator[tuple[str, ast.expr | Kind]]:
    match loop.target, loop.iter:
        case ast.Name(id=name), ast.Call(func=ast.Name(id="range")):
            yield name, "whole"
        case ast.Name(id=name), ast.Tuple(elts=elements):
            yield from ((name, element) for element in elements)
        case target, _:
            yield from ((node.id, "real") for node in ast.walk(target) if isinstance(node, ast.Name))
