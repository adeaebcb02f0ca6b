"""Dropout: the mask is a function of seed, step, layer and element, has its rate, and is there in training alone."""

import numpy as np
import pytest
from cases import inception, rows

import fastnn as fnn
from fastnn.numerics import philox, uniform
from fastnn.ops import dropout
from fastnn.testing.compiled import run_kernel

QUIET = {"verbose": False, "threads": 1}


def mask(n, rate=0.3, layer=2, seed=0, step=0, threads=1, dtype="float32", body=dropout.FORWARD):
    z, a = np.full((n, 10), 7, dtype), np.ones((n, 10), dtype)
    run_kernel(body, dtype, z, a, settings={"rate": rate, "layer": layer}, step=step, threads=threads)
    return z


def test_dropout_drops_at_its_rate_and_scales_the_rest():
    for rate in (0.0, 0.1, 0.5, 0.9):
        z = mask(4000, rate)
        dropped = (z == 0).mean()
        assert abs(dropped - rate) < 5 * np.sqrt(rate * (1 - rate) / z.size) + 1e-12
        assert z[z != 0] == pytest.approx(1 / (1 - rate), rel=1e-6)


def test_a_mask_depends_on_step_layer_and_element_alone():
    z = mask(500)
    assert (mask(100) == z[:100]).all(), "not on the number of rows"
    assert all((mask(500, threads=t) == z).all() for t in (2, 3)), "not on threads"
    assert ((mask(500, body=dropout.BACKWARD) == 0) == (z == 0)).all(), "backward has the mask of forward"
    others = [mask(500, step=1), mask(500, layer=3), z[:, ::-1], np.roll(z, 1, axis=0)]
    for other in others:  # independent masks agree in 0.3^2 + 0.7^2 of the places
        assert abs(((other == 0) == (z == 0)).mean() - 0.58) < 0.04


def test_the_random_numbers_are_philox():
    """Known answers of Philox4x32-10 (Salmon et al., 2011, the tests of Random123): all words zero, and all ones."""
    zero, ones = np.uint32(0), np.uint32(0xFFFFFFFF)
    assert [int(w) for w in philox(zero, zero, zero, zero, zero, zero)] == [
        0x6627E8D5,
        0xE169C58D,
        0xBC57AC4C,
        0x9B00DBD8,
    ]
    assert [int(w) for w in philox(ones, ones, ones, ones, ones, ones)] == [
        0x408F276D,
        0x41C83B0E,
        0xA20BC7C6,
        0x6D5451FD,
    ]
    numbers = np.array([uniform(1, 2, 3, i) for i in range(2000)])
    assert (numbers >= 0).all() and (numbers < 1).all() and abs(numbers.mean() - 0.5) < 0.03


def test_dropout_is_off_outside_training():
    net = fnn.Network(4, [fnn.Dropout(0.9)])
    X = rows(net, 20).astype(np.float32)
    assert (net(X) == X).all()
    assert (net.predict(X) == X).all()


class Twice:
    """Two dropouts inside one layer."""

    name = "twice"

    def __call__(self, net, a):
        return net.apply("second", fnn.Dropout(0.5), net.apply("first", fnn.Dropout(0.5), a))


def total(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        delta[j] = 1.0
        value += z[j] - y[j]
    return value


def test_two_dropouts_in_one_layer_have_masks_of_their_own():
    net = fnn.Network(
        10,
        [
            fnn.Dense(4000, initializer="zeros", initializer_b=fnn.initializers.normal(mean=1.0, scale=0.0)),
            Twice(),
        ],
    )
    net.output = net.apply(
        "sum", fnn.Dense(1, initializer=fnn.initializers.normal(mean=1.0, scale=0.0)), net.output
    )
    history = net.fit(
        np.zeros((1, 10)),
        [[0.0]],
        loss=fnn.Loss("total", row=total),
        optimizer="sgd",
        eta=0.0,
        epochs=1,
        **QUIET,
    )
    assert history[0]["loss"] == pytest.approx(4000, rel=0.1)  # one mask for both would give 8000


def test_inception_with_dropout_learns():
    net = inception("float32")
    X = rows(net, 200)
    y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
    net.fit(X, y, loss="cross_entropy", eta=0.01, epochs=60, **QUIET)
    assert net.evaluate(X, y)["accuracy"] > 0.9
