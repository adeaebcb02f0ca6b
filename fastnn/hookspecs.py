"""The hooks of a plugin: each takes no arguments and returns a list. A module with one of them is a plugin.

    # lion.py, in a distribution with   [project.entry-points.fastnn]   lion = "lion"
    from fastnn import Rule, hookimpl

    def step(w, g, velocity, eta, beta): ...

    @hookimpl
    def fastnn_optimizers():
        return [Rule("lion", step, state=("velocity",), defaults={"eta": 1e-3, "beta": 0.9})]

A hook is called once, when a name is first looked up. In a notebook, `fastnn.register(obj)` does without
hooks.
"""

from __future__ import annotations

from typing import Any

import pluggy

from fastnn.contracts import Activation, Initializer, Layer, Loss, RowActivation, Rule, Schedule, Solver

hookspec = pluggy.HookspecMarker("fastnn")
hookimpl = pluggy.HookimplMarker("fastnn")

KINDS = {
    "activation": "fastnn_activations",
    "layer": "fastnn_layers",
    "loss": "fastnn_losses",
    "optimizer": "fastnn_optimizers",
    "schedule": "fastnn_schedules",
    "initializer": "fastnn_initializers",
    "op": "fastnn_ops",
}
"""Each kind of plugin and its hook."""


@hookspec
def fastnn_activations() -> list[Activation | RowActivation]:  # type: ignore[empty-body]
    """Activations: `return [Activation("cube", value, slope, curvature)]`."""


@hookspec
def fastnn_layers() -> list[type[Layer]]:  # type: ignore[empty-body]
    """Layer classes: `return [Highway]`, whose __call__(self, net, a) returns a node."""


@hookspec
def fastnn_losses() -> list[Loss]:  # type: ignore[empty-body]
    """Losses: `return [Loss("poisson", row=row, link=link)]`."""


@hookspec
def fastnn_optimizers() -> list[Rule | type[Solver]]:  # type: ignore[empty-body]
    """Rules and solver classes: `return [Rule("signs", step, defaults={"eta": 1e-3})]`."""


@hookspec
def fastnn_schedules() -> list[Schedule]:  # type: ignore[empty-body]
    """Schedules: `return [Schedule("linear", values)]`."""


@hookspec
def fastnn_initializers() -> list[Initializer]:  # type: ignore[empty-body]
    """Initializers: `return [Initializer("lecun_normal", values)]`."""


@hookspec
def fastnn_ops() -> list[Any]:  # type: ignore[empty-body]
    """Ops, new mathematics: `return [Cumulate]`, whose bodies give forward and backward."""
