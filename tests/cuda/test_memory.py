"""Data that does not fit, memory that is not there, Ctrl-C, and devices and precisions that do not exist."""

import _thread
import threading
import time

import numpy as np
import pytest
from on_device import agree, choose, dense, numbers, same_bits, tiny, trained

import fastnn as fnn
from fastnn.cuda import presence

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize(
    ("n", "limit"),
    [pytest.param(22, 64, marks=tiny), (50_000, 2**20), (50_000, 1)],
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_data_that_does_not_fit_is_streamed_and_changes_nothing(n, limit, shuffle):
    X, y = numbers(n, 6), np.random.default_rng(1).integers(0, 3, n)
    options = {"loss": "cross_entropy", "batch_size": 4 if n < 100 else 128, "shuffle": shuffle}
    resident = trained(dense(6, 5, 3), X, y, "cuda", **options)
    with choose(resident_bytes=limit):
        streamed = trained(dense(6, 5, 3), X, y, "cuda", **options)
    agree(streamed[0], resident[0], 1e-5, "losses")
    agree(streamed[1], resident[1], 1e-5, "parameters")
    expected = trained(dense(6, 5, 3), X, y, "cpu", **options)
    agree(streamed[1], expected[1], 1e-5 if n < 100 else 1e-3, "parameters")


def test_memory_that_is_not_there_is_told_and_harms_nothing():
    """2^18 units on 2^19 rows: half a terabyte of activations."""
    n = 2**19
    net = dense(4, 2**18, 1)
    X, y = np.zeros((n, 4), np.float32), np.zeros((n, 1), np.float32)
    before = net.theta.copy()
    with pytest.raises(fnn.errors.DeviceMemoryError, match=r"\d.*(bytes|[KMGT]i?B)") as raised:
        net.fit(X, y, loss="squared_error", batch_size=n, epochs=1, device="cuda", verbose=False)
    assert "batch" in str(raised.value), "what to try"
    same_bits(net.theta, before, "parameters")
    with pytest.raises(fnn.errors.DeviceMemoryError):
        net(X, device="cuda")
    losses, theta = trained(net, X[:64], np.ones((64, 1), np.float32), "cuda", batch_size=32)
    assert np.isfinite(losses).all() and (theta != before).any()
    agree(net(X[:8], device="cuda"), net(X[:8]), 1e-5)


def test_networks_that_are_gone_leave_no_memory_behind():
    """Each has 64 MB of data; what stays for the next one is no more than a few of those."""
    X, y = np.zeros((2**20, 16), np.float32), np.zeros((2**20, 1), np.float32)
    free = []
    for _ in range(20):
        net = dense(16, 4, 1)
        net.fit(X, y, loss="squared_error", batch_size=2**20, epochs=1, device="cuda", verbose=False)
        net(X[:10], device="cuda")
        del net
        free.append(presence.devices()[0].free_bytes)
    assert free[0] - free[-1] < 3 * X.nbytes, free


def test_ctrl_c_stops_soon_and_keeps_the_network():
    n = 200_000
    net = dense(30, 300, 1)
    X, y = np.zeros((n, 30), np.float32), np.ones((n, 1), np.float32)
    trained(net, X[:4], y[:4], "cuda", epochs=1)  # compiled before
    before, pressed, ended = net.theta.copy(), [], []

    def press():
        pressed.append(time.monotonic())
        _thread.interrupt_main()

    began = fnn.LambdaCallback(
        on_train_begin=lambda run: threading.Timer(0.4, press).start(),
        on_train_end=lambda run: ended.append(1),
    )
    options = {
        "loss": "squared_error",
        "epochs": 10**6,
        "batch_size": 1,
        "device": "cuda",
        "callbacks": began,
    }
    history = net.fit(X, y, verbose=False, **options)
    assert time.monotonic() - pressed[0] < 2.0
    assert history.stopped == "interrupted" and ended == [1]
    assert np.isfinite(net.theta).all() and (net.theta != before).any()
    assert np.isfinite(trained(net, X[:4], y[:4], "cuda", epochs=1)[0]).all(), "the device goes on"


@tiny
@pytest.mark.parametrize("call", ["fit", "ask", "to"])
def test_a_device_that_does_not_exist_is_refused(call):
    net, X = dense(4, 5, 2), numbers(6, 4)
    calls = {
        "fit": lambda: net.fit(X, X[:, :2], device="tpu", verbose=False),
        "ask": lambda: net(X, device="tpu"),
        "to": lambda: net.to("tpu"),
    }
    with pytest.raises(fnn.errors.FastnnError, match="tpu"):
        calls[call]()


@tiny
def test_a_precision_that_does_not_exist_is_refused():
    net, X = dense(4, 5, 2), numbers(6, 4)
    with pytest.raises(fnn.errors.FastnnError, match="fp8"):
        net.fit(X, X[:, :2], device="cuda", precision="fp8", verbose=False)
    with pytest.raises(fnn.errors.FastnnError, match="fp8"):
        net.to("cuda", precision="fp8")
