"""check_layer: what a layer builds, between a source that moves every input and a squared error that sees every output."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import CapabilityError
from fastnn.network import Network
from fastnn.registry import registry
from fastnn.testing.claims import difference, require, require_equal, require_same_bits
from fastnn.testing.identity import check_class_identity, found, label
from fastnn.testing.sources import Source

__all__ = ["check_layer"]

Array = NDArray[Any]


def check_layer(
    layer: Any,
    *,
    input_shapes: Sequence[Sequence[int]] | Sequence[int] = ((4,),),
    smooth: bool = True,
    rel: float = 1e-7,
    **settings: Any,
) -> None:
    """Raise AssertionError where the layer breaks its contract.

    input_shapes   shape of one sample of each input, ((4,), (4,)) for a layer of two; one shape will do for one input
    smooth         False: leave derivatives out, for layers that have none (a step)
    rel            relative tolerance of derivatives against differences
    """
    thing = found("layer", layer, settings)
    check_class_identity(thing, "layer")
    several: Any = input_shapes if isinstance(input_shapes[0], Sequence) else (input_shapes,)
    shapes = [tuple(int(n) for n in shape) for shape in several]
    check_built(label(thing, "layer"), thing, shapes, smooth, rel)
    _check_config(thing, shapes)


def build(thing: Any, shapes: list[tuple[int, ...]], dtype: str = "float64") -> Network:
    """X -> one source for each input -> the layer -> one row."""
    net = Network(sum(map(prod, shapes)), seed=2, dtype=dtype)
    nodes, first = [], 0
    for k, shape in enumerate(shapes):
        nodes.append(net.apply(f"source{k}", Source(shape, first), net.input))
        first += prod(shape)
    node = net.apply("layer", thing, *nodes)
    net.output = node if len(node.shape) == 1 else net.apply("flat", registry.get("layer", "flatten"), node)
    return net


def data(net: Network, rows: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(rows, *net.input_shape)), rng.normal(size=(rows, *net.output_shape))


def check_built(who: str, thing: Any, shapes: list[tuple[int, ...]], smooth: bool, rel: float) -> None:
    """What holds for everything that builds a network."""
    net, other = build(thing, shapes), build(thing, shapes)
    require_same_bits(
        net.theta, other.theta, f"{who}: two networks with one seed start from different parameters"
    )
    single = build(thing, shapes, "float32")
    X, y = data(net, 7)
    out, rounded = net(X), single(X)
    require(rounded.dtype == np.float32, f"{who}: a float32 network gives {rounded.dtype}")
    require_equal(
        rounded,
        out,
        f"{who}: output in float32",
        "in float64 it is",
        lambda p: f"at place {p}",
        rel=1e-3,
        abs=1e-4,
    )
    for threads in (1, 2, 3):
        require_same_bits(
            net(X, threads=threads), out, f"{who}: the output differs from run to run with {threads} threads"
        )
    require_same_bits(
        np.concatenate([net(X[s : s + 1]) for s in range(7)]),
        out,
        f"{who}: the output of a sample depends on the samples beside it",
    )
    require(net(X[:0]).shape == (0, *out.shape[1:]), f"{who}: no rows in must give no rows out")
    broken = build(thing, shapes)
    broken.parameters["source0/p"][...] = np.nan
    require(np.isnan(broken(X)).any(), f"{who}: inputs that are NaN leave no NaN in the output")
    if not smooth:
        return
    _check_derivatives(who, net, rel)
    gradients = [
        net.objective(X, y, loss="squared_error", threads=threads).gradient(net.theta)
        for threads in (1, 2, 3)
    ]
    for threads, g in enumerate(gradients, 1):
        require_same_bits(g, gradients[0], f"{who}: the gradient differs with {threads} threads")


def _check_derivatives(who: str, net: Network, rel: float) -> None:
    X, y = data(net)
    C = net.objective(X, y, loss="squared_error", threads=1)
    theta, n = net.theta, net.theta.size
    names = [name for name, view in net.parameters.items() for _ in range(view.size)]

    def at(place: tuple[int, ...]) -> str:
        name = names[place[0]]
        return f"is wrong for {'an input' if name.startswith('source') else f'parameter {name!r}'} (place {place[0]} of theta)"

    def moved(e: Array, h: float) -> float:
        return C.value(theta + h * e)

    units = np.eye(n)
    g = C.gradient(theta)
    expected = np.array([difference(partial(moved, e)) for e in units])
    require_equal(
        g,
        expected,
        f"{who}: gradient",
        "the difference of the loss is",
        at,
        rel=rel,
        abs=rel * (1e-2 + np.abs(g).max()),
    )
    try:
        C.check(("hvp",))
    except CapabilityError:
        return
    for seed in range(2):
        v = np.random.default_rng(seed).normal(size=n)
        hv = C.hvp(theta, v)
        expected = difference(lambda h: C.gradient(theta + h * v))  # noqa: B023
        require_equal(
            hv,
            expected,
            f"{who}: Hessian-vector product",
            "the difference of the gradient is",
            at,
            rel=rel,
            abs=rel * (1e-2 + np.abs(hv).max()),
        )


def _check_config(thing: Any, shapes: list[tuple[int, ...]]) -> None:
    """A network with a registered layer comes back from its config and from pickle with the same parameters and outputs."""
    if not any(entry.object is type(thing) for entry in registry.entries("layer")):
        return
    who = label(thing, "layer")
    if len(shapes) == 1:
        net = Network(shapes[0], [thing], seed=2)
    else:
        net = Network(3, seed=2)
        nodes = [
            net.apply(f"in{k}", registry.get("layer", "dense", n_out=prod(s)), net.input)
            for k, s in enumerate(shapes)
        ]
        net.output = net.apply("layer", thing, *nodes)
    X = np.random.default_rng(0).normal(size=(3, *net.input_shape))
    again = Network.from_config(json.loads(json.dumps(net.config())))
    require_same_bits(again(X), net(X), f"{who}: a network built from its config gives other outputs")
    require_same_bits(
        pickle.loads(pickle.dumps(net))(X), net(X), f"{who}: a pickled network gives other outputs"
    )
