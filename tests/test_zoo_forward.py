"""Narrow networks of every family give what a second writing of them gives (zoo_reference.py), and their derivatives are exact."""

import numpy as np
import pytest
import zoo_reference as reference
from safetensors.numpy import load_file
from zoo_reference import shaken

from fastnn import zoo

FAMILIES = {  # how it is built, and its second writing
    "lenet": (zoo.lenet, {"width": 0.5}, reference.lenet),
    "alexnet": (zoo.alexnet, {"input_shape": (3, 67, 67), "width": 1 / 16}, reference.alexnet),
    "alexnet, grouped": (
        zoo.alexnet,
        {"grouped": True, "input_shape": (3, 67, 67), "width": 1 / 16},
        reference.alexnet_grouped,
    ),
    "vgg 11": (
        zoo.vgg,
        {"depth": 11, "input_shape": (3, 32, 32), "width": 1 / 16},
        lambda p, a: reference.vgg(p, a, (1, 1, 2, 2, 2)),
    ),
    "googlenet": (
        zoo.googlenet,
        {"input_shape": (3, 57, 57), "width": 1 / 16},  # odd: the rounding of the pools counts
        lambda p, a: reference.googlenet(p, a, batch_norm=False),
    ),
    "googlenet, norm": (
        zoo.googlenet,
        {"batch_norm": True, "input_shape": (3, 57, 57), "width": 1 / 16},
        lambda p, a: reference.googlenet(p, a, batch_norm=True),
    ),
    "resnet 18": (
        zoo.resnet,
        {"depth": 18, "input_shape": (3, 33, 33), "width": 1 / 16},
        lambda p, a: reference.resnet(p, a, (2, 2, 2, 2)),
    ),
    "resnet 50": (
        zoo.resnet,
        {"depth": 50, "input_shape": (3, 33, 33), "width": 1 / 16},
        lambda p, a: reference.resnet(p, a, (3, 4, 6, 3)),
    ),
    "cifar 20": (
        zoo.cifar_resnet,
        {"depth": 20, "input_shape": (3, 16, 16), "width": 1 / 4},
        lambda p, a: reference.cifar(p, a, 3, residual=True),
    ),
    "plain 20": (
        zoo.cifar_resnet,
        {"depth": 20, "shortcut": None, "input_shape": (3, 16, 16), "width": 1 / 4},
        lambda p, a: reference.cifar(p, a, 3, residual=False),
    ),
}


def built(name, **options):
    make, own, _ = FAMILIES[name]
    return make(**({"n_classes": 5} | own | options))


@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_equal_a_second_writing_of_the_network(name, tmp_path):
    net = shaken(built(name, seed=1))
    zoo.export_weights(net, tmp_path / "weights.safetensors")
    weights = load_file(tmp_path / "weights.safetensors")
    X = 30 * np.random.default_rng(0).standard_normal((2, *net.input_shape), dtype=np.float32)
    expected = FAMILIES[name][2](weights, X.astype(np.float64))
    largest = np.abs(expected).max()
    assert np.ptp(expected, axis=0).max() > 0.05 * largest  # the two pictures differ in the output
    assert np.abs(net(X) - expected).max() <= 1e-5 * largest


DERIVED = {  # small enough for differences, and in float64
    "lenet": {"input_shape": (1, 16, 16), "width": 1 / 8},
    "alexnet": {"width": 1 / 64},
    "alexnet, grouped": {"width": 1 / 64},
    "vgg 11": {"width": 1 / 64},
    "googlenet": {"width": 1 / 64},
    "googlenet, norm": {"width": 1 / 64},
    "resnet 18": {"width": 1 / 64},
    "resnet 50": {"width": 1 / 64},
    "cifar 20": {"depth": 8, "width": 1 / 8},
    "plain 20": {"depth": 8, "width": 1 / 8},
}


@pytest.mark.parametrize("name", DERIVED)
def test_gradients_equal_differences(name):
    """Along directions: of all parameters, and of each layer's, so that no layer is hidden behind another."""
    net = shaken(built(name, n_classes=3, dtype="float64", **DERIVED[name]))
    rng = np.random.default_rng(4)
    C = net.objective(rng.standard_normal((2, *net.input_shape)), [0, 2], loss="cross_entropy")
    theta, h = net.theta.copy(), 1e-6
    g = C.gradient(theta)
    for direction in directions(net, rng):
        slope = (C.value(theta + h * direction) - C.value(theta - h * direction)) / (2 * h)
        assert g @ direction == pytest.approx(slope, rel=1e-4, abs=1e-7)


def directions(net, rng):
    yield rng.standard_normal(net.theta.size)
    names = list(net.parameters)
    for name in rng.choice(names, min(12, len(names)), replace=False):
        direction = {known: np.zeros(view.size) for known, view in net.parameters.items()}
        direction[name] = rng.standard_normal(direction[name].size)
        yield np.concatenate(list(direction.values()))
