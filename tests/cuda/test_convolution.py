"""Convolution, pooling and batch norm on the device against the CPU engine: odd sizes, strides, dilation, groups; every way to run steps; rounding."""

import numpy as np
import pytest
from on_device import (
    DTYPES,
    HOWS,
    REL,
    agree,
    choose,
    compare_fits,
    compare_gradients,
    numbers,
    same_bits,
    tiny,
    trained,
)

import fastnn as fnn
from fastnn.testing.layers import build

pytestmark = pytest.mark.cuda

TINY = [
    ((2, 5, 6), {"n_out": 3, "padding": 1}),
    ((3, 7, 5), {"n_out": 9, "kernel": 1, "stride": 2}),
    ((4, 5, 4), {"n_out": 6, "kernel": (2, 3), "stride": (2, 1), "groups": 2, "bias": False}),
    (
        (1, 7, 9),
        {"n_out": 2, "kernel": (3, 2), "stride": (3, 2), "padding": ((2, 0), (1, 2)), "dilation": (2, 3)},
    ),
    ((2, 6, 5), {"n_out": 3, "kernel": (4, 3), "stride": 4, "dilation": (2, 1), "padding": 2}),
    ((3, 5, 5), {"n_out": 3, "groups": 3, "padding": 1}),
]
LARGE = [
    ((3, 33, 31), {"n_out": 64, "padding": 1}),
    ((64, 17, 15), {"n_out": 130, "padding": 1}),
    ((128, 14, 14), {"n_out": 256, "kernel": 1, "stride": 2}),
    ((96, 13, 13), {"n_out": 128, "kernel": 5, "padding": 2, "groups": 2}),
    ((3, 65, 65), {"n_out": 64, "kernel": 7, "stride": 2, "padding": 3}),
    ((32, 19, 19), {"n_out": 32, "groups": 32, "padding": 1}),
]
CASES = [pytest.param(image, chosen, marks=tiny) for image, chosen in TINY] + [
    pytest.param(*case) for case in LARGE
]
STEP = {"tf32": 2.0**-10, "bf16": 2.0**-8}
"""The most that rounding a factor may change it, over the factor."""


def between_sources(image, chosen, dtype="float32"):
    """The layer behind a source, whose parameters take the gradient of the layer's input."""
    net = build(fnn.Conv(**chosen, initializer_b="normal"), [image], dtype)
    return net, np.zeros((2, *net.input.shape), dtype) + 1


@pytest.mark.parametrize(("image", "chosen"), CASES, ids=str)
def test_outputs_and_gradients_are_the_cpus(image, chosen):
    net, X = between_sources(image, chosen)
    agree(net(X, device="cuda"), net(X), REL["float32"])
    compare_gradients(net, X, numbers(2, *net.output_shape, seed=1))


@tiny
def test_float64_is_computed_in_float64():
    net, X = between_sources(*TINY[0], dtype="float64")
    agree(net(X, device="cuda"), net(X), REL["float64"])
    compare_gradients(net, X, numbers(2, *net.output_shape, seed=1, dtype="float64"))


@tiny
def test_products_of_second_derivatives_add_to_what_is_there():
    """Sums that begin with the result, whole and split."""
    layers = [fnn.Conv(3, padding=1, activation="tanh"), fnn.Conv(2, 2, stride=2), fnn.layers.Flatten()]
    net = fnn.Network((2, 4, 5), layers, seed=0, dtype="float64")
    X, y = numbers(3, 2, 4, 5, dtype="float64"), numbers(3, 8, seed=1, dtype="float64")
    found, expected = (net.objective(X, y, loss="squared_error", device=device) for device in ("cuda", "cpu"))
    v = numbers(net.theta.size, seed=2, dtype="float64")
    agree(found.hvp(net.theta, v), expected.hvp(net.theta, v), REL["float64"], "Hessian-vector product")


