"""Everything that is registered gives on the GPU what it gives on the CPU: outputs, gradients, losses, steps."""

import numpy as np
import pytest
from cases import GRAPHS, LAYERS, OPS, rows
from on_device import (
    DTYPES,
    REL,
    agree,
    compare_fits,
    compare_gradients,
    dense,
    numbers,
    targets,
    tiny,
)

import fastnn as fnn
from fastnn.contracts import Rule
from fastnn.registry import registry
from fastnn.testing.layers import build

pytestmark = [pytest.mark.cuda, tiny]
both = pytest.mark.parametrize("dtype", DTYPES)

ACTIVATIONS = [(name, {}) for name in registry.names("activation")]
ACTIVATIONS += [("elu", {"alpha": 0.3}), ("swish", {"beta": 2.5})]
RULES = [
    (name, {}) for name in registry.names("optimizer") if isinstance(registry.find("optimizer", name), Rule)
]
RULES += [
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
    ("sgd", {"schedule": "cosine"}),
]
TABLE_OF_LAYERS = [(name, chosen) for name in registry.names("layer") for chosen in LAYERS.get(name, [{}])]
TABLE_OF_OPS = [(name, chosen) for name in registry.names("op") for chosen in OPS.get(name, [{}])]


@both
@pytest.mark.parametrize(("name", "settings"), ACTIVATIONS, ids=str)
def test_an_activation_is_the_same_function(name, settings, dtype):
    activation = registry.get("activation", name, **settings)
    net = fnn.Network(3, [fnn.Dense(5, activation), fnn.layers.Activation(activation)], dtype=dtype)
    X = 3 * numbers(7, 3, dtype=dtype)
    X[0] = 0
    agree(net(X, device="cuda"), net(X), REL[dtype], name)
    compare_gradients(net, X, numbers(7, 5, seed=1, dtype=dtype), name)


@both
@pytest.mark.parametrize("name", registry.names("activation"))
def test_an_activation_has_the_same_extremes(name, dtype):
    """z are the parameters of a source, for inputs that are not finite are refused."""
    net = build(fnn.layers.Activation(name), [(4,)], dtype)
    X = np.zeros((2, 4), dtype)
    for z in ([1e4, -1e4, 1e30, -1e30], [0.0, -0.0, 1.0, -1.0], [np.inf, -np.inf, 1.0, np.nan]):
        net.parameters["source0/p"][...] = z
        agree(net(X, device="cuda"), net(X), REL[dtype], f"{name} of {z}")


@both
@pytest.mark.parametrize("n_out", [1, 3])
@pytest.mark.parametrize("name", registry.names("loss"))
def test_a_loss_has_the_same_value_and_gradient(name, n_out, dtype):
    X = numbers(6, 4, dtype=dtype)
    for kind, y in targets(name, 6, n_out).items():
        if name == "cross_entropy" and n_out == 1:
            continue  # refused: a single output has no other class
        net = dense(4, 5, n_out, dtype=dtype)
        compare_gradients(net, X, y, f"{name} ({kind})", loss=name)
        weights = np.linspace(0.5, 2, 6)
        compare_gradients(net, X, y, f"{name} ({kind}, weighted)", loss=name, sample_weight=weights)
        net = dense(4, 5, n_out, dtype=dtype)
        net.fit(X, y, loss=name, epochs=0, verbose=False)
        agree(net.predict(X, device="cuda"), net.predict(X), REL[dtype], f"what predict shows of {name}")
        found, expected = net.evaluate(X, y, device="cuda"), net.evaluate(X, y)
        assert found == pytest.approx(expected, rel=REL[dtype], abs=REL[dtype]), name


@both
@pytest.mark.parametrize(("name", "settings"), RULES, ids=str)
def test_a_rule_takes_the_same_steps(name, settings, dtype):
    X, y = (
        numbers(11, 4, dtype=dtype),
        numbers(11, 2, seed=1, dtype=dtype),
    )  # three batches, the last one short
    compare_fits(lambda: dense(4, 3, 2, dtype=dtype), X, y, name, optimizer=name, epochs=3, **settings)


@both
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_has_the_same_outputs_and_gradients(graph, dtype):
    net = GRAPHS[graph](dtype=dtype)
    X = rows(net, 5).astype(dtype)
    agree(net(X, device="cuda"), net(X), REL[dtype], graph)
    compare_gradients(net, X, numbers(5, *net.output_shape, seed=1, dtype=dtype), graph)


