"""Networks of the zoo learn: auxiliary heads in training alone, residual networks where plain ones stand still; the examples run."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn import zoo
from fastnn.examples import lenet, pictures, residual
from fastnn.examples import zoo as families

SMALL = {"n_classes": 3, "input_shape": (3, 57, 57), "width": 1 / 32}


def test_googlenets_heads_count_three_tenths_in_training_and_nothing_afterwards():
    net = zoo.googlenet(auxiliary=True, **SMALL)
    assert net.auxiliary == {"aux1.fc2": 0.3, "aux2.fc2": 0.3}
    X, y = np.random.default_rng(0).standard_normal((4, 3, 57, 57)), [0, 1, 2, 1]
    for name, (layer, _) in net.layers.items():
        if isinstance(layer, fnn.layers.Dense) and name.endswith(
            "fc2"
        ):  # a head that says log 3 whatever it sees
            net.parameters[f"{name}/W"][...] = net.parameters[f"{name}/b"][...] = 0
    net.parameters["fc/W"][...] = net.parameters["fc/b"][...] = 0
    history = net.fit(X, y, epochs=1, batch_size=4, optimizer="sgd", eta=0.0, verbose=False)
    assert history[0]["loss"] == pytest.approx(1.6 * np.log(3), rel=1e-5)
    assert net.evaluate(X, y)["loss"] == pytest.approx(np.log(3), rel=1e-5)


def test_gradients_of_googlenets_heads_reach_the_layers_below_them_and_not_those_above():
    """With the last layer at zero, nothing but a head moves what lies below it."""
    moved = {}
    for auxiliary in (True, False):
        net = zoo.googlenet(auxiliary=auxiliary, seed=1, **SMALL)
        net.parameters["fc/W"][...] = 0
        before = {name: view.copy() for name, view in net.parameters.items()}
        X = np.random.default_rng(0).standard_normal((4, 3, 57, 57))
        net.fit(X, [0, 1, 2, 1], epochs=1, batch_size=4, optimizer="sgd", eta=0.1, verbose=False)
        moved[auxiliary] = {name for name, view in net.parameters.items() if (view != before[name]).any()}
    assert moved[False] == {"fc/W", "fc/b"}
    assert {"inception3a.branch1.conv/W", "inception4d.branch1.conv/W", "aux2.fc1/W"} <= moved[True]
    assert not {name for name in moved[True] if name.startswith(("inception4e", "inception5"))}


def test_pictures_are_the_same_for_a_seed_and_every_class_comes_as_often():
    X, y = pictures.pictures(50, seed=3)
    again, _ = pictures.pictures(50, seed=3)
    other, _ = pictures.pictures(50, seed=4)
    assert (X == again).all() and not (X == other).all()
    assert X.shape == (50, 3, 32, 32) and X.dtype == np.float32
    assert np.bincount(y).tolist() == [5] * 10


def test_a_deep_residual_network_learns_where_the_plain_one_stands_still(tmp_path):
    numbers = residual.run(depths=(38,), size=16, n=160, epochs=12, out=str(tmp_path / "curves.png"))
    plain, other = numbers["plain"][38], numbers["residual"][38]
    assert plain["parameters"] == other["parameters"]
    assert min(plain["loss"]) > 2.1  # guessing: 2.3
    assert other["loss"][-1] < 1.7
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert len(residual.report(numbers)) == 2


def test_lenet_reads_digits(tmp_path):
    numbers = lenet.run(epochs=4, out=str(tmp_path / "lenet.png"))
    assert numbers["parameters"] == 44_426
    assert numbers["accuracy"][-1] > 0.9
    assert (tmp_path / "lenet.png").stat().st_size > 10_000
    assert len(lenet.report(numbers)) == 2


def test_narrow_networks_of_every_family_learn_pictures(tmp_path):
    numbers = families.run(n=40, epochs=2, out=str(tmp_path / "families.png"))
    assert set(numbers) == set(families.NETWORKS)
    for one in numbers.values():
        assert one["loss"][-1] < one["loss"][0]
    assert (tmp_path / "families.png").stat().st_size > 10_000
    assert len(families.report(numbers)) == 2
