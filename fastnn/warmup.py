"""warmup: everything that is registered is compiled ahead, by building the plans of small networks that use it all.

A kernel comes in variants, by what a plan knows of its operands: in place or not, the first to write a gradient or one that adds to it. The network
of `_everywhere` has an activation in all of these places; tests/test_warmup.py draws random networks and finds nothing left to compile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from fastnn.compile import listeners
from fastnn.contracts import Rule
from fastnn.cpu.ask import ask_unit
from fastnn.cpu.program import Program
from fastnn.cpu.runner import runner
from fastnn.cpu.team import team_unit
from fastnn.errors import CapabilityError
from fastnn.network import Network
from fastnn.ops import LossOp
from fastnn.ops.loss import link_kernel
from fastnn.ops.update import update_kernel
from fastnn.plan import Plan, build_plan
from fastnn.registry import registry

__all__ = ["warmup"]

N = 3
"""Features of everything, and rows of a batch: code does not depend on sizes."""


def warmup(dtypes: Iterable[str] = ("float32",), progress: Callable[[str, float], None] | None = None) -> int:
    """Compile what training and asking need for every registered activation, loss and rule and the built-in layers; how many units were compiled.

    What is compiled already is left alone. `progress(name, seconds)` is called after each unit. Activations and losses are compiled with their
    default settings: other settings are other code. (The settings of rules are not: they travel with the instruction.)
    """
    compiled: list[str] = []

    def heard(name: str, seconds: float | None) -> None:
        if seconds is not None:
            compiled.append(name)
            if progress is not None:
                progress(name, seconds)

    listeners.append(heard)
    try:
        runner()
        team_unit().load()
        for dtype in dtypes:
            ask_unit(dtype).load()
            for plan in _plans(dtype):
                Program(plan)
    finally:
        listeners.remove(heard)
    return len(compiled)


def _plans(dtype: str) -> Iterator[Plan]:
    squared_error = LossOp(registry.get("loss", "squared_error"), "row")
    dense = Network(N, [_layer("dense", n_out=N)], dtype=dtype)
    yield from _modes(_layers(dtype), squared_error)
    for activation in registry.names("activation"):
        yield from _modes(_everywhere(dtype, activation), squared_error)
    for loss in (registry.get("loss", name) for name in registry.names("loss")):
        for kind in ("index", "row"):
            if getattr(loss, kind) is not None:
                yield from _modes(dense, LossOp(loss, kind))
        yield build_plan(dense.graph, N, dtype, link=link_kernel(loss))
    for rule in (registry.get("optimizer", name) for name in registry.names("optimizer")):
        if isinstance(rule, Rule):
            kernel = update_kernel(rule)
            update = (kernel, dict.fromkeys(kernel.reals, 0.0))
            yield build_plan(
                dense.graph, N, dtype, "gradient", loss=squared_error, gather=True, update=update
            )


def _modes(net: Network, loss: LossOp) -> Iterator[Plan]:
    """Asking, evaluating and training, with weights and without; the objective's passes, as far as they exist."""
    yield build_plan(net.graph, N, net.dtype)
    yield build_plan(net.graph, N, net.dtype, "value", loss=loss)
    for training in (True, False):
        options: dict[str, Any] = {"training": training, "gather": training, "weighted": training}
        yield build_plan(net.graph, N, net.dtype, "gradient", loss=loss, **options)
    with suppress(CapabilityError):
        yield build_plan(net.graph, N, net.dtype, "hvp", loss=loss)


def _layers(dtype: str) -> Network:
    """The built-in layers, joined: what an activation's network lacks."""
    dense, dropout = _layer("dense", n_out=N), _layer("dropout", rate=0.5)
    net = Network((1, N), dtype=dtype)
    x = net.apply("x", "flatten", net.input)
    h = net.apply("h", dense, net.apply("input's", dropout, x))
    adds = net.apply("adds", dropout, h)
    joined = net.apply("joined", "concatenate", adds, h, x)
    a = net.apply("a", dense, joined)
    before = net.apply("before", dense, a)
    writes = net.apply("writes", dropout, a)  # backward: writes first, `before` adds
    both = net.apply("both", "add", writes, before, x, h)
    net.output = net.apply("in place", dropout, net.apply("alone", dense, both))
    return net


def _everywhere(dtype: str, activation: str) -> Network:
    """The activation of the input, of nodes that others read before and after it, in place, and of the output."""
    act, dense = _layer("activation", activation=activation), _layer("dense", n_out=N)
    net = Network(N, dtype=dtype)
    a = net.apply("input's", act, net.input)
    h = net.apply("h", dense, a)
    before = net.apply("before", dense, h)
    adds = net.apply("adds", act, h)  # backward: writes first, `before` adds
    alone = net.apply("in place", act, before)
    both = net.apply("both", "add", adds, alone)
    writes = net.apply("writes", act, both)
    after = net.apply("after", dense, both)  # backward: writes first, the activation adds
    net.output = net.apply("output's", act, net.apply("sum", "add", writes, after, h))
    return net


def _layer(name: str, **settings: Any) -> Any:
    return registry.get("layer", name, **settings)
