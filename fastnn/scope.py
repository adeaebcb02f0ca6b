"""What a layer sees of the network while it builds: parameters under its own name, ops, activations, layers inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastnn.contracts import Activation, RowActivation
from fastnn.graph import Node, Parameter
from fastnn.ops import Activate, Op, RowActivate
from fastnn.registry import registry

if TYPE_CHECKING:
    from fastnn.structure import Structure

__all__ = ["Scope"]


class Scope:
    """The network as a layer called `name` sees it."""

    def __init__(self, network: Structure, name: str) -> None:
        self._network, self.name = network, name
        self._nodes = 0

    @property
    def number(self) -> int:
        """The number of the node that is made next, no other's: what tells the random numbers of one dropout from another's."""
        return len(self._network.graph.nodes)

    def parameter(self, name: str, shape: Sequence[int], initializer: Any = "zeros") -> Parameter:
        """A parameter `<layer>/<name>`, a view of theta; its first values come from the initializer (name or object)."""
        return self._network.graph.add_parameter(
            f"{self.name}/{name}", shape, registry.get("initializer", initializer)
        )

    def statistic(self, name: str, shape: Sequence[int], value: float = 0.0) -> Parameter:
        """A running statistic `<layer>/<name>` that begins with `value`: fit moves it, no optimizer touches it."""
        return self._network.graph.add_statistic(f"{self.name}/{name}", shape, float(value))

    def op(
        self,
        op: str | Op,
        *nodes: Node,
        parameters: Sequence[Parameter] = (),
        statistics: Sequence[Parameter] = (),
        **attributes: Any,
    ) -> Node:
        """An op, by its registered name or as an object, applied to nodes, parameters and running statistics."""
        found: Op = registry.get("op", op)
        name = self.name if self._nodes == 0 else f"{self.name}/{found.name}"
        return self._add(name, found, nodes, parameters, attributes, statistics)

    def activate(self, activation: Any, node: Node) -> Node:
        """The activation (name or object) of a node; the identity adds nothing."""
        found: Activation | RowActivation = registry.get("activation", activation)
        if found.name == "identity":
            return node
        op: Op = Activate(found) if isinstance(found, Activation) else RowActivate(found)
        name = self.name if self._nodes == 0 else f"{self.name}/{found.name}"
        return self._add(name, op, (node,), (), {})

    def apply(self, name: str, layer: Any, *nodes: Node) -> Node:
        """A layer inside this one, under `<layer>/<name>`."""
        inner = Scope(self._network, f"{self.name}/{name}")
        self._nodes += 1
        built: Node = registry.get("layer", layer)(inner, *nodes)
        return built

    def _add(
        self,
        name: str,
        op: Op,
        nodes: Sequence[Node],
        parameters: Sequence[Parameter],
        attributes: dict[str, Any],
        statistics: Sequence[Parameter] = (),
    ) -> Node:
        self._nodes += 1
        return self._network.graph.apply(name, op, nodes, parameters, attributes, statistics)
