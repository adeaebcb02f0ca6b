"""Plugins that are classes: layers build, solvers ask the objective."""

from __future__ import annotations

import inspect
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import PluginError

Array = NDArray[Any]
Need = Literal["value", "gradient", "hvp", "hessian"]


class Objective(Protocol):
    """The mean loss over the training set as a function of the flat vector theta, of length n."""

    n: int

    def value(self, theta: Array) -> float: ...

    def gradient(self, theta: Array) -> Array: ...

    def hvp(self, theta: Array, v: Array) -> Array: ...

    def hessian(self, theta: Array) -> Array: ...


@runtime_checkable
class Solver(Protocol):
    """An optimizer that asks the objective: a class that stores the keywords of its __init__ by their names.

    `needs` is checked against the network's ops before training starts. One step is one epoch on the full
    training set; `step` updates theta in place and returns the state for the next one.
    """

    name: str
    needs: tuple[Need, ...]

    def start(self, theta: Array) -> Any: ...

    def step(self, objective: Objective, theta: Array, state: Any) -> Any: ...


@runtime_checkable
class Layer(Protocol):
    """A class that builds: its call declares parameters and applies ops to nodes.

    The arguments of __init__ are stored by their names. In __call__: net.parameter("W", shape, init),
    net.op(op, *nodes, parameters=(...)), net.activate(activation, node).
    """

    name: str

    def __call__(self, net: Any, *nodes: Any) -> Any: ...


def class_config(thing: Any) -> dict[str, Any]:
    """{"name": ..., arguments of __init__ that differ from their defaults} of a layer or a solver; PluginError where one is not kept.

    >>> class Halve:
    ...     name = "halve"
    ...     def __init__(self, factor=0.5, times=1): self.factor, self.times = factor, times
    >>> class_config(Halve(factor=0.25))
    {'name': 'halve', 'factor': 0.25}
    """
    config: dict[str, Any] = {"name": thing.name}
    for name, parameter in inspect.signature(type(thing)).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if not hasattr(thing, name):
            raise PluginError(
                f"{thing.name!r} does not keep the argument {name!r} of its __init__, so no file can keep it",
                hint=f"self.{name} = {name}",
            )
        value = getattr(thing, name)
        if isinstance(value, np.generic):
            value = value.item()
        if parameter.default is parameter.empty or not _same(value, parameter.default):
            nested = hasattr(value, "config") and callable(value.config)
            config[name] = value.config() if nested else value
    return config


def _same(value: object, default: object) -> bool:
    return value is default or (type(value) is type(default) and bool(np.all(value == default)))
