"""What a network is: layers by name, the graph they made, the parameters in one vector. What it can be asked is in network.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.arguments import chain_of, layer_of, shape_of_sample
from fastnn.contracts import Loss, Part, class_config
from fastnn.engine import CPU, Device, as_device, require
from fastnn.errors import FastnnError, PluginError, SettingError, ShapeError, UnknownNameError
from fastnn.graph import Graph, Node
from fastnn.history import History
from fastnn.memory import aligned_zeros
from fastnn.parameters import Views, first_values
from fastnn.passes import Passes, Prepared
from fastnn.registry import registry
from fastnn.scaling import Scaler
from fastnn.scope import Scope

__all__ = ["Structure"]

Array = NDArray[Any]
DTYPES = ("float32", "float64")


class Structure:
    """A graph of layers over one flat vector `theta` of parameters, and what belongs to it: loss, scaler, classes, history."""

    def __init__(
        self,
        input_shape: int | Sequence[int],
        layers: Sequence[Any] = (),
        *,
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        try:
            known = np.dtype(dtype).name in DTYPES
        except TypeError:
            known = False
        if not known:
            raise SettingError("unknown dtype", got=repr(dtype), expected=" or ".join(DTYPES))
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise SettingError("the seed is not a whole number", got=repr(seed))
        self.dtype, self.seed = np.dtype(dtype).name, int(seed)
        self.graph = Graph()
        self.graph.add_input(shape_of_sample(input_shape))
        self._prepared = Prepared()
        self._device = CPU
        self._loss: Loss | None = None
        self._scaler: Scaler | None = None
        self.classes: Array | None = None
        self.features: list[str] | None = None
        self.history: History = History()
        self._theta = self._room = self._statistics = np.zeros(0, self.dtype)
        self.training = False
        self._passes: Passes | None = None
        self.layers: dict[str, tuple[Any, tuple[str, ...]]] = {}
        self.nodes: dict[str, Node] = {"input": self.graph.input}
        node = self.graph.input
        chain = chain_of(layers)
        for number, layer in enumerate(chain):
            node = self.apply(str(number), layer, node)
        if chain:
            self.output = node

    # ---- where it runs
    @property
    def device(self) -> Device:
        """Where fit, predict, evaluate and the rest run when they are not told."""
        return self._device

    def to(self, device: str, precision: str | None = None) -> Self:
        """Run on "cpu" or "cuda" from now on, matrix products of a GPU in "float32", "tf32" or "bf16"; gives the network.

        `theta` stays an array of the host: what is changed in it counts everywhere.
        """
        chosen = as_device(device, precision, self.dtype)
        if not chosen.is_cpu:
            require(chosen)
        self._device, self._prepared = chosen, Prepared()
        return self

    # ---- building
    @property
    def input(self) -> Node:
        """The node that holds the samples."""
        return self.graph.input

    @property
    def output(self) -> Node:
        """The node whose values the network gives, and the loss reads."""
        if self.graph.output is None:
            raise FastnnError("the network has no output yet", hint="net.output = net.apply(...)")
        return self.graph.output

    @output.setter
    def output(self, node: Node) -> None:
        self._name_of(node)
        if any(other.shape != node.shape for other, _ in self.graph.auxiliary):
            raise ShapeError(
                "auxiliary nodes do not have this output's shape",
                got=node.shape,
                expected=self.graph.auxiliary[0][0].shape,
                hint="net.auxiliary = {} first",
            )
        self.graph.output = node
        self._passes, self._prepared = None, Prepared()

    def apply(self, name: str, layer: Any, *nodes: Node) -> Node:
        """The node that `layer` (an object, a name or a config) makes of `nodes`; its parameters are called `name/...`.

        `theta` grows, into a new array where there is no room: views of it that were taken before may no longer belong to the network.
        """
        if self.training:
            raise FastnnError("the network is being trained", hint="build before fit, or after it")
        given: Any = name
        if not isinstance(given, str) or not given or given in self.nodes or given.startswith("@"):
            raise FastnnError(
                f"a layer cannot be called {name!r}", hint="every layer has a name of its own, a string"
            )
        built = layer_of(layer)
        sources = tuple(self._name_of(node) for node in nodes)
        before = self.graph.copy()
        try:
            node: Node = built(Scope(self, name), *nodes)
            if not any(node is known for known in self.graph.nodes):
                raise PluginError(
                    f"layer {name!r} ({built.name}) gave no node",
                    got=repr(node),
                    hint="return what net.op(...) gives",
                )
            self._draw_new_parameters()
        except BaseException:
            self.graph = before  # a layer that fails halfway leaves nothing behind: theta has no room for its parameters
            raise
        self.layers[name] = (built, sources)
        self.nodes[name] = node
        return node

    def _name_of(self, node: Node) -> str:
        for name, known in self.nodes.items():
            if known is node:
                return name
        raise FastnnError(f"{node!r} is no node of this network", expected="net.input or what net.apply gave")

    def _draw_new_parameters(self) -> None:
        known, n = self._theta.size, self.graph.n_parameters
        if (
            n > self._room.size
        ):  # twice as much as there was: each number is copied twice at most, not once a layer
            self._room = aligned_zeros(max(n, 2 * known), self.dtype)
            self._room[:known] = self._theta
        theta = self._room[:n]
        for name, parameter in self.graph.parameters.items():
            if parameter.offset >= known:
                Views(self.graph.parameters, theta)[name][...] = first_values(parameter, self.seed)
        statistics = aligned_zeros(self.graph.n_statistics, self.dtype)
        views = Views(self.graph.statistics, statistics)
        for name, statistic in self.graph.statistics.items():
            views[name][...] = statistic.initializer
        statistics[: self._statistics.size] = self._statistics
        self._theta, self._statistics, self._passes, self._prepared = theta, statistics, None, Prepared()

    # ---- parameters
    @property
    def theta(self) -> Array:
        """All parameters, flat, in the order they were declared; write into it to change the network."""
        return self._theta

    @theta.setter
    def theta(self, values: ArrayLike) -> None:
        array = np.asarray(values)
        if array.shape != self._theta.shape:
            raise ShapeError(
                "theta is the vector of all parameters", got=array.shape, expected=self._theta.shape
            )
        self._theta[:] = array

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Named views of theta: {"0/W": (n_out, n_in), "0/b": (n_out,), ...}; write into them to change the network."""
        return Views(self.graph.parameters, self._theta)

    @property
    def running(self) -> Array:
        """All running statistics, flat, in the order they were declared."""
        return self._statistics

    @property
    def statistics(self) -> Mapping[str, Array]:
        """Named views of the running statistics, as a batch norm's means: {"1/mean": (channels,), ...}. Training moves them; no optimizer does."""
        return Views(self.graph.statistics, self._statistics)

    def numbers(self) -> dict[str, Array]:
        """Copies of all that training moves, theta and statistics; `put_back` takes them back."""
        return {"theta": self._theta.copy(), "statistics": self._statistics.copy()}

    def put_back(self, numbers: Mapping[str, Array]) -> None:
        """The network as it was when `numbers` were taken."""
        self._theta[:] = numbers["theta"]
        if "statistics" in numbers:
            self._statistics[:] = numbers["statistics"]

    # ---- losses inside the network
    @property
    def auxiliary(self) -> dict[str, float]:
        """{name of a node: weight}: in training, the loss is that of the output plus weight times that of each of these nodes, on the same targets.

        Outside training (predict, evaluate, validation, objectives) they are not run.
        """
        return {self._name_of(node): weight for node, weight in self.graph.auxiliary}

    @auxiliary.setter
    def auxiliary(self, weights: Mapping[str, Any]) -> None:
        chosen = []
        for name, weight in weights.items():
            if name not in self.nodes:
                raise UnknownNameError.among("node", name, self.nodes)
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not np.isfinite(weight):
                raise SettingError(f"the weight of auxiliary loss {name!r} is no number", got=repr(weight))
            node = self.nodes[name]
            if node.shape != self.output_shape:
                raise ShapeError(
                    f"auxiliary node {name!r} does not have the output's shape, whose targets it shares",
                    got=node.shape,
                    expected=self.output_shape,
                )
            chosen.append((node, float(weight)))
        self.graph.auxiliary = tuple(chosen)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.input.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output."""
        return self.output.shape

    @property
    def loss(self) -> Loss | None:
        """The loss of the last fit: predict() shows outputs through its link."""
        return self._loss

    @loss.setter
    def loss(self, loss: Loss | None) -> None:
        self._loss, self._prepared = loss, Prepared()

    @property
    def scaler(self) -> Scaler | None:
        """What scales the features before the first layer sees them; None where nothing does."""
        return self._scaler

    @scaler.setter
    def scaler(self, scaler: Scaler | None) -> None:
        self._scaler, self._prepared = scaler, Prepared()

    def __repr__(self) -> str:
        output = "no output yet" if self.graph.output is None else f"-> {self.output_shape}"
        return f"<Network {self.input_shape} {output}, {len(self.layers)} layers, {self._theta.size:,} parameters, {self.dtype}>"

    def config(self) -> dict[str, Any]:
        """Everything but the numbers, fit for JSON; `from_config` takes it back."""
        auxiliary = {"auxiliary": self.auxiliary} if self.graph.auxiliary else {}
        return {
            "input_shape": list(self.input_shape),
            "dtype": self.dtype,
            "seed": self.seed,
            "layers": [
                {"name": name, "layer": _plain(class_config(layer)), "inputs": list(sources)}
                for name, (layer, sources) in self.layers.items()
            ],
            "output": None if self.graph.output is None else self._name_of(self.output),
            "loss": None if self.loss is None else self.loss.config(),
            "classes": None if self.classes is None else self.classes.tolist(),
            "features": self.features,
            **auxiliary,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A network of this structure with fresh parameters."""
        net = cls(config["input_shape"], seed=config["seed"], dtype=config["dtype"])
        for entry in config["layers"]:
            net.apply(entry["name"], entry["layer"], *(net.nodes[name] for name in entry["inputs"]))
        if config["output"] is not None:
            net.output = net.nodes[config["output"]]
            net.auxiliary = config.get("auxiliary", {})
        net.loss = None if config["loss"] is None else registry.get("loss", config["loss"])
        net.classes = None if config["classes"] is None else np.array(config["classes"])
        net.features = config["features"]
        return net


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value.config() if isinstance(value, Part) else value for key, value in config.items()}
