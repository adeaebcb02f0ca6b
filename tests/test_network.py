"""The network in its user's hands: parameters, first values, configs, copies, outputs, scores."""

import copy
import json
import pickle

import numpy as np
import pytest
from cases import GRAPHS, chain, labels, rows

import fastnn as fnn
from fastnn.cpu import Machine

QUIET = {"verbose": False, "threads": 1}


def by_hand(net, X):
    """Outputs of `chain` in NumPy, sample by sample."""
    p, out = net.parameters, []
    for x in X:
        a = np.tanh(p["0/W"] @ x + p["0/b"])
        a = np.tanh(p["1/W"] @ a + p["1/b"])
        out.append(p["2/W"] @ a + p["2/b"])
    return np.array(out)


def test_outputs_are_those_of_the_formula():
    net = chain()
    net.theta = np.random.default_rng(0).normal(size=net.theta.size)
    X = rows(net, 9)
    assert net(X) == pytest.approx(by_hand(net, X), rel=1e-13)


def test_writing_into_a_parameter_changes_the_network():
    net = chain()
    X = rows(net, 4)
    net(X)
    net.parameters["2/b"][...] = [1.0, 2.0, 3.0]
    net.parameters["2/W"][...] = 0
    assert (net(X) == [1.0, 2.0, 3.0]).all()
    assert net.theta[-3:].tolist() == [1.0, 2.0, 3.0]
    theta = net.theta
    net.theta = np.zeros(theta.size)
    assert net.theta is theta and not theta.any(), "theta stays where it lies"


def test_parameters_lie_in_theta_one_behind_the_other():
    for build in GRAPHS.values():
        net = build()
        assert (
            np.concatenate([view.ravel() for view in net.parameters.values()]).tobytes()
            == net.theta.tobytes()
        )


def test_first_values_depend_on_seed_and_name_alone():
    one, same, other = chain(seed=3), chain(seed=3), chain(seed=4)
    assert (one.theta == same.theta).all() and (one.theta != other.theta).any()
    assert chain(seed=3, dtype="float32").theta.tolist() == one.theta.astype("float32").tolist()
    longer = fnn.Network(
        3, [fnn.Dense(5, "relu"), fnn.Dense(4), fnn.Dense(4), fnn.Dense(2)], seed=3, dtype="float64"
    )
    assert (longer.parameters["0/W"] == one.parameters["0/W"]).all(), "whatever comes behind"


@pytest.mark.parametrize(("initializer", "variance"), [("glorot_uniform", 2 / 300), ("he_normal", 2 / 100)])
def test_first_values_have_the_variance_of_their_fans(initializer, variance):
    net = fnn.Network(100, [fnn.Dense(200, initializer=initializer)])
    W = net.parameters["0/W"]
    assert W.shape == (200, 100) and W.var() == pytest.approx(variance, rel=0.05) and abs(W.mean()) < 0.005
    assert not net.parameters["0/b"].any()


@pytest.mark.parametrize("name", GRAPHS)
def test_a_config_builds_the_same_network_anew(name):
    net = GRAPHS[name](dtype="float32")
    config = json.loads(json.dumps(net.config()))
    again = fnn.Network.from_config(config)
    X = rows(net, 5)
    assert again.config() == net.config() and again(X).tobytes() == net(X).tobytes()
    assert list(again.parameters) == list(net.parameters) and str(again.plan(batch=4)) == str(
        net.plan(batch=4)
    )


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, copy.copy, lambda net: pickle.loads(pickle.dumps(net))],
    ids=["deepcopy", "copy", "pickle"],
)
def test_a_copy_knows_what_the_original_learnt_and_goes_its_own_way(duplicate):
    net = chain()
    X, y = 100 + rows(net, 20), np.array(["x", "y", "z"])[labels(20)]
    net.fit(X, y, epochs=2, scale="min_max", **QUIET)
    other = duplicate(net)
    assert other.predict(X).tobytes() == net.predict(X).tobytes()
    assert other.predict_classes(X).tolist() == net.predict_classes(X).tolist()
    assert other.history == net.history and other.loss == net.loss
    before = net.predict(X)
    other.fit(X, y, epochs=1, **QUIET)
    assert (net.predict(X) == before).all() and (other.theta != net.theta).any()


def cube(z):
    return z * z * z


def cube_slope(z, a):
    return 3 * z * z


