"""Functions of a row, rewritten to run many samples at once: every number becomes a lane for each sample, every statement a loop over lanes.

    total = 0.0                          for l in range(lanes): total[l] = real(0.0)
    for j in range(len(z)):              for j in range(z.shape[0]):
        total += z[j]                        for l in range(lanes): total[l] += z[j, l]

A sum over a row is a chain, and a row of ten classes is too short for vector registers; the loops over lanes are neither. Rows lie
transposed, z[j, l] for output j of sample l. Each sample goes through the same operations in the same order as alone: the
same bits. What branches or loops differently from sample to sample is refused, and then runs sample by sample (an `if` without a loop in it is a choice, and does not count).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

__all__ = ["Refused", "in_lanes"]

Kind = Literal["row", "lane", "uniform"]
"""A row of each sample (two axes: output, lane); a number of each sample (one axis: lane); the same for all."""

LANE, LANES = "_l", "_lanes"
RESULT = "_result"


class Refused(Exception):
    """The functions cannot run in lanes."""


def in_lanes(texts: Sequence[str], rows: Iterable[str], numbers: Iterable[str]) -> list[str]:
    """Definitions to add to `texts`, the last of them body_lanes(arguments without i, _lanes).

    `texts` are definitions as `typed_source` gives them, the last of them `body`; `rows` and `numbers` are its arguments that have a row or a number for
    every sample. Raises Refused.
    """
    functions = {}
    for text in texts:
        (tree,) = ast.parse(text).body
        if isinstance(tree, ast.FunctionDef):
            functions[tree.name] = tree
    kinds: dict[str, Kind] = {a.arg: "uniform" for a in functions["body"].args.args}
    kinds |= dict.fromkeys(rows, "row") | dict.fromkeys(numbers, "lane")  # type: ignore[arg-type]
    writer = _Writer(functions)
    body = copy.deepcopy(functions["body"])
    sample = body.args.args.pop(0).arg
    writer.write(_OfSample(sample, kinds).visit(body), kinds, "body_lanes")
    return writer.texts


class _OfSample(ast.NodeTransformer):
    """In the body: z[i] is the row z, z[i, j] is z[j], weights[i] is the number `weights` of the sample, z.shape[1] is len(z)."""

    def __init__(self, sample: str, kinds: Mapping[str, Kind]) -> None:
        self.sample, self.kinds = sample, kinds

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        match node:
            case ast.Subscript(value=ast.Name() as array, slice=ast.Name(id=index)) if index == self.sample:
                return ast.Name(array.id, node.ctx)
            case ast.Subscript(
                value=ast.Name() as array, slice=ast.Tuple(elts=[ast.Name(id=index), inner])
            ) if index == self.sample:
                return ast.Subscript(ast.Name(array.id, ast.Load()), self.visit(inner), node.ctx)
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=ast.Constant(value=1)
            ):
                return _call("len", ast.Name(name, ast.Load()))
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == self.sample:
            raise Refused("the number of the sample itself is used")
        return node


class _Writer:
    """Writes a function for arguments of given kinds, after the functions of rows that it calls."""

    def __init__(self, functions: Mapping[str, ast.FunctionDef]) -> None:
        self.functions = functions
        self.texts: list[str] = []
        self._names: dict[tuple[str, tuple[Kind, ...]], str] = {}

    def name(self, function: str, kinds: Sequence[Kind]) -> str:
        """The name of `function` for arguments of these kinds, written if it is not yet."""
        key = (function, tuple(kinds))
        if key not in self._names:
            self._names[key] = f"{function}_lanes{len(self._names)}"
            tree = copy.deepcopy(self.functions[function])
            arguments = [a.arg for a in tree.args.args]
            if len(arguments) != len(kinds):
                raise Refused("an argument is left to its default")
            self.write(tree, dict(zip(arguments, kinds, strict=True)), self._names[key])
        return self._names[key]

    def gives(self, tree: ast.FunctionDef) -> bool:
        """Whether it gives a number: `return f(z)` does where f does."""
        for node in ast.walk(tree):
            match node:
                case ast.Return(value=ast.Call(func=ast.Name(id=name))) if name in self.functions:
                    if self.gives(self.functions[name]):
                        return True
                case ast.Return(value=ast.expr()):
                    return True
        return False

    def write(self, tree: ast.FunctionDef, kinds: dict[str, Kind], name: str) -> None:
        gives = self.gives(tree)
        function = _Function(self, tree, kinds)
        body = function.block(tree.body)
        local = [
            ast.parse(f"{variable} = lane_array(real)").body[0] for variable in sorted(function.allocated)
        ]
        arguments = [a.arg for a in tree.args.args] + [LANES] + ([RESULT] if gives else [])
        result = ast.FunctionDef(
            name,
            ast.arguments([], [ast.arg(a) for a in arguments], None, [], [], None, []),
            [*local, *body] or [ast.Pass()],
            [],
        )
        self.texts.append(ast.unparse(ast.fix_missing_locations(result)) + "\n")


class _Function:
    """One function on its way into lanes."""

    def __init__(self, writer: _Writer, tree: ast.FunctionDef, kinds: dict[str, Kind]) -> None:
        self.writer, self.kinds = writer, kinds
        given = set(kinds)
        self.counters = {
            node.target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name)
        }
        self.kinds |= {
            name: "uniform"
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            for name in [node.id]
            if name not in given
        }
        before = None
        while before != self.kinds:  # kinds only change from uniform to lane: it ends
            before = dict(self.kinds)
            self._mark(tree.body, False)
        self.allocated = {name for name, kind in self.kinds.items() if kind == "lane"} - given
        self._temporaries = 0

    # ---- which names differ from sample to sample
    def _mark(self, body: Sequence[ast.stmt], choice: bool) -> None:
        for statement in body:
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AugAssign(target=ast.Name(id=name), value=value)
                ):
                    if choice or self.varies(value):
                        self._lane(name)
                case ast.Assign() if any(isinstance(n, ast.Tuple) for n in statement.targets):
                    raise Refused("several names are assigned at once")
                case ast.If():
                    inside = choice or self.varies(statement.test)
                    self._mark(statement.body, inside)
                    self._mark(statement.orelse, inside)
                case ast.For():
                    self._mark(statement.body, choice)
                case ast.While():
                    raise Refused("a while loop may end earlier for one sample than for another")

    def _lane(self, name: str) -> None:
        if name in self.counters or self.kinds[name] == "row":
            raise Refused(f"{name} is a counter, or a row")
        self.kinds[name] = "lane"

    def varies(self, node: ast.AST) -> bool:
        """Whether the expression may differ from sample to sample."""
        match node:
            case ast.Name(id=name):
                return self.kinds.get(name) == "lane"
            case ast.Call(func=ast.Name(id="len")) | ast.Attribute(attr="shape"):
                return False
            case ast.Subscript(value=ast.Name(id=name)) if self.kinds.get(name) == "row":
                return True
            case ast.Call() if self._of_rows(node):
                return True
        return any(self.varies(child) for child in ast.iter_child_nodes(node))

    def _of_rows(self, node: ast.AST) -> bool:
        """Whether this is a call of a function with a row among its arguments."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in self.writer.functions
            and any(isinstance(a, ast.Name) and self.kinds.get(a.id) == "row" for a in node.args)
        )

    # ---- statements
    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """The statements, those that are the same for all samples as they are, runs of others in loops over lanes."""
        out: list[ast.stmt] = []
        together: list[ast.stmt] = []

        def flush() -> None:
            if together:
                out.append(_loop(list(together)))
                together.clear()

        for statement in body:
            before, statement = self._hoisted(statement)
            if before:
                flush()
                out += before
            if self._is_simple(statement) and self._differs(statement):
                together.append(_InLane(self.kinds).visit(statement))
                continue
            flush()
            out += self._whole(statement)
        flush()
        return out

    def _is_simple(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Assign() | ast.AugAssign() | ast.Pass():
                return True
            case ast.If():
                return all(self._is_simple(s) for s in [*statement.body, *statement.orelse])
        return False

    def _differs(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Assign(targets=[target]) | ast.AugAssign(target=target):
                if isinstance(target, ast.Name):
                    self._refuse_whole(target.id, statement.value)
                    return self.kinds[target.id] == "lane"
                return True  # an element of a row, or a number of the sample
            case ast.If():
                return any(self._differs(s) for s in [*statement.body, *statement.orelse])
        return False

    def _refuse_whole(self, name: str, value: ast.expr) -> None:
        """A lane holds a real number: a counter or a literal without a point would be an index."""
        if self.kinds[name] == "lane" and (
            isinstance(value, ast.Constant)
            or (isinstance(value, ast.Name) and self.kinds.get(value.id) != "lane")
        ):
            raise Refused("a whole number for each sample")

    def _whole(self, statement: ast.stmt) -> list[ast.stmt]:
        match statement:
            case ast.For(target=ast.Name(), iter=ast.Call(func=ast.Name(id="range"))) if not (
                self.varies(statement.iter) or statement.orelse
            ):
                head = _InLane(self.kinds).visit(statement.iter)
                return [ast.For(statement.target, head, self.block(statement.body), [])]
            case ast.If() if not self.varies(statement.test):
                test = _InLane(self.kinds).visit(statement.test)
                return [
                    ast.If(test, self.block(statement.body) or [ast.Pass()], self.block(statement.orelse))
                ]
            case ast.Return(value=None) | ast.Pass() | ast.Break() | ast.Continue():
                return [statement]
            case ast.Return(value=ast.Call() as call) if self._of_rows(call):
                return [self._called(call, RESULT if self._gives(call) else None), ast.Return(None)]
            case ast.Return(value=ast.expr() as value):
                target = ast.Subscript(_name(RESULT), _name(LANE), ast.Store())
                return [_loop([ast.Assign([target], _InLane(self.kinds).visit(value))]), ast.Return(None)]
            case ast.Expr(value=ast.Call() as call) if self._of_rows(call):
                return [self._called(call, self._temporary() if self._gives(call) else None)]
            case ast.Assign() | ast.AugAssign():
                return [_InLane(self.kinds).visit(statement)]
        raise Refused(f"{type(statement).__name__} that may differ from sample to sample")

    def _hoisted(self, statement: ast.stmt) -> tuple[list[ast.stmt], ast.stmt]:
        """Calls of functions of rows out of an expression, into statements before it."""
        calls: list[ast.stmt] = []
        function = self

        class Hoist(ast.NodeTransformer):
            def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
                if any(function._of_rows(n) for n in ast.walk(node)):
                    raise Refused("a function of a row is called for some samples only")
                return node

            def visit_Call(self, node: ast.Call) -> ast.expr:
                self.generic_visit(node)
                if not function._of_rows(node):
                    return node
                name = function._temporary()
                calls.append(function._called(node, name))
                return _name(name)

        match statement:
            case ast.Assign() | ast.AugAssign():
                statement.value = Hoist().visit(statement.value)
            case ast.Return(value=ast.expr() as value) if not self._of_rows(value):
                statement.value = Hoist().visit(value)
            case ast.If():
                statement.test = Hoist().visit(statement.test)
                if self.varies(statement.test) and any(
                    self._of_rows(n) for s in [*statement.body, *statement.orelse] for n in ast.walk(s)
                ):
                    raise Refused("a function of a row is called for some samples only")
        return calls, statement

    def _gives(self, call: ast.Call) -> bool:
        assert isinstance(call.func, ast.Name)
        return self.writer.gives(self.writer.functions[call.func.id])

    def _temporary(self) -> str:
        self._temporaries += 1
        name = f"_number{self._temporaries}"
        self.kinds[name] = "lane"
        self.allocated.add(name)
        return name

    def _called(self, call: ast.Call, result: str | None) -> ast.stmt:
        assert isinstance(call.func, ast.Name)
        if call.keywords:
            raise Refused("an argument is passed by name")
        kinds: list[Kind] = []
        for argument in call.args:
            if isinstance(argument, ast.Name):
                kinds.append(self.kinds.get(argument.id, "uniform"))
            elif self.varies(argument):
                raise Refused("a function of a row gets an expression")
            else:
                kinds.append("uniform")
        arguments = [_InLane(self.kinds, whole=True).visit(a) for a in call.args]
        arguments += [_name(LANES)] + ([_name(result)] if result else [])
        return ast.Expr(ast.Call(_name(self.writer.name(call.func.id, kinds)), arguments, []))


class _InLane(ast.NodeTransformer):
    """Names that are lanes become name[l], elements of rows z[j] become z[j, l], len(z) the number of outputs. `whole`: leave names alone."""

    def __init__(self, kinds: Mapping[str, Kind], whole: bool = False) -> None:
        self.kinds, self.whole = kinds, whole

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if self.kinds.get(node.id) == "lane" and not self.whole:
            return ast.Subscript(ast.Name(node.id, ast.Load()), _name(LANE), node.ctx)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        match node.value:
            case ast.Name(id=name) if self.kinds.get(name) == "row":
                if isinstance(node.slice, ast.Tuple | ast.Slice):
                    raise Refused("a part of a row")
                index = ast.Tuple([self.visit(node.slice), _name(LANE)], ast.Load())
                return ast.Subscript(ast.Name(name, ast.Load()), index, node.ctx)
            case ast.Attribute(value=ast.Name(id=name), attr="shape") if self.kinds.get(name) == "row":
                return node  # z.shape[0]
        raise Refused("an array that is no row")

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]) if self.kinds.get(name) == "row":
                return ast.parse(f"{name}.shape[0]", mode="eval").body
        node.args = [self.visit(a) for a in node.args]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and self.kinds.get(node.value.id) == "row":
            raise Refused(f"{node.attr} of a row")
        return node


def _loop(body: list[ast.stmt]) -> ast.For:
    return ast.For(_name(LANE, ast.Store()), _call("range", _name(LANES)), body, [])


def _name(name: str, context: ast.expr_context | None = None) -> ast.Name:
    return ast.Name(name, context or ast.Load())


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_name(function), list(arguments), [])
