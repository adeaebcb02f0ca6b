"""Auxiliary losses: in training, the loss is that of the output plus weighted losses of inner nodes; nothing else knows them."""

import pickle

import numpy as np
import pytest
from cases import labels, rows

import fastnn as fnn
from fastnn.plan import build_plan

WEIGHTS = {"aux1": 0.3, "aux2": 0.5}


def with_heads(seed=2):
    """Two heads on inner nodes; aux1 is read inside the network as well."""
    net = fnn.Network(4, seed=seed, dtype="float64")
    h = net.apply("h", fnn.Dense(5, "tanh"), net.input)
    first = net.apply("aux1", fnn.Dense(3), h)
    net.apply("aux2", fnn.Dense(3), net.apply("side", fnn.Dense(4, "tanh"), h))
    net.output = net.apply("out", fnn.Dense(3), net.apply("join", fnn.Concatenate(), h, first))
    net.auxiliary = WEIGHTS
    return net


def loss_of(net, name, X, y):
    """The loss at one node."""
    other = fnn.Network.from_config({**net.config(), "output": name, "auxiliary": {}})
    other.theta = net.theta
    return other.objective(X, y, loss="cross_entropy")


def fitted(net, **options):
    X, y = rows(net, 12), labels(12)
    settings = {"loss": "cross_entropy", "epochs": 1, "batch_size": 12, "optimizer": "sgd", "eta": 0.1}
    return net.fit(X, y, verbose=False, **{**settings, **options})


def test_the_training_loss_is_the_weighted_sum_and_its_gradient_drives_the_step():
    net = with_heads()
    X, y, theta = rows(net, 12), labels(12), net.theta.copy()
    parts = [(1.0, loss_of(net, "out", X, y)), *((w, loss_of(net, n, X, y)) for n, w in WEIGHTS.items())]
    history = fitted(net)
    assert history.column("loss")[0] == pytest.approx(sum(w * C.value(theta) for w, C in parts), rel=1e-12)
    g = sum(w * C.gradient(theta) for w, C in parts)
    assert net.theta == pytest.approx(theta - 0.1 * g, rel=1e-9, abs=1e-12)


def test_validation_evaluation_and_objectives_leave_them_out():
    net = with_heads()
    X, y = rows(net, 12), labels(12)
    history = fitted(net, validation=(X, y), eta=0.0)
    plain = loss_of(net, "out", X, y).value(net.theta)
    assert history.column("validation_loss")[0] == pytest.approx(plain, rel=1e-12)
    assert net.evaluate(X, y)["loss"] == pytest.approx(plain, rel=1e-12)
    C = net.objective(X, y)
    assert C.value(net.theta) == pytest.approx(plain, rel=1e-12) and history.column("loss")[0] > 1.1 * plain
    side = net.graph.parameters["side/W"]
    assert not C.gradient(net.theta)[side.offset : side.offset + side.size].any()


def test_outside_training_their_nodes_are_not_run():
    net = with_heads()
    assert not any(
        "side" in i.node or "aux2" in i.node for i in build_plan(net.graph, 2, "float64").instructions
    )
    assert "side" in [i.node for i in net.plan(2, "gradient", "cross_entropy").instructions]


def test_any_number_of_threads_gives_the_same_bits():
    one, other = with_heads(), with_heads()
    fitted(one, threads=1, epochs=3, batch_size=5), fitted(other, threads=2, epochs=3, batch_size=5)
    assert (one.theta == other.theta).all()


def test_they_are_part_of_config_file_and_pickle(tmp_path):
    net = with_heads()
    net.save(tmp_path / "net.safetensors")
    copies = fnn.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))
    for copy in (*copies, fnn.Network.from_config(net.config())):
        assert copy.auxiliary == WEIGHTS
    assert "auxiliary" not in fnn.Network(2, [fnn.Dense(1)]).config()


def test_a_loss_of_an_auxiliary_node_that_is_not_finite_stops_training():
    net = with_heads()
    net.parameters["aux2/b"][...] = [np.inf, 0, 0]
    with pytest.raises(fnn.DivergedError):
        fitted(net)


def test_none_are_set_by_an_empty_mapping():
    net = with_heads()
    net.auxiliary = {}
    plan = net.plan(2, "gradient", "cross_entropy")
    assert net.auxiliary == {} and "side" not in [i.node for i in plan.instructions]


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        ({"aux3": 1.0}, fnn.UnknownNameError, "aux3"),
        ({"h": 1.0}, fnn.ShapeError, "does not have the output's shape"),
        ({"aux1": "much"}, fnn.SettingError, "is no number"),
    ],
    ids=str,
)
def test_what_cannot_be_one_is_refused(weights, error, match):
    net = with_heads()
    with pytest.raises(error, match=match):
        net.auxiliary = weights
    assert net.auxiliary == WEIGHTS
