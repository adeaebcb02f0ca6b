"""What the tests of the GPU share: where they run, how near results must be, small networks and their gradients.

The same bodies run on a GPU and, where they are small enough (marker `tiny`), on Numba's CUDA simulator: NUMBA_ENABLE_CUDASIM=1 makes
device="cuda" the simulated one.
"""

import importlib
import os

import numpy as np
import pytest

import fastnn as fnn
from fastnn.registry import registry

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
DTYPES = ("float32", "float64")
REL = {"float32": 1e-5, "float64": 1e-12}
"""How far the GPU may be from the CPU, over the largest number of the result."""
ETA = 1024.0
"""Of the one step whose difference is a gradient: so large that the parameters' own rounding is nothing beside it."""
QUIET = {"verbose": False}
HOWS = ("block", "grid", "graph", "direct")

tiny = pytest.mark.tiny


def choose(**options):
    return importlib.import_module("fastnn.cuda").choose(**options)


def agree(found, expected, rel, what=""):
    """Same dtype and shape, NaN and infinity in the same places, and no further apart than `rel` of the largest number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
    finite = np.isfinite(expected)
    assert np.array_equal(found[~finite], expected[~finite], equal_nan=True), (
        f"{what}: NaN or infinity elsewhere"
    )
    if finite.any():
        scale = max(float(np.abs(expected[finite]).max()), float(np.finfo(expected.dtype).tiny))
        apart = float(np.abs(found[finite] - expected[finite]).max()) / scale
        assert apart <= rel, f"{what}: {apart:.1e} apart, allowed {rel:.0e}"


def same_bits(found, expected, what=""):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes(), f"{what}: other bits"


def dense(*sizes, activation="tanh", dtype="float32", seed=0, out="identity"):
    """A chain of dense layers."""
    layers = [fnn.Dense(n, activation) for n in sizes[1:-1]]
    return fnn.Network(sizes[0], [*layers, fnn.Dense(sizes[-1], out)], seed=seed, dtype=dtype)


def numbers(*shape, seed=0, dtype="float32"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def targets(name, n, n_out, seed=3):
    """{"row": y, "index": y} for a registered loss: what its rows may hold, and classes."""
    loss, random = registry.find("loss", name), np.random.default_rng(seed)
    rows = random.standard_normal((n, n_out))
    chosen = {
        "numbers": rows,
        "nonnegative": np.abs(rows),
        "probabilities": np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True),
        "signs": np.where(rows > 0, 1.0, -1.0),
    }[loss.targets]
    found = {} if loss.row is None else {"row": chosen}
    return found if loss.index is None else {**found, "index": random.integers(0, max(n_out, 2), n)}


def gradient(net, X, y, device, **options):
    """(gradient of the mean loss, its value), from the one step that a rule can show: theta - ETA g."""
    before = net.theta.copy()
    chosen = {"loss": "squared_error", "optimizer": "sgd", "eta": ETA, "epochs": 1, "shuffle": False}
    history = net.fit(X, y, batch_size=len(X), device=device, **{**chosen, **QUIET, **options})
    g = (before - net.theta) / net.theta.dtype.type(ETA)
    net.theta[:] = before
    return g, history[0]["loss"]


def compare_gradients(net, X, y, what="", rel=None, **options):
    rel = rel or REL[net.dtype]
    g, value = gradient(net, X, y, "cuda", **options)
    expected, expected_value = gradient(net, X, y, "cpu", **options)
    agree(g, expected, rel, f"{what} gradient")
    assert value == pytest.approx(expected_value, rel=rel), f"{what} loss"


def trained(net, X, y, device, **options):
    """(losses, theta) of a fit."""
    chosen = {
        "loss": "squared_error",
        "optimizer": "sgd",
        "eta": 0.05,
        "epochs": 2,
        "batch_size": 4,
        "seed": 5,
    }
    history = net.fit(X, y, device=device, **{**chosen, **QUIET, **options})
    return np.array([row["loss"] for row in history]), net.theta.copy()


def compare_fits(make, X, y, what="", rel=None, **options):
    """The same fit on both devices: losses and parameters."""
    losses, theta = trained(make(), X, y, "cuda", **options)
    expected_losses, expected = trained(make(), X, y, "cpu", **options)
    rel = rel or REL[expected.dtype.name]
    agree(losses, expected_losses, rel, f"{what} losses")
    agree(theta, expected, rel, f"{what} parameters")
