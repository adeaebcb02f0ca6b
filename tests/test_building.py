"""Building a network: a layer that fails leaves it as it was, and what was made before does not see what is built later."""

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastnn as fnn

X = np.random.default_rng(0).normal(size=(20, 4))


class Halfway:
    """Declares a parameter and fails."""

    name = "halfway"

    def __call__(self, net, a):
        net.parameter("W", (1000, a.shape[0]), "zeros")
        raise RuntimeError("no further")


class Nothing:
    name = "nothing"

    def __call__(self, net, a):
        net.parameter("W", (1000, a.shape[0]), "zeros")


def wrong_shape(rng, shape, fan_in, fan_out):
    return np.zeros(3)


FAILING = {
    "raises": (Halfway(), RuntimeError),
    "returns nothing": (Nothing(), fnn.PluginError),
    "unknown activation": (fnn.Dense(1000, "nosuch"), fnn.UnknownNameError),
    "initializer of the wrong shape": (
        fnn.Dense(1000, initializer=fnn.Initializer("wrong_shape", wrong_shape)),
        fnn.PluginError,
    ),
}


@pytest.mark.parametrize("layer, error", FAILING.values(), ids=FAILING)
def test_a_layer_that_fails_leaves_the_network_as_it_was(layer, error):
    net = fnn.Network(4, [fnn.Dense(3)])
    with pytest.raises(error):
        net.apply("next", layer, net.input)
    assert list(net.parameters) == ["0/W", "0/b"] and len(net.graph.nodes) == 2
    assert net.graph.n_parameters == net.theta.size == 15
    net.fit(X, X[:, :3], epochs=1, verbose=False)  # wrote beyond theta
    net.output = net.apply("next", fnn.Dense(2), net.output)  # the name is free
    assert net(X).shape == (20, 2)


def test_an_objective_stays_with_the_network_that_it_was_made_of():
    net = fnn.Network(4)
    h = net.output = net.apply("a", fnn.Dense(3, "tanh"), net.input)
    theta, y = net.theta.copy(), np.zeros((20, 3))
    objective, value = net.objective(X, y), net.objective(X, y).value(theta)
    net.output = net.apply("c", fnn.Dense(3), net.apply("b", fnn.Dense(50_000), h))
    assert objective.value(theta) == value  # read beyond theta
    assert objective.gradient(theta).shape == objective.hvp(theta, theta).shape == (15,)
    with pytest.raises(fnn.ShapeError):
        objective.value(net.theta)


def test_threads_take_turns_with_an_objective():
    net = fnn.Network(4, [fnn.Dense(16, "tanh"), fnn.Dense(2)], dtype="float64")
    objective = net.objective(X, X[:, :2])
    thetas = [net.theta * k for k in range(6)]
    expected = [(objective.value(theta), objective.gradient(theta).tolist()) for theta in thetas]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(100):
            asked = pool.map(
                lambda theta: (objective.value(theta), objective.gradient(theta).tolist()), thetas
            )
            assert list(asked) == expected


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_an_objective_has_memory_of_its_own(twin):
    net = fnn.Network(4, [fnn.Dense(16, "tanh"), fnn.Dense(2)], dtype="float64")
    objective = net.objective(X, X[:, :2])
    value = objective.value(net.theta)
    other = twin(objective)
    del objective
    gc.collect()
    assert other.value(net.theta) == value
    assert other.gradient(net.theta).shape == (net.theta.size,)


def test_the_loss_of_many_rows_is_added_up_in_float64():
    many = np.random.default_rng(0).normal(size=(400_000, 1)).astype("float32")
    values = {}
    for dtype in ("float32", "float64"):
        net = fnn.Network(1, dtype=dtype)
        net.output = net.input
        values[dtype] = net.objective(many, 0 * many, loss="squared_error").value([])
    assert values["float32"] == pytest.approx(values["float64"], rel=1e-6)


def test_a_network_does_not_keep_what_it_was_asked_about():
    net = fnn.Network(4, [fnn.Dense(3)])
    rows, classes = np.zeros((20, 4), "float32"), np.zeros(20, "int64")
    given = weakref.ref(rows), weakref.ref(net(rows)), weakref.ref(classes)
    net.evaluate(rows, classes)
    del rows, classes
    gc.collect()
    assert [reference() for reference in given] == [None, None, None]


def test_nothing_is_built_while_a_fit_runs():
    """theta would move away from the machine that trains it."""
    net = fnn.Network(2, [fnn.Dense(1)])
    refused = []

    def build(run, row):
        with pytest.raises(fnn.FastnnError, match="being trained") as caught:
            net.apply("late", fnn.Dense(1), net.input)
        refused.append(caught.value)

    net.fit([[0.0, 1.0]], [1.0], epochs=1, verbose=False, callbacks=fnn.LambdaCallback(on_epoch_end=build))
    assert len(refused) == 1 and list(net.parameters) == ["0/W", "0/b"]
    net.apply("later", fnn.Dense(1), net.input)


def test_fit_of_a_network_takes_what_training_takes():
    import inspect

    from fastnn.training import fit

    mine, whole = (inspect.signature(f).parameters for f in (fnn.Network.fit, fit))
    names = [name for name in whole if name != "net"]
    assert [name for name in mine if name != "self"] == names
    assert all(mine[name].default == whole[name].default for name in names)
