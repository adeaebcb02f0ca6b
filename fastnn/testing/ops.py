"""check_op: the compiled kernels of an op against their bodies, in every kind of plan, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cpu import Machine
from fastnn.errors import CapabilityError
from fastnn.network import Network
from fastnn.ops import LossOp, Op
from fastnn.plan import FLAT_VECTORS, Plan, build_plan
from fastnn.registry import registry
from fastnn.testing.claims import require, require_equal
from fastnn.testing.compiled import check_ptx
from fastnn.testing.identity import found, label
from fastnn.testing.layers import build, check_built, data
from fastnn.testing.plain import run_plan_in_python

__all__ = ["check_op", "check_plan"]

Array = NDArray[Any]


def check_op(
    op: Any,
    *,
    input_shapes: Sequence[Sequence[int]] = ((4,),),
    parameter_shapes: Sequence[Sequence[int]] = (),
    statistic_shapes: Sequence[Sequence[int]] = (),
    smooth: bool = True,
    rel: float = 1e-7,
    **attributes: Any,
) -> None:
    """Raise AssertionError where the op breaks its contract.

    input_shapes       shape of one sample of each input
    parameter_shapes   shapes of the parameters
    statistic_shapes   shapes of the running statistics, which begin with 0.5
    attributes         what a layer hands to net.op(...) beside them
    """
    thing: Op = found("op", op, {})
    who = label(thing, "op")
    require(isinstance(thing, Op), f"{who}: not derived from fastnn.ops.Op")
    layer = _Layer(
        thing, [tuple(s) for s in parameter_shapes], [tuple(s) for s in statistic_shapes], attributes
    )
    shapes = [tuple(s) for s in input_shapes]
    check_built(who, layer, shapes, smooth, rel)
    for training in (False, True):
        check_network(who, build(layer, shapes), training)
        check_network(who, _twice(layer, shapes, "float64"), training)
    check_network(who, _twice(layer, shapes, "float32"), False)
    check_ptx(who, thing)


class _Layer:
    """The op as a layer."""

    name = "testing_layer"

    def __init__(
        self,
        op: Op,
        parameter_shapes: list[tuple[int, ...]],
        statistic_shapes: list[tuple[int, ...]],
        attributes: dict[str, Any],
    ) -> None:
        self.op, self.parameter_shapes, self.statistic_shapes = op, parameter_shapes, statistic_shapes
        self.attributes = attributes

    def __call__(self, net: Any, *nodes: Any) -> Any:
        parameters = [
            net.parameter(f"parameter{k}", shape, "glorot_normal")
            for k, shape in enumerate(self.parameter_shapes)
        ]
        statistics = [
            net.statistic(f"statistic{k}", shape, 0.5) for k, shape in enumerate(self.statistic_shapes)
        ]
        return net.op(self.op, *nodes, parameters=parameters, statistics=statistics, **self.attributes)


def _twice(layer: _Layer, shapes: list[tuple[int, ...]], dtype: str) -> Network:
    """The op twice on the same nodes, added up: gradients must accumulate in both."""
    net = build(layer, shapes, dtype)
    sources = [
        net.apply(
            f"again{k}", registry.get("layer", "activation", activation="tanh"), net.nodes[f"source{k}"]
        )
        for k in range(len(shapes))
    ]
    other = net.apply("other", layer, *(net.nodes[f"source{k}"] for k in range(len(shapes))))
    third = net.apply("third", layer, *sources)
    total = net.apply("total", registry.get("layer", "add"), net.nodes["layer"], other, third)
    net.output = total if len(total.shape) == 1 else net.apply("row", registry.get("layer", "flatten"), total)
    return net


def check_network(who: str, net: Network, training: bool, batch: int = 3) -> None:
    """Every mode of a plan of this network, compiled and in plain Python, gives the same numbers."""
    X, y = data(net, batch)
    loss = LossOp(registry.get("loss", "squared_error"), "row")
    for mode in ("infer", "value", "gradient", "hvp"):
        try:
            plan = build_plan(
                net.graph, batch, net.dtype, mode, loss=None if mode == "infer" else loss, training=training
            )
        except CapabilityError:
            continue
        given = {
            "X": X.astype(net.dtype),
            "y": y.astype(net.dtype),
            "theta": net.theta,
            "statistics": net.running,
            "v": np.linspace(-1, 1, net.theta.size).astype(net.dtype),
        }
        check_plan(f"{who} ({mode}{', training' if training else ''}, {net.dtype})", plan, given)


def check_plan(who: str, plan: Plan, given: dict[str, Array], threads: int = 1) -> dict[str, Array]:
    """The plan, compiled and in plain Python, on the same arrays: equal results. Gives those of the compiled run."""
    n = plan.graph.n_parameters
    results = {
        name: (-1 if -1 in buffer.shape else buffer.shape)
        for name, buffer in plan.externals.items()
        if name in ("out", "total", "bad")
    }
    written = {name: np.zeros(shape, plan.externals[name].dtype) for name, shape in results.items()}
    written |= {name: np.full(n, np.nan, plan.dtype) for name in FLAT_VECTORS if name in ("g", "hv")}
    expected = {name: array.copy() for name, array in written.items()}
    run_plan_in_python(plan, {**given, **expected})
    machine = Machine(plan, threads=threads)
    for name, array in {**given, **written}.items():
        machine.bind(name, array)
    machine.run()
    rel, abs = (1e-10, 1e-12) if plan.dtype == "float64" else (1e-3, 1e-4)
    for name, array in written.items():
        require_equal(
            array,
            expected[name],
            f"{who}: compiled {name}",
            "plain Python gives",
            lambda p: f"at place {p}",
            rel=rel,
            abs=abs,
        )
    return written
