"""Normalisation in training: exact derivatives through the batch's own statistics, and formulas written out in NumPy."""

import numpy as np
import pytest
from cases import labels, rows

import fastnn as fnn
from fastnn.cpu import Machine
from fastnn.ops import LossOp
from fastnn.plan import build_plan
from fastnn.testing.claims import difference

SHAPES = [(3, 4, 5), (4,), (2, 9, 8)]


def normalised(shape, dtype="float64", layer=None):
    """A layer between others: its input moves, and its output is read twice."""
    net = fnn.Network(shape, dtype=dtype, seed=5)
    size = int(np.prod(shape))
    h = net.apply("h", fnn.Dense(size, "tanh"), net.apply("row", fnn.layers.Flatten(), net.input))
    image = net.apply("image", fnn.layers.Reshape(shape), h)
    normal = net.apply("norm", layer or fnn.BatchNorm(epsilon=0.01, activation="softplus"), image)
    both = net.apply("both", fnn.layers.Multiply(), normal, image)
    net.output = net.apply("out", fnn.Dense(3), net.apply("flat", fnn.layers.Flatten(), both))
    net.parameters["norm/gamma"][...] += np.linspace(-0.5, 0.5, net.parameters["norm/gamma"].size).reshape(
        net.parameters["norm/gamma"].shape
    )
    return net


def in_training(net, X, y, threads=1):
    """(loss, gradient) of a training step at any theta."""
    op = LossOp(fnn.losses.cross_entropy, "index")
    plan = build_plan(net.graph, len(X), net.dtype, "gradient", loss=op, training=True)
    machine, theta = Machine(plan, threads=threads), net.theta.copy()
    g = np.zeros_like(theta)
    given = {"theta": theta, "g": g, "X": X.astype(net.dtype), "y": y, "statistics": net.running}
    for name, array in given.items():
        machine.bind(name, array)

    def run(at):
        theta[:], machine.total[0] = at, 0.0
        machine.run()
        return machine.total[0], g.copy()

    return run


def inside(first, count, n):
    """1 at `count` places from `first` on, of n: gamma and beta alone."""
    places = np.arange(n)
    return (places >= first) & (places < first + count)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_gradient_of_a_training_step_goes_through_mean_and_variance(shape):
    net = normalised(shape)
    run = in_training(net, rows(net, 6), labels(6))
    g = run(net.theta)[1]
    directions = np.random.default_rng(0).normal(size=(6, net.theta.size)) / np.sqrt(net.theta.size)
    norm = net.graph.parameters["norm/gamma"]
    for v in [*directions, *(directions[:2] * inside(norm.offset, 2 * norm.size, net.theta.size))]:
        expected = difference(lambda h, v=v: run(net.theta + h * v)[0])
        assert g @ v == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_a_training_step_has_the_same_bits_for_any_number_of_threads():
    net = normalised((3, 4, 5), "float32")
    X, y = rows(net, 7), labels(7)
    one = in_training(net, X, y)(net.theta)
    for threads in (2, 3):
        loss, g = in_training(net, X, y, threads)(net.theta)
        assert loss == one[0] and (g == one[1]).all()


def test_asking_takes_the_running_statistics():
    net = fnn.Network((2, 2, 2), [fnn.BatchNorm(epsilon=0.5)], dtype="float64")
    a = rows(net, 3)
    net.statistics["0/mean"][...], net.statistics["0/variance"][...] = [1, 2], [3, 4]
    net.parameters["0/gamma"][...], net.parameters["0/beta"][...] = [5, 6], [7, 8]
    row = {"mean": [1, 2], "variance": [3, 4], "gamma": [5, 6], "beta": [7, 8]}
    c = {name: np.array(values).reshape(2, 1, 1) for name, values in row.items()}
    expected = c["gamma"] * (a - c["mean"]) / np.sqrt(c["variance"] + 0.5) + c["beta"]
    assert net(a) == pytest.approx(expected, rel=1e-13)


def test_a_training_step_has_no_second_derivative_and_says_so():
    net = normalised((3, 4, 5))
    op = LossOp(fnn.losses.cross_entropy, "index")
    with pytest.raises(fnn.CapabilityError, match="batch norm in training has no tangents"):
        build_plan(net.graph, 4, "float64", "hvp", loss=op, training=True)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_norm_is_onnxs(size):
    a, settings = np.random.default_rng(0).normal(size=(6, 2, 3)), {"alpha": 0.3, "beta": 0.7, "k": 1.5}
    squares = np.empty_like(a)
    for c in range(6):
        squares[c] = (a[max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2).sum(axis=0)
    expected = a / (1.5 + 0.3 / size * squares) ** 0.7
    net = fnn.Network(a.shape, [fnn.layers.LocalResponseNorm(size, **settings)], dtype="float64")
    assert net(a) == pytest.approx(expected, rel=1e-13)


def test_layer_norm_gives_every_sample_mean_0_and_variance_1():
    net = fnn.Network((3, 5, 7), [fnn.layers.LayerNorm(epsilon=0.0)])
    z = net(1000 + rows(net, 4)).reshape(4, -1).astype("float64")
    assert z.mean(axis=1) == pytest.approx(np.zeros(4), abs=1e-4)
    assert z.var(axis=1) == pytest.approx(np.ones(4), rel=1e-4)


def test_gamma_of_another_shape_is_refused():
    with pytest.raises(fnn.ShapeError, match="were built for"):
        fnn.Network((3, 2, 2), [_Wrong()])


class _Wrong:
    name = "wrong"

    def __call__(self, net, a):
        gamma, beta = (net.parameter(name, (2,)) for name in ("gamma", "beta"))
        return net.op("layer_norm", a, parameters=(gamma, beta), epsilon=0.0)


@pytest.mark.parametrize("settings", [{"size": 0}, {"alpha": -1}, {"k": "a"}], ids=str)
def test_settings_of_local_response_norm_are_checked(settings):
    with pytest.raises(fnn.SettingError):
        fnn.layers.LocalResponseNorm(**settings)
