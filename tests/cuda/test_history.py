"""The early systems on a GPU: the perceptron's rule with its count of mistakes, XOR, the four equations, a made sawtooth, and a small frame classifier."""

import numpy as np
import pytest
from on_device import QUIET, agree, tiny

import fastnn as fnn
from fastnn.examples import backpropagation, depth, perceptron, xor

pytestmark = pytest.mark.cuda


@tiny
def test_the_perceptron_makes_the_same_mistakes():
    X, y = perceptron.separable(4, 2, 0.1, seed=0)
    found = {}
    for device in ("cpu", "cuda"):
        net, count = (
            fnn.Network(2, [fnn.Dense(1, initializer="zeros")], dtype="float64"),
            perceptron.UntilNone(),
        )
        options = {
            "loss": "perceptron",
            "optimizer": perceptron.COUNTED,
            "batch_size": 1,
            "epochs": 3,
            "seed": 0,
        }
        net.fit(X, y, device=device, callbacks=count, **options, **QUIET)
        found[device] = count.mistakes, net.theta.copy()
    assert found["cuda"][0] == found["cpu"][0] > 0
    agree(found["cuda"][1], found["cpu"][1], 1e-12, "weights")


@tiny
def test_xor_is_learnt_step_by_step_as_on_the_cpu():
    thetas = {}
    for device in ("cpu", "cuda"):
        net = fnn.Network(2, [fnn.Dense(8, "tanh"), fnn.Dense(1)], dtype="float64", seed=0)
        net.fit(xor.X, xor.Y, loss="binary_cross_entropy", optimizer="adam", eta=0.05, batch_size=4, epochs=2, device=device, **QUIET)  # fmt: skip
        thetas[device] = net.theta.copy()
    agree(thetas["cuda"], thetas["cpu"], 1e-10, "parameters")


@tiny
@pytest.mark.parametrize("activation", sorted(backpropagation.FUNCTIONS))
def test_the_four_equations_hold(activation):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3, 4)), rng.uniform(size=(3, 2))
    net = backpropagation.network((4, 3, 3, 2), activation, seed=1)
    g = net.objective(X, y, loss="squared_error", device="cuda").gradient(net.theta)
    by_hand = backpropagation.by_hand(net, activation, X, y)
    layers = zip(by_hand["dW"], by_hand["db"], strict=True)
    agree(g, np.concatenate([part.ravel() for pair in layers for part in pair]), 1e-12, "gradient")


@tiny
def test_a_sawtooth_made_by_hand_is_the_same_function():
    x = np.linspace(0, 1, 17)[:, None]
    for net in (depth.deep(3), depth.wide(3)):
        agree(net(x, device="cuda"), depth.sawtooth(x, 3), 1e-12, "sawtooth")


def test_frames_of_tones_are_told_apart():
    """440-64-64-10 on rows like those of the speech example, ten kinds of noise with a tone in each."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 4000)
    X = rng.normal(size=(4000, 440)).astype("float32")
    X[np.arange(4000), 40 * y] += 4
    net = fnn.Network(440, [fnn.Dense(64, "relu"), fnn.Dense(64, "relu"), fnn.Dense(10)], seed=0)
    net.fit(X, y, loss="cross_entropy", batch_size=128, epochs=5, device="cuda", **QUIET)
    assert net.evaluate(X, y, device="cuda")["accuracy"] > 0.9