def distance(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        delta[j] = 2 * (z[j] - y[j])
        total += (z[j] - y[j]) * (z[j] - y[j])
    return total


class Doubled:
    name = "doubled"

    def __call__(self, net, a):
        return net.op("add", a, a)


def test_a_copy_needs_no_registered_plugins():
    layers = [fnn.Dense(4, fnn.Activation("cube", cube, cube_slope)), Doubled(), fnn.Dense(2)]
    net = fnn.Network(3, layers, dtype="float64")
    X = rows(net, 8)
    net.fit(X, rows(net, 8, seed=1)[:, :2], loss=fnn.Loss("distance", row=distance), epochs=1, **QUIET)
    other = copy.deepcopy(net)
    assert (other(X) == net(X)).all() and other.loss == net.loss


def test_layers_that_are_added_later_leave_what_was_learnt():
    net = fnn.Network(3, [fnn.Dense(4, "tanh")], dtype="float64")
    net.theta = np.arange(16.0)
    out = net(np.ones((2, 3)))
    net.output = net.apply("head", fnn.Dense(2), net.output)
    assert net.theta[:16].tolist() == list(range(16)) and net.theta.size == 26
    p = net.parameters
    assert net(np.ones((2, 3))) == pytest.approx(out @ p["head/W"].T + p["head/b"], rel=1e-13)
    net.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=1, **QUIET)


@pytest.mark.parametrize(
    "given",
    [
        lambda X: X.tolist(),
        lambda X: X.astype("float32"),
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X[:, ::-1][:, ::-1],
        lambda X: X.astype(int),
        lambda X: X.astype(object),
        lambda X: X.astype(">f8"),
        lambda X: X.astype("float16"),
        lambda X: np.ma.masked_array(X),
    ],
    ids=["list", "float32", "Fortran order", "every other row", "turned around", "whole numbers", "objects", "big-endian", "float16", "masked"],
)  # fmt: skip
def test_rows_may_come_in_any_clothes(given):
    net = chain(dtype="float32")
    X = np.random.default_rng(0).integers(-3, 4, (6, 3)).astype("float64")
    assert (net(given(X)) == net(X)).all()
    history = net.fit(given(X), labels(6), epochs=1, **QUIET)
    assert np.isfinite(history[0]["loss"])


def test_inputs_are_never_written_to():
    for build in GRAPHS.values():
        net = build()
        X, y = rows(net, 12), labels(12)
        kept = X.copy()
        (
            net(X),
            net.predict(X),
            net.fit(X, y, loss="cross_entropy", epochs=2, batch_size=5, **QUIET),
            net.evaluate(X, y),
        )
        net.objective(X, y).gradient(net.theta)
        assert (X == kept).all()


def test_outputs_of_two_calls_do_not_share_memory():
    net = chain()
    first = net(rows(net, 4))
    kept = first.copy()
    net(rows(net, 4, seed=9))
    assert (first == kept).all()


def test_no_rows_in_no_rows_out():
    net = chain()
    net.fit(rows(net, 4), labels(4), epochs=1, **QUIET)
    none = np.zeros((0, 3))
    assert net(none).shape == net.predict(none).shape == (0, 3) and net.predict_classes(none).shape == (0,)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
def test_any_number_of_rows_gives_the_outputs_of_each_alone(n):
    net = chain(dtype="float32")
    X = rows(net, n)
    out = net(X)
    assert all(net(X[s : s + 1]).tobytes() == out[s : s + 1].tobytes() for s in range(0, n, 37))


def test_probabilities_add_up_and_classes_are_the_most_probable():
    net = chain()
    X, y = rows(net, 50), np.array([10, 20, 35])[labels(50)]
    net.fit(X, y, epochs=3, **QUIET)
    p = net.predict(X)
    assert p.sum(axis=1) == pytest.approx(np.ones(50)) and (p >= 0).all()
    assert net.predict_classes(X).tolist() == np.array([10, 20, 35])[p.argmax(axis=1)].tolist()
    assert net.evaluate(X, y)["accuracy"] == (net.predict_classes(X) == y).mean()
    assert net.evaluate(X, y)["loss"] == pytest.approx(
        -np.log(p[np.arange(50), np.searchsorted([10, 20, 35], y)]).mean()
    )


def test_values_are_scored_by_root_mean_square_and_r2():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(30, 3)), rng.normal(size=(30, 2)), rng.uniform(size=30)
    net = fnn.Network(3, [fnn.Dense(2)], dtype="float64")
    error = (net(X) - y) ** 2
    scores = net.evaluate(X, y, loss="squared_error")
    assert scores["loss"] == pytest.approx(0.5 * error.sum(axis=1).mean())
    assert scores["rmse"] == pytest.approx(np.sqrt(error.mean()))
    assert scores["r2"] == pytest.approx(1 - error.mean() / y.var(axis=0).mean())
    weighted = net.evaluate(X, y, loss="squared_error", sample_weight=w)
    assert weighted["loss"] == pytest.approx(np.average(0.5 * error.sum(axis=1), weights=w))
    assert weighted["rmse"] == pytest.approx(np.sqrt(np.average(error.mean(axis=1), weights=w)))