@pytest.mark.parametrize("precision", STEP)
@pytest.mark.parametrize(
    ("image", "chosen"),
    [pytest.param(*TINY[0], marks=tiny), pytest.param(*TINY[3], marks=tiny), *LARGE],
    ids=str,
)
def test_an_output_is_within_the_rounding_of_its_factors(image, chosen, precision):
    chosen = {**chosen, "bias": False}
    net = fnn.Network(image, [fnn.Conv(**chosen)], seed=0)
    sizes = fnn.Network(image, [fnn.Conv(**chosen)], seed=0)
    sizes.theta[:] = np.abs(net.theta)
    X = numbers(2, *image)
    apart = np.abs(net.to("cuda", precision=precision)(X) - net.to("cpu")(X))
    assert (apart <= 2.1 * STEP[precision] * sizes(np.abs(X)) + 1e-6).all()


@tiny
@pytest.mark.parametrize("precision", STEP)
def test_a_gradient_is_within_the_rounding_of_its_factors(precision):
    """All three products of a training step on tensor cores; a sum of n terms that are rounded is off by less than n roundings of the largest."""
    X, y = numbers(3, 2, 5, 6), numbers(3, 27, seed=1)

    def make():
        second = fnn.Conv(3, 3, stride=2, padding=1)
        layers = [fnn.Conv(4, padding=1, activation="tanh"), second, fnn.layers.Flatten()]
        return fnn.Network((2, 5, 6), layers, seed=0)

    options = {"epochs": 1, "batch_size": 3, "eta": 1.0}
    net = make().to("cuda", precision=precision)
    moved = trained(net, X, y, None, **options)[1] - make().theta
    expected = trained(make(), X, y, "cpu", **options)[1] - make().theta
    assert np.abs(moved - expected).max() <= 8 * STEP[precision] * np.abs(expected).max()


def smallest():
    layers = [fnn.Conv(2, padding=1, bias=False), fnn.BatchNorm(activation="tanh"), fnn.layers.MaxPool(2)]
    layers += [fnn.Conv(3, 2, activation="relu"), fnn.layers.Flatten(), fnn.Dense(2)]
    return fnn.Network((1, 4, 4), layers, seed=0)


@tiny
def test_every_way_to_run_steps_gives_the_same_bits():
    """Convolution, batch norm and pooling are stages like any others, in tapes too; running statistics move with them."""
    X, y = numbers(3, 1, 4, 4), np.array([0, 1, 0])
    options = {"loss": "cross_entropy", "optimizer": "adam", "epochs": 1, "batch_size": 2}
    found = {}
    for how in HOWS:
        net = smallest()
        with choose(how=how):
            losses, theta = trained(net, X, y, "cuda", **options)
        found[how] = np.concatenate([losses, theta, *(value.ravel() for value in net.statistics.values())])
    for how in HOWS:
        same_bits(found[how], found["direct"], how)
    net = smallest()
    losses, theta = trained(net, X, y, "cpu", **options)
    expected = np.concatenate([losses, theta, *(value.ravel() for value in net.statistics.values())])
    agree(found["direct"], expected, 1e-4, "the CPU")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [32, 50])
def test_a_small_convolutional_network_trains_as_on_the_cpu(batch, dtype):
    def make():
        layers = [
            fnn.Conv(6, 5, padding=2, activation="tanh"),
            fnn.layers.MaxPool(2),
            fnn.Conv(16, 5, activation="tanh"),
        ]
        layers += [fnn.BatchNorm(), fnn.layers.AveragePool(2), fnn.layers.Flatten(), fnn.Dense(10)]
        return fnn.Network((1, 28, 28), layers, seed=0, dtype=dtype)

    X, y = numbers(120, 1, 28, 28, dtype=dtype), np.arange(120) % 10
    options = {"loss": "cross_entropy", "epochs": 2, "batch_size": batch, "eta": 0.01}
    compare_fits(make, X, y, rel=1e-3 if dtype == "float32" else 1e-9, **options)
