"""Winograd's convolution against the direct one: the same numbers, errors no larger, the same bits for any number of threads."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.cpu.lower import lower
from fastnn.ops import LossOp
from fastnn.plan import build_plan, winograd
from fastnn.registry import registry
from fastnn.testing.ops import check_plan


@pytest.fixture(autouse=True)
def small_gradients_too(monkeypatch):
    monkeypatch.setattr(winograd, "OF_GRADIENT", 1)


def gradient_plan(net, batch, training=True):
    loss = LossOp(registry.get("loss", "squared_error"), "row")
    return build_plan(net.graph, batch, net.dtype, "gradient", loss=loss, training=training)


def network(channels, width, size, padding=1, dtype="float64", bias=True):
    """Two convolutions, so that the second one's gradient goes through the first."""
    net = fnn.Network((channels, *size), seed=0, dtype=dtype)
    h = net.apply("first", fnn.Conv(width, 3, padding=padding, bias=bias), net.input)
    h = net.apply("second", fnn.Conv(channels, 3, padding=1), h)
    net.output = net.apply("row", fnn.Flatten(), h)
    return net


def data(net, batch, dtype="float64"):
    rng = np.random.default_rng(3)
    X = np.maximum(rng.normal(size=(batch, *net.input_shape)), 0).astype(dtype)
    return X, rng.normal(size=(batch, *net.output_shape)).astype(dtype)


def kernels(net, batch):
    return [i.kernel.name for i in gradient_plan(net, batch).instructions]


def directly(monkeypatch, run):
    with monkeypatch.context() as patch:
        patch.setattr(winograd, "PIECES", 10**12)
        patch.setattr(winograd, "OF_GRADIENT", 10**12)
        return run()


@pytest.mark.parametrize(
    ("channels", "width", "size", "padding", "batch"),
    [(24, 26, (12, 13), 1, 5), (30, 24, (15, 11), 0, 7), (24, 140, (9, 10), 2, 6), (150, 25, (14, 14), 1, 9)],
)
def test_winograd_gives_what_the_direct_convolution_gives(monkeypatch, channels, width, size, padding, batch):
    net = network(channels, width, size, padding, bias=padding != 0)
    X, y = data(net, batch)
    names = kernels(net, batch)
    assert "convolve.winograd_backward" in names and "winograd.weights" in names
    assert ("convolve.winograd_product" in names) == (padding == 0)

    def both():
        objective = net.objective(X, y, loss="squared_error", threads=1)
        return net(X, threads=1), objective.gradient(net.theta)

    lowered = [lower(i, net.dtype)[0].name for i in gradient_plan(net, batch).instructions]
    assert "winograd_gradient_float64" in lowered
    for found, expected in zip(both(), directly(monkeypatch, both), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


def test_its_bodies_say_what_its_kernels_do(monkeypatch):
    monkeypatch.setattr(winograd, "CHANNELS", 2)
    monkeypatch.setattr(winograd, "PIECES", 4)
    net = network(2, 3, (5, 4), dtype="float64")
    X, y = data(net, 2)
    plan = gradient_plan(net, 2)
    assert sum(i.kernel.name == "winograd.weights" for i in plan.instructions) == 3
    check_plan("winograd", plan, {"X": X, "y": y, "theta": net.theta})


@pytest.mark.parametrize(("channels", "size"), [(64, 28), (256, 14)])
def test_errors_in_float32_are_no_larger_than_those_of_the_direct_sum(monkeypatch, channels, size):
    def outputs(dtype):
        net = fnn.Network((channels, size, size), seed=0, dtype=dtype)
        net.output = net.apply("conv", fnn.Conv(channels, 3, padding=1), net.input)
        return net(data(net, 4)[0], threads=1)

    exact = directly(monkeypatch, lambda: outputs("float64"))
    error = np.abs(outputs("float32") - exact).max() / np.abs(exact).max()
    direct = np.abs(directly(monkeypatch, lambda: outputs("float32")) - exact).max() / np.abs(exact).max()
    assert error < 1e-6
    assert error <= direct


@pytest.mark.parametrize(("batch", "size"), [(9, (14, 14)), (2, (40, 36))])
def test_bits_do_not_depend_on_threads(batch, size):
    """Samples are dealt out where there are many, channels where there are few."""
    net = network(32, 24, size, dtype="float32")
    X, y = data(net, batch, "float32")
    axes = {
        i.axes
        for i in gradient_plan(net, batch).instructions
        if i.kernel.name.startswith("convolve.winograd")
    }
    assert axes == ({1} if batch == 9 else {2})
    results = [
        (net(X, threads=t), net.objective(X, y, loss="squared_error", threads=t).gradient(net.theta))
        for t in (1, 2, 3, 5)
    ]
    for out, g in results[1:]:
        assert np.array_equal(out, results[0][0])
        assert np.array_equal(g, results[0][1])


def test_a_pixel_reaches_its_pieces_and_nothing_else():
    net = fnn.Network((24, 32, 32), seed=1)
    net.output = net.apply("conv", fnn.Conv(24, 3, padding=1), net.input)
    X = np.random.default_rng(0).normal(size=(3, 24, 32, 32)).astype("float32")
    before = net(X, threads=1)
    X[1, 5, 10, 21] = 1e6
    moved = (net(X, threads=1) != before).any(axis=1)
    assert moved[1, 9:12, 20:23].all()
    moved[1, 8:12, 20:24] = False
    assert not moved.any()