def test_images_are_rows_after_flatten():
    net = fnn.Network((2, 3, 4), [fnn.layers.Flatten(), fnn.Dense(5, "relu"), fnn.Dense(2)], dtype="float64")
    X = np.random.default_rng(0).normal(size=(6, 2, 3, 4))
    flat = fnn.Network(24, [fnn.Dense(5, "relu"), fnn.Dense(2)], dtype="float64")
    flat.theta = net.theta
    assert (net(X) == flat(X.reshape(6, 24))).all()
    net.fit(X, labels(6, 2), loss="cross_entropy", epochs=3, shuffle=False, **QUIET)
    flat.fit(X.reshape(6, 24), labels(6, 2), loss="cross_entropy", epochs=3, shuffle=False, **QUIET)
    assert (net.theta == flat.theta).all()


def test_summary_counts_parameters_and_operations():
    net = fnn.Network(6, [fnn.Dense(4, "relu"), fnn.Dense(3)])
    text = net.summary()
    assert "28" in text and "15" in text and "43" in text and "(batch, 3)" in text
    assert repr(net) == "<Network (6,) -> (3,), 2 layers, 43 parameters, float32>"


def test_denormal_numbers_are_still_there_after_a_pass():
    """Compiled loops take them for zero; the mode of the caller's thread is put back."""
    net = chain(dtype="float32")
    X, tiny = rows(net, 30), np.array([1e-40], np.float32)
    net(X, threads=2)
    net.fit(X, labels(30), loss="cross_entropy", epochs=2, **QUIET)
    net.objective(X, labels(30)).gradient(net.theta)
    assert (tiny * np.float32(0.5))[0] > 0 and np.float64(1e-310) * 0.5 > 0


def test_a_network_without_parameters_can_be_asked_and_trained():
    net = fnn.Network(3, [fnn.layers.Activation("tanh")], dtype="float64")
    X = rows(net, 8)
    assert net(X) == pytest.approx(np.tanh(X))
    history = net.fit(X, labels(8), loss="cross_entropy", epochs=2, **QUIET)
    assert len(history) == 2 and net.objective(X, labels(8)).gradient(net.theta).shape == (0,)


def test_a_machine_refuses_arrays_that_do_not_fit_its_plan():
    net = chain()
    machine = Machine(net.plan(batch=4))
    for wrong in (np.zeros((3, 3)), np.zeros((4, 3), "float32"), np.zeros((4, 4))):
        with pytest.raises(fnn.FastnnError, match="the array for 'X' does not fit the plan"):
            machine.bind("X", wrong)
    with pytest.raises(fnn.FastnnError, match="not C-contiguous"):
        machine.bind("X", np.zeros((3, 4)).T)


def test_layers_come_by_name_object_class_and_config():
    for layer in ("flatten", fnn.layers.Flatten(), fnn.layers.Flatten, {"name": "flatten"}):
        assert fnn.Network((2, 2), [layer]).output.shape == (4,)
    one = fnn.Network(3, [{"name": "dense", "n_out": 2, "activation": "relu"}], seed=1)
    assert (one.theta == fnn.Network(3, [fnn.Dense(2, "relu")], seed=1).theta).all()


def test_activations_come_as_objects_with_settings_and_survive_a_config():
    net = fnn.Network(3, [fnn.Dense(4, fnn.activations.leaky_relu(alpha=0.3))], dtype="float64", seed=2)
    X = rows(net, 5)
    z = X @ net.parameters["0/W"].T
    assert net(X) == pytest.approx(np.where(z > 0, z, 0.3 * z))
    assert (fnn.Network.from_config(json.loads(json.dumps(net.config())))(X) == net(X)).all()


@pytest.mark.parametrize(
    "layers", [fnn.Dense(3), fnn.Dense, "dense", {"name": "dense", "n_out": 3}, None, 5, fnn.activations.relu]
)
def test_layers_that_are_no_list_are_refused_in_a_sentence(layers):
    with pytest.raises(fnn.SettingError, match="the layers of a network are a list"):
        fnn.Network(4, layers)


def test_layers_come_from_anything_that_can_be_walked_through():
    one, other = (fnn.Network(4, layers) for layers in ((k for k in [fnn.Dense(3)]), (fnn.Dense(3),)))
    assert (one.theta == other.theta).all() and fnn.Network(4, []).graph.output is None


def test_an_activation_is_a_layer():
    X = np.random.default_rng(0).normal(size=(5, 3))
    layers = [
        fnn.activations.leaky_relu(alpha=0.3),
        fnn.layers.Activation(fnn.activations.leaky_relu(alpha=0.3)),
    ]
    nets = [
        fnn.Network(3, [fnn.Dense(3), layer, fnn.activations.softmax], dtype="float64") for layer in layers
    ]
    assert (nets[0](X) == nets[1](X)).all() and nets[0].config() == nets[1].config()


def test_an_activation_by_its_name_alone_is_refused_in_a_sentence():
    with pytest.raises(fnn.UnknownNameError, match=r"try +fastnn\.layers\.Activation\('relu'\)"):
        fnn.Network(3, ["relu"])
    with pytest.raises(
        fnn.PluginError, match=r"'relu' needs two functions(.|\n)*fastnn\.layers\.Activation\('relu'\)"
    ):
        fnn.Activation("relu")
