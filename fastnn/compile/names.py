"""A name is read only where it was set on every way there: Numba would go on with what lay in memory.

Follows the statements in order with the names that are surely set. A loop counts as run at least once only where that can be
seen: range(3), range(len(z)). Two ifs with one condition are two ifs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from fastnn.errors import PluginError

__all__ = ["check_names"]

Names = frozenset[str]


def check_names(where: str, function: ast.FunctionDef) -> None:
    """PluginError where `function` reads a name of its own that some way leads past."""
    arguments = {argument.arg for argument in function.args.args}
    own = set(_set(function))
    _Walk(where, own).run(function.body, frozenset(arguments))


class _Walk:
    """`run` takes the names that are set before some statements and gives those after them; None: nobody comes out."""

    def __init__(self, where: str, own: set[str]) -> None:
        self.where, self.own = where, own
        self.leaving: list[tuple[list[Names], list[Names]]] = []  # of each loop around: at break, at continue

    def run(self, body: Iterable[ast.stmt], names: Names) -> Names | None:
        after: Names | None = names
        for statement in body:
            if after is None:
                return None
            after = self._one(statement, after)
        return after

    def _one(self, statement: ast.stmt, names: Names) -> Names | None:
        match statement:
            case ast.Return():
                self._read(statement, names)
                return None
            case ast.Break():
                self.leaving[-1][0].append(names)
                return None
            case ast.Continue():
                self.leaving[-1][1].append(names)
                return None
            case ast.If():
                self._read(statement.test, names)
                return _both([self.run(statement.body, names), self.run(statement.orelse, names)])
            case ast.For():
                self._read(statement.iter, names)
                return self._loop(statement, names | _set(statement.target), names, _surely(statement.iter))
            case ast.While():
                self._read(statement.test, names)
                endless = isinstance(statement.test, ast.Constant) and bool(statement.test.value)
                return self._loop(statement, names, None if endless else names, endless)
        self._read(statement, names)
        return names | _set(statement)

    def _loop(
        self, loop: ast.For | ast.While, inside: Names, skipped: Names | None, surely: bool
    ) -> Names | None:
        """`inside`: names at the start of its body; `skipped`: after a loop whose body never ran."""
        self.leaving.append(([], []))
        end = self.run(loop.body, inside)
        at_break, at_continue = self.leaving.pop()
        round_ = _both([end, *at_continue])
        over = skipped if not surely else None if isinstance(loop, ast.While) else round_
        if over is not None:
            over = self.run(loop.orelse, over)
        return _both([over, *at_break])

    def _read(self, node: ast.AST, names: Names) -> None:
        changed = [node.target] if isinstance(node, ast.AugAssign) else []  # x += 1 reads x
        for part in (*changed, *ast.walk(node)):
            if not isinstance(part, ast.Name) or (isinstance(part.ctx, ast.Store) and part not in changed):
                continue
            if part.id in self.own and part.id not in names:
                raise PluginError(
                    f"{self.where} reads {part.id!r}, which is not set on every way there",
                    got=f"line {part.lineno} of it: {ast.unparse(node).splitlines()[0][:80]}",
                    hint=f"set {part.id!r} before the if or the loop",
                )


def _set(node: ast.AST) -> Names:
    """The names that a statement or target sets."""
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return frozenset()
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return frozenset(part.id for part in parts if isinstance(part.ctx, ast.Store))


def _both(ways: Iterable[Names | None]) -> Names | None:
    """Where ways meet, set is what is set on each of them."""
    there = [names for names in ways if names is not None]
    return frozenset.intersection(*there) if there else None


def _surely(iterated: ast.expr) -> bool:
    """Whether a for loop over it runs at least once: a row has an element, a number of the source can be read."""
    if not (
        isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Name) and iterated.func.id == "range"
    ):
        return isinstance(iterated, ast.Tuple) and bool(iterated.elts)
    bounds = [a.value if isinstance(a, ast.Constant) else None for a in iterated.args]
    if len(bounds) == 1 and bounds[0] is None:
        return _is_size(iterated.args[0])
    if any(not isinstance(bound, int) for bound in bounds):
        return False
    return len(range(*bounds)) > 0  # type: ignore[arg-type]


def _is_size(node: ast.expr) -> bool:
    """len(z), z.size, z.shape[0]"""
    match node:
        case ast.Call(func=ast.Name(id="len")) | ast.Attribute(attr="size"):
            return True
        case ast.Subscript(value=ast.Attribute(attr="shape")):
            return True
    return False
