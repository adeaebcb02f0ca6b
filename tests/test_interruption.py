"""Fits that end before their time: a loss or parameters that are no numbers any more, and Ctrl-C."""

import _thread
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastnn as fnn

QUIET = {"verbose": False, "threads": 1}


def network(dtype="float32"):
    return fnn.Network(3, [fnn.Dense(4, "tanh"), fnn.Dense(2)], seed=1, dtype=dtype)


def data(n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 2))


def test_divergence_names_the_step_and_keeps_finite_parameters():
    """One weight, one row: w grows by a known factor a step until the loss overflows."""
    w, step = np.float64(1.0), 0
    with np.errstate(over="ignore"):
        while np.isfinite(0.5 * (w * 10 - 1) ** 2):
            w -= 10.0 * (w * 10 - 1) * 10
            step += 1
    net = fnn.Network(
        1, [fnn.Dense(1, initializer=fnn.initializers.normal(mean=1.0, scale=0.0))], dtype="float64"
    )
    frozen = fnn.Rule("only_the_weight", weight_only, defaults={"eta": 10.0})
    with pytest.raises(
        fnn.DivergedError, match=rf"the loss is not finite at step {step} \(epoch {step // 10 + 1}\)"
    ):
        net.fit(
            np.full((10, 1), 10.0),
            np.full(10, 1.0),
            loss="squared_error",
            optimizer=frozen,
            batch_size=1,
            epochs=100,
            **QUIET,
        )
    assert np.isfinite(net.theta).all()


def weight_only(w, g, eta):
    return w - eta * g if abs(g) > 0 and w != 0.0 else w


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "gd"])
def test_a_diverging_fit_raises_and_leaves_a_finite_network(optimizer, threads):
    net = network()
    X, y = data(50)
    with pytest.raises(fnn.DivergedError, match=r"not finite at step \d+ \(epoch \d+\)"):
        net.fit(
            X,
            1e15 * y,
            loss="squared_error",
            optimizer=optimizer,
            eta=1e20,
            epochs=50,
            verbose=False,
            threads=threads,
        )
    assert np.isfinite(net.theta).all() and np.isfinite(net(X)).all()


def test_parameters_that_overflow_in_the_very_last_step_are_noticed():
    net = fnn.Network(1, [fnn.Dense(1, initializer="zeros")])
    with pytest.raises(fnn.DivergedError, match="the parameters are not finite at step 0"):
        net.fit([[1e25]], [1e18], loss="squared_error", optimizer="sgd", epochs=1, **QUIET)
    assert (net.theta == 0).all()


def test_a_network_that_diverged_can_be_trained_again():
    net = network()
    X, y = data(50)
    start = net.evaluate(X, y, loss="squared_error")["loss"]
    with pytest.raises(fnn.DivergedError):
        net.fit(X, y, loss="squared_error", optimizer="sgd", eta=1e30, epochs=50, **QUIET)
    assert net.evaluate(X, y)["loss"] == start, (
        "the last parameters whose loss was seen to be finite are back"
    )
    history = net.fit(X, y, loss="squared_error", optimizer="sgd", eta=0.01, epochs=5, **QUIET)
    assert np.isfinite(history[-1]["loss"])


# ---- Ctrl-C
def long_fit(net, threads, **options):
    """A fit whose first epoch alone would take minutes."""
    X = np.zeros((200_000, 30), np.float32)
    return net.fit(
        X,
        np.ones(len(X)),
        loss="squared_error",
        batch_size=1,
        epochs=1000,
        threads=threads,
        verbose=False,
        **options,
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_within_a_second_and_keeps_the_network(threads):
    net = fnn.Network(30, [fnn.Dense(300, "tanh"), fnn.Dense(300, "tanh"), fnn.Dense(1)])
    before, pressed, ended = net.theta.copy(), [], []

    def press():
        pressed.append(time.monotonic())
        _thread.interrupt_main()

    began = fnn.LambdaCallback(
        on_epoch_begin=lambda run: threading.Timer(0.4, press).start(),
        on_train_end=lambda run: ended.append(1),
    )
    history = long_fit(net, threads, callbacks=began)
    assert time.monotonic() - pressed[0] < 1.0
    assert history.stopped == "interrupted" and ended == [1] and len(history) == 0
    assert np.isfinite(net.theta).all() and (net.theta != before).any()
    assert net(np.zeros((2, 30))).shape == (2, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent otherwise there")
def test_ctrl_c_in_a_terminal_ends_training_and_the_script_goes_on(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, time; import numpy as np; import fastnn as fnn\n"
        "net = fnn.Network(20, [fnn.Dense(50, 'relu'), fnn.Dense(1)])\n"
        "X = np.random.default_rng(0).normal(size=(5000, 20))\n"
        "say = fnn.LambdaCallback(on_epoch_end=lambda run, row: row['epoch'] == 3 and print('go', flush=True))\n"
        "history = net.fit(X, X[:, 0], epochs=10**6, verbose=False, callbacks=say)\n"
        "net.save(sys.argv[1]); print(history.stopped, len(history) >= 3, np.isfinite(net.theta).all())\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "net.safetensors")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "go\n"
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert time.monotonic() - pressed < 5.0  # the network is saved and Python ends within it
    assert process.returncode == 0 and said == "interrupted True True\n"
    assert np.isfinite(fnn.load(tmp_path / "net.safetensors").theta).all()
