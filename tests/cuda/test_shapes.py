"""Odd numbers of rows and of units, on every path that a size may take."""

import numpy as np
import pytest
from on_device import DTYPES, REL, agree, compare_fits, compare_gradients, dense, numbers, tiny

import fastnn as fnn

pytestmark = pytest.mark.cuda
ODD = (1, 3, 17, 1000, 1023)
PAIRS = [pytest.param(a, b, marks=[tiny] if a * b <= 51 else []) for a in ODD for b in ODD]
both = pytest.mark.parametrize("dtype", DTYPES)


@both
@pytest.mark.parametrize(("batch", "width"), PAIRS)
def test_batches_and_widths_of_any_size(batch, width, dtype):
    """(batch, n_in) = (1 ... 1023)^2, with as many outputs as inputs and a layer of 3 after them."""
    net = dense(width, width, 3, dtype=dtype)
    X, y = numbers(batch, width, dtype=dtype), numbers(batch, 3, seed=1, dtype=dtype)
    agree(net(X, device="cuda"), net(X), REL[dtype], "outputs")
    compare_gradients(net, X, y)


@pytest.mark.parametrize(
    ("n_in", "n_out"), [pytest.param(1, 17, marks=tiny), (1000, 1), (3, 1023), (1023, 17), (17, 1000)]
)
@pytest.mark.parametrize("activation", ["relu", "softmax"])
def test_layers_that_are_not_square(n_in, n_out, activation):
    net = dense(n_in, 17, n_out, activation=activation)
    X, y = numbers(33, n_in), numbers(33, n_out, seed=1)
    agree(net(X, device="cuda"), net(X), 1e-5, "outputs")
    compare_gradients(net, X, y)


@pytest.mark.parametrize("n", [pytest.param(9, marks=tiny), pytest.param(4, marks=tiny), 1000, 1023])
def test_the_last_batch_may_be_short(n):
    batch = 4 if n < 100 else 64
    X, y = numbers(n, 5), numbers(n, 2, seed=1)
    compare_fits(lambda: dense(5, 6, 2), X, y, batch_size=batch)


@tiny
def test_one_sample_and_no_samples():
    net, X = dense(4, 5, 2), numbers(3, 4)
    assert net(X[0], device="cuda").shape == (2,)
    agree(net(X[0], device="cuda"), net(X[0]), 1e-5)
    assert net(X[:0], device="cuda").shape == (0, 2)
    compare_fits(lambda: dense(4, 5, 2), X[:1], numbers(1, 2, seed=1), batch_size=1)


@tiny
def test_a_batch_larger_than_the_data():
    compare_fits(lambda: dense(4, 5, 2), numbers(3, 4), numbers(3, 2, seed=1), batch_size=32)


def test_a_deep_network():
    net = dense(16, *[16] * 40, 4, activation="tanh")
    X = numbers(64, 16)
    agree(net(X, device="cuda"), net(X), 1e-5)
    compare_gradients(net, X, numbers(64, 4, seed=1), rel=1e-4)  # forty roundings one upon the other


def test_sixty_five_thousand_rows_at_once():
    net, X = dense(8, 32, 32, 2), numbers(2**16, 8)
    agree(net(X, device="cuda"), net(X), 1e-5)


@tiny
@pytest.mark.parametrize("order", ["C", "F", "strided", "list"])
def test_inputs_may_lie_as_they_like(order):
    net, X = dense(4, 5, 2), numbers(6, 4)
    given = {"C": X, "F": np.asfortranarray(X), "strided": np.repeat(X, 2, axis=0)[::2], "list": X.tolist()}
    agree(net(given[order], device="cuda"), net(X), 1e-5)


@tiny
def test_rows_that_are_scaled_weighted_and_held_out():
    X, y = 5 + 3 * numbers(20, 4), np.random.default_rng(1).integers(0, 3, 20)
    options = {
        "loss": "cross_entropy",
        "scale": "standardise",
        "class_weight": "balanced",
        "validation": 0.25,
    }
    nets = {}
    for device in ("cuda", "cpu"):
        nets[device] = dense(4, 5, 3)
        nets[device].fit(
            X, y, optimizer="adam", epochs=3, batch_size=4, device=device, verbose=False, **options
        )
    agree(nets["cuda"].theta, nets["cpu"].theta, 1e-5, "parameters")
    for mine, theirs in zip(nets["cuda"].history, nets["cpu"].history, strict=True):
        for name in ("loss", "validation_loss", "validation_accuracy"):
            assert mine[name] == pytest.approx(theirs[name], rel=1e-5), name
    agree(nets["cuda"].predict(X, device="cuda"), nets["cpu"].predict(X), 1e-5)


@tiny
def test_a_sample_with_two_axes():
    net = fnn.Network((2, 3), [fnn.layers.Flatten(), fnn.Dense(4, "tanh"), fnn.Dense(2)], dtype="float64")
    X = numbers(5, 2, 3, dtype="float64")
    agree(net(X, device="cuda"), net(X), 1e-12)
    compare_gradients(net, X, numbers(5, 2, seed=1, dtype="float64"))
