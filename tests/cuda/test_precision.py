"""TF32 and bf16 round the factors of a product and nothing else: bounds that follow from that, and training that still learns."""

import numpy as np
import pytest
from on_device import SIMULATED, agree, dense, numbers, tiny, trained

pytestmark = pytest.mark.cuda
STEP = {"tf32": 2.0**-10, "bf16": 2.0**-8}
"""The most that rounding a factor may change it, over the factor: TF32 keeps 11 bits, bf16 8, cut or rounded."""

SHAPES = [
    pytest.param(5, 17, 3, marks=tiny),
    (64, 64, 64),
    (128, 256, 512),
    (1023, 1000, 17),
    (1000, 1023, 1023),
]


@pytest.mark.parametrize("precision", STEP)
@pytest.mark.parametrize(("batch", "n_in", "n_out"), SHAPES)
def test_an_output_is_within_the_rounding_of_its_factors(batch, n_in, n_out, precision):
    net = dense(n_in, n_out)
    X = numbers(batch, n_in)
    W, b = (part.astype(np.float64) for part in net.parameters.values())
    exact = X.astype(np.float64) @ W.T + b
    apart = np.abs(net.to("cuda", precision=precision)(X) - exact)
    sums = np.abs(X).astype(np.float64) @ np.abs(W).T
    assert (apart <= 2.1 * STEP[precision] * sums + 1e-6).all()


@pytest.mark.skipif(SIMULATED, reason="the simulator has no tensor cores")
@pytest.mark.parametrize("precision", STEP)
def test_large_products_do_use_the_tensor_cores(precision):
    """An output that agrees with float32 as float32 does was not rounded: then it was not computed by them."""
    net = dense(512, 512)
    X = numbers(512, 512)
    exact = net(X).astype(np.float64)
    apart = np.abs(net.to("cuda", precision=precision)(X) - exact).max() / np.abs(exact).max()
    assert 1e-5 < apart < 10 * STEP[precision]


@pytest.mark.parametrize("precision", STEP)
def test_gradients_are_within_the_rounding_of_their_factors(precision):
    """z = W a alone: g_W = delta^T a, and delta = z - y itself has the rounding of z."""
    net, other = dense(256, 128), dense(256, 128)
    X, y = numbers(512, 256), numbers(512, 128, seed=1)
    options = {"batch_size": 512, "epochs": 1, "eta": 1024.0, "shuffle": False}
    start = net.theta.astype(np.float64)
    _, found = trained(net, X, y, "cuda", precision=precision, **options)
    _, expected = trained(other, X, y, "cpu", **options)
    g, right = (start - theta for theta in (found, expected))
    assert np.linalg.norm(g - right) <= 4 * STEP[precision] * np.linalg.norm(right)


@pytest.mark.parametrize("precision", STEP)
def test_a_network_learns_as_well(precision):
    X = numbers(4000, 32)
    y = (X[:, :8].sum(axis=1) > 0).astype(int) + (X[:, 8] > 0.5)
    options = {"loss": "cross_entropy", "optimizer": "adam", "eta": 3e-3, "epochs": 10, "batch_size": 100}
    losses, _ = trained(
        dense(32, 128, 128, 3, activation="relu"), X, y, "cuda", precision=precision, **options
    )
    expected, _ = trained(dense(32, 128, 128, 3, activation="relu"), X, y, "cpu", **options)
    assert expected[-1] < 0.5 * expected[0], "there is something to learn"
    assert losses[-1] == pytest.approx(expected[-1], rel=0.25)


@tiny
def test_float32_is_what_one_gets():
    """No TF32 unless it is asked for."""
    net, X = dense(64, 16), numbers(16, 64)
    agree(net(X, device="cuda"), net(X), 1e-6)
    agree(net.to("cuda")(X), net.to("cpu")(X), 1e-6)
