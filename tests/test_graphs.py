"""Random graphs against an evaluator that knows nothing of plans: outputs in NumPy node by node, gradients by differences, dropout on and off.

This is what shows that nothing is written over too early, where a plan lets a result lie in the place of its input.
"""

import numpy as np
import pytest
from cases import labels, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import SMOOTH, graphs
from scipy import special

from fastnn.cpu import Machine
from fastnn.numerics import uniform
from fastnn.ops import LossOp
from fastnn.plan import build_plan
from fastnn.registry import registry
from fastnn.testing.claims import difference

BATCH, SEED, STEP = 3, 11, 4
LOSS = LossOp(registry.get("loss", "cross_entropy"), "index")
MORE = settings(max_examples=4 * settings().max_examples)
FUNCTIONS = {
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softplus": lambda z: np.logaddexp(0, z),
    "logistic": special.expit,
    "gelu": lambda z: z * special.ndtr(z),
    "softmax": lambda z: special.softmax(z, axis=1),
}


def evaluated(net, X, training):
    """Values of all nodes in NumPy."""
    values = {}
    for node in net.graph.nodes:
        a = [values[m.index] for m in node.inputs]
        if node.op is None:
            z = X
        elif node.op.name == "affine":
            W, b = (net.parameters[p.name] for p in node.parameters)
            z = a[0] @ W.T + b
        elif node.op.name in ("activate", "row_activate"):
            z = FUNCTIONS[node.op.activation.name](a[0])
        elif node.op.name == "add":
            z = sum(a)
        elif node.op.name == "concatenate":
            z = np.concatenate(a, axis=1)
        elif node.op.name == "flatten":
            z = a[0].reshape(len(a[0]), -1)
        else:
            assert node.op.name == "dropout"
            z = a[0] * mask(node, a[0].shape) if training else a[0]
        values[node.index] = z
    return values[net.output.index]


def mask(node, shape):
    rate, layer = node.attributes["rate"], node.attributes["layer"]
    numbers = [uniform(SEED, STEP, layer, i) for i in range(int(np.prod(shape)))]
    return (np.reshape(numbers, shape) >= rate) / (1 - rate)


def loss_of(z, y):
    return -special.log_softmax(z, axis=1)[np.arange(len(y)), y].mean()


def machine_of(net, mode, training, X, y, theta, **arrays):
    plan = build_plan(
        net.graph, len(X), net.dtype, mode, loss=None if mode == "infer" else LOSS, training=training
    )
    machine = Machine(plan)
    machine.seed(SEED)
    given = {"X": X, "y": y, "theta": theta, **arrays}
    if "out" in plan.externals:
        given["out"] = np.full((len(X), *net.output_shape), np.nan)
    for name, array in given.items():
        machine.bind(name, array)
    return machine, given


@MORE
@given(graphs((*SMOOTH, "relu")), st.booleans())
def test_outputs_and_losses_are_those_of_the_formulas(net, training):
    X, y = rows(net, BATCH), labels(BATCH)
    expected = evaluated(net, X, training)
    n = net.theta.size
    for mode in ("infer", "value", "gradient", "hvp"):
        machine, given = machine_of(
            net, mode, training, X, y, net.theta, g=np.zeros(n), hv=np.zeros(n), v=np.ones(n)
        )
        machine.run_steps(0, np.zeros(1), STEP)
        if "out" in given:
            assert given["out"] == pytest.approx(expected, rel=1e-12, abs=1e-14), str(machine.plan)
        if mode != "infer":
            assert machine.total[0] == pytest.approx(loss_of(expected, y), rel=1e-12), str(machine.plan)


@MORE
@given(graphs(SMOOTH), st.booleans())
def test_gradients_are_the_differences_of_the_formulas(net, training):
    X, y, theta, n = rows(net, BATCH), labels(BATCH), net.theta, net.theta.size
    g = np.full(n, np.nan)
    machine, _ = machine_of(net, "gradient", training, X, y, theta, g=g)
    machine.run_steps(0, np.zeros(1), STEP)
    kept, directions = theta.copy(), np.random.default_rng(0).normal(size=(3, n)) / np.sqrt(n)

    def moved(h, d):
        theta[:] = kept + h * d
        value = loss_of(evaluated(net, X, training), y)
        theta[:] = kept
        return value

    for d in directions:
        assert g @ d == pytest.approx(difference(lambda h, d=d: moved(h, d)), rel=1e-8, abs=1e-10), str(
            machine.plan
        )


@MORE
@given(graphs(SMOOTH), st.booleans())
def test_hessian_vector_products_are_the_differences_of_gradients(net, training):
    X, y, n = rows(net, BATCH), labels(BATCH), net.theta.size
    theta, v = net.theta.copy(), np.random.default_rng(0).normal(size=n) / np.sqrt(n)
    g, hv, other = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    first, _ = machine_of(net, "gradient", training, X, y, theta, g=g)
    second, _ = machine_of(net, "hvp", training, X, y, net.theta, g=other, hv=hv, v=v)
    second.run_steps(0, np.zeros(1), STEP)

    def moved(h):
        theta[:] = net.theta + h * v
        first.run_steps(0, np.zeros(1), STEP)
        return g.copy()

    expected = difference(moved)
    assert hv == pytest.approx(expected, rel=1e-7, abs=1e-9 * (1 + abs(expected).max())), str(second.plan)
