"""warmup: afterwards nothing is left to compile, whatever the network, the loss and the rule."""

import subprocess
import sys

import numpy as np
import pytest

import fastnn as fnn
from fastnn import activations, losses
from fastnn.compile import listeners
from fastnn.warmup import warmup

ACTIVATIONS, LOSSES = dir(activations), dir(losses)
RULES = [name for name in fnn.registry.names("optimizer") if name != "newton"]


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What the other tests need too is compiled here once, and kept in the cache folder."""
    warmup(("float32",))


@pytest.fixture
def compiled():
    """Names of the units that are compiled during the test."""
    names = []

    def heard(name, seconds):
        if seconds is not None:
            names.append(name)

    listeners.append(heard)
    yield names
    listeners.remove(heard)


def test_twice_compiles_nothing():
    assert warmup() == 0


def random_network(rng, n_in, n_out):
    """Dense, activation, dropout, add and concatenate on nodes that may have several readers."""
    net = fnn.Network(n_in, seed=int(rng.integers(1000)))
    nodes = [net.input]
    for number in range(rng.integers(1, 9)):
        a, b = (nodes[k] for k in rng.integers(max(0, len(nodes) - 3), len(nodes), 2))
        activation = str(rng.choice(ACTIVATIONS))
        match rng.integers(6):
            case 0 | 1:
                node = net.apply(str(number), fnn.Dense(int(rng.integers(1, 6)), activation), a)
            case 2:
                node = net.apply(str(number), fnn.layers.Activation(activation), a)
            case 3:
                node = net.apply(str(number), fnn.Dropout(0.3), a)
            case 4 if a.shape == b.shape:
                node = net.apply(str(number), fnn.Add(), a, b)
            case _:
                node = net.apply(str(number), fnn.Concatenate(), a, b)
        nodes.append(node)
    net.output = net.apply("output", fnn.Dense(n_out, str(rng.choice(["identity", *ACTIVATIONS]))), nodes[-1])
    return net


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_find_everything_compiled(seed, compiled):
    rng = np.random.default_rng(seed)
    loss = fnn.registry.get("loss", str(rng.choice(LOSSES)))
    n, n_out = (
        int(rng.integers(3, 20)),
        int(rng.integers(1, 4)) if loss.name not in ("hinge", "perceptron") else 2,
    )
    net = random_network(rng, 4, n_out)
    X = rng.normal(size=(n, 4))
    if loss.index is not None and (loss.row is None or rng.random() < 0.5):
        y = rng.integers(0, max(n_out, 2), n)
        y[: max(n_out, 2)] = np.arange(max(n_out, 2))
    else:
        y = rng.random((n, n_out))
        y = (
            np.where(y < 0.5, -1.0, 1.0)
            if loss.name in ("hinge", "perceptron")
            else y / y.sum(axis=1, keepdims=True)
        )
    net.fit(
        X, y, loss=loss, optimizer=str(rng.choice(RULES)), eta=1e-4, epochs=1, batch_size=int(rng.integers(1, n + 1)),
        sample_weight=rng.random(n) + 0.1 if rng.random() < 0.5 else None, validation=(X, y), verbose=False,
    )  # fmt: skip
    net.predict(X)
    net.evaluate(X, y)
    try:
        net.objective(X, y).hvp(net.theta, np.ones_like(net.theta))
    except fnn.CapabilityError:
        pass
    assert compiled == []


SECOND_PROCESS = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from fastnn.cli import main
    try:
        main(["fit", "digits", "--epochs", "1", "--out", "digits.safetensors"])
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
print("compiled", len(recorder.buffer))
"""


def test_the_example_of_the_readme_compiles_nothing(tmp_path):
    subprocess.run([sys.executable, "-m", "fastnn", "warmup"], capture_output=True, check=True)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SECOND_PROCESS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "compiled 0", done.stdout + done.stderr