@both
@pytest.mark.parametrize("graph", ["chain", "residual", "used_twice"])
def test_an_objective_gives_the_same_answers(graph, dtype):
    net = GRAPHS[graph](dtype=dtype)
    X, y = rows(net, 5).astype(dtype), numbers(5, *net.output_shape, seed=1, dtype=dtype)
    found, expected = (net.objective(X, y, loss="squared_error", device=device) for device in ("cuda", "cpu"))
    v = numbers(net.theta.size, seed=2, dtype=dtype)
    assert found.value(net.theta) == pytest.approx(expected.value(net.theta), rel=REL[dtype])
    agree(found.gradient(net.theta), expected.gradient(net.theta), REL[dtype], "gradient")
    agree(found.hvp(net.theta, v), expected.hvp(net.theta, v), REL[dtype], "Hessian-vector product")


def test_newton_takes_the_same_steps():
    X, y = numbers(12, 3, dtype="float64"), numbers(12, 1, seed=1, dtype="float64")
    nets = {device: dense(3, 2, 1, dtype="float64") for device in ("cuda", "cpu")}
    for device, net in nets.items():
        net.fit(X, y, loss="squared_error", optimizer="newton", epochs=3, device=device, verbose=False)
    # a system of equations stands between a rounding and the step
    agree(nets["cuda"].theta, nets["cpu"].theta, 1e-8)


def shapes_of(settings):
    """(shapes of the inputs, what else there is) of a row of the tables."""
    chosen = dict(settings)
    return [tuple(shape) for shape in chosen.pop("input_shapes", ((4,),))], chosen


@both
@pytest.mark.parametrize(("name", "settings"), TABLE_OF_LAYERS, ids=str)
def test_a_layer_has_the_same_outputs_and_gradients(name, settings, dtype):
    shapes, chosen = shapes_of(settings)
    chosen.pop("smooth", None)
    _compare_built(registry.get("layer", name, **chosen), shapes, dtype, name)


class OfOp:
    """An op as a layer."""

    name = "of_op"

    def __init__(self, op, parameter_shapes=(), statistic_shapes=(), **attributes):
        self.op, self.parameter_shapes, self.attributes = op, parameter_shapes, attributes
        self.statistic_shapes = statistic_shapes

    def __call__(self, net, *nodes):
        made = enumerate(self.parameter_shapes)
        parameters = [net.parameter(f"p{k}", shape, "glorot_normal") for k, shape in made]
        statistics = [net.statistic(f"s{k}", shape, 0.5) for k, shape in enumerate(self.statistic_shapes)]
        return net.op(self.op, *nodes, parameters=parameters, statistics=statistics, **self.attributes)


@both
@pytest.mark.parametrize(("name", "settings"), TABLE_OF_OPS, ids=str)
def test_an_op_has_the_same_outputs_and_gradients(name, settings, dtype):
    shapes, chosen = shapes_of(settings)
    _compare_built(OfOp(registry.get("op", name), **chosen), shapes, dtype, name)


def _compare_built(layer, shapes, dtype, what):
    """Between a source for each input, whose parameters take the gradients of the inputs, and a squared error."""
    net = build(layer, shapes, dtype)
    X = rows(net, 5).astype(dtype)
    agree(net(X, device="cuda"), net(X), REL[dtype], what)
    compare_gradients(net, X, numbers(5, *net.output_shape, seed=1, dtype=dtype), what)


def test_running_statistics_and_auxiliary_losses_move_as_on_the_cpu():
    nets = {}
    for device in ("cuda", "cpu"):
        net = fnn.Network((2, 2, 2), seed=3)
        h = net.apply("norm", fnn.BatchNorm(activation="tanh"), net.input)
        row = net.apply("row", fnn.layers.Flatten(), net.apply("pool", fnn.MaxPool(2), h))
        net.apply("aux", fnn.Dense(2), row)
        net.output = net.apply("out", fnn.Dense(2), net.apply("again", fnn.BatchNorm(), row))
        net.auxiliary = {"aux": 0.4}
        X, y = numbers(7, 2, 2, 2), numbers(7, 2, seed=1)
        history = net.fit(X, y, loss="squared_error", epochs=2, batch_size=4, device=device, verbose=False)
        nets[device] = net, history.column("loss"), net(X, device=device)
    (cuda, losses, out), (cpu, expected, expected_out) = nets["cuda"], nets["cpu"]
    agree(cuda.running, cpu.running, 1e-5, "statistics")
    agree(cuda.theta, cpu.theta, 1e-4, "parameters")
    agree(out, expected_out, 1e-4, "outputs")
    assert list(losses) == pytest.approx(list(expected), rel=1e-5)


def doubled(w, g, eta):
    return w - 2 * eta * g


def test_a_strangers_rule_runs_too():
    rule = fnn.Rule("doubled", doubled, defaults={"eta": 0.01})
    X, y = numbers(8, 4), numbers(8, 2, seed=1)
    compare_fits(lambda: dense(4, 3, 2), X, y, optimizer=rule)
