"""A graph: nodes in the order they were made, each an op applied to earlier nodes and to named parameters.

Nothing here knows a batch size, a device or a number: shapes are per sample, and parameters have places in the flat vector theta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from fastnn.errors import FastnnError, ShapeError
from fastnn.ops.op import Op, Shape

__all__ = ["Graph", "Node", "Parameter"]


@dataclass(frozen=True)
class Parameter:
    """A named view of theta: theta[offset : offset + size] in C order; initial values come from `initializer`.

    A running statistic is a view of the flat vector of statistics in the same way, which no optimizer touches; `initializer` is its first value.
    """

    name: str
    shape: Shape
    offset: int
    initializer: Any = None

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Node:
    """The output of an op, or the network's input (op None)."""

    index: int
    name: str
    op: Op | None
    inputs: tuple[Node, ...]
    parameters: tuple[Parameter, ...]
    attributes: Mapping[str, Any]
    shape: Shape
    statistics: tuple[Parameter, ...] = ()

    @property
    def size(self) -> int:
        """Numbers in one sample."""
        return prod(self.shape)

    def __repr__(self) -> str:
        return f"<node {self.name} {self.shape}>"


@dataclass
class Graph:
    """Nodes, parameters and running statistics; `output` is what the loss reads, and in training, with these weights, the `auxiliary` nodes."""

    nodes: list[Node] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    output: Node | None = None
    n_parameters: int = 0
    statistics: dict[str, Parameter] = field(default_factory=dict)
    n_statistics: int = 0
    auxiliary: tuple[tuple[Node, float], ...] = ()

    @property
    def input(self) -> Node:
        return self.nodes[0]

    def copy(self) -> Graph:
        """The graph as it is now: what is built later does not change it."""
        return Graph(
            list(self.nodes),
            dict(self.parameters),
            self.output,
            self.n_parameters,
            dict(self.statistics),
            self.n_statistics,
            self.auxiliary,
        )

    def add_input(self, shape: Shape) -> Node:
        node = Node(0, "input", None, (), (), {}, shape)
        self.nodes.append(node)
        return node

    def add_parameter(self, name: str, shape: Sequence[int], initializer: Any = None) -> Parameter:
        if name in self.parameters:
            raise FastnnError(f"two parameters are called {name!r}", hint="give the layers different names")
        parameter = Parameter(name, tuple(int(n) for n in shape), self.n_parameters, initializer)
        self.parameters[name] = parameter
        self.n_parameters += parameter.size
        return parameter

    def add_statistic(self, name: str, shape: Sequence[int], initializer: Any = None) -> Parameter:
        """A place in the vector of running statistics."""
        if name in self.statistics or name in self.parameters:
            raise FastnnError(f"two statistics are called {name!r}", hint="give the layers different names")
        statistic = Parameter(name, tuple(int(n) for n in shape), self.n_statistics, initializer)
        self.statistics[name] = statistic
        self.n_statistics += statistic.size
        return statistic

    def apply(
        self,
        name: str,
        op: Op,
        inputs: Sequence[Node],
        parameters: Sequence[Parameter] = (),
        attributes: Mapping[str, Any] | None = None,
        statistics: Sequence[Parameter] = (),
    ) -> Node:
        """A new node; a ShapeError says which one does not fit."""
        for node in inputs:
            if node.index >= len(self.nodes) or self.nodes[node.index] is not node:
                raise FastnnError(
                    f"node {node.name!r} belongs to another network",
                    hint=f"build {name!r} from nodes of this one",
                )
        attributes = dict(attributes or {})
        try:
            shape = op.shape([n.shape for n in inputs], [p.shape for p in parameters], **attributes)
        except ShapeError as error:
            error.args = (f"layer {name!r}: {error.what}",)
            error.what = error.args[0]
            raise
        node = Node(
            len(self.nodes),
            name,
            op,
            tuple(inputs),
            tuple(parameters),
            attributes,
            tuple(shape),
            tuple(statistics),
        )
        self.nodes.append(node)
        return node

    def needed(self, auxiliary: bool = False) -> list[Node]:
        """The nodes that the output depends on, and those of auxiliary losses where these count, in order."""
        assert self.output is not None
        wanted, stack = set(), [self.output, *([node for node, _ in self.auxiliary] if auxiliary else [])]
        while stack:
            node = stack.pop()
            if node.index not in wanted:
                wanted.add(node.index)
                stack.extend(node.inputs)
        return [node for node in self.nodes if node.index in wanted]
