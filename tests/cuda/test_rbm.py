"""Boltzmann machines on the device: the same means, the same draws, the same fits as on the CPU."""

import numpy as np
import pytest
from on_device import REL, agree, same_bits, tiny

import fastnn as fnn

pytestmark = pytest.mark.cuda
KINDS = [("binary", "binary"), ("gaussian", "binary"), ("binary", "gaussian")]


def machine(visible="binary", hidden="binary", dtype="float32", n_visible=6, n_hidden=5):
    rbm = fnn.RBM(n_visible, n_hidden, visible, hidden, dtype=dtype)
    rbm.theta[:] = np.random.default_rng(0).normal(0, 0.5, rbm.theta.size)
    return rbm


def rows(n, width=6, seed=1):
    return (np.random.default_rng(seed).random((n, width)) < 0.4).astype(float)


@tiny
@pytest.mark.parametrize(("visible", "hidden"), KINDS)
def test_means_energies_and_draws(visible, hidden):
    rbm, X = machine(visible, hidden, "float64"), rows(7)
    for ask in (rbm.transform, rbm.reconstruct, rbm.free_energy):
        agree(ask(X, device="cuda"), ask(X), REL["float64"], ask.__name__)
    on_device, here = rbm.gibbs(X, 2, seed=3, device="cuda"), rbm.gibbs(X, 2, seed=3)
    if visible == "binary":
        same_bits(on_device, here, "samples")
    else:
        agree(on_device, here, REL["float64"], "samples")


@tiny
@pytest.mark.parametrize(
    "settings", [{"k": 2}, {"persistent": 3}, {"mean_field": True, "weight_decay": 0.1}], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fits(settings, dtype):
    """The last batch is short."""
    losses, found = [], []
    for device in ("cuda", "cpu"):
        rbm = machine(dtype=dtype)
        history = rbm.fit(
            rows(7),
            epochs=2,
            batch_size=4,
            momentum=0.5,
            eta=0.1,
            seed=2,
            device=device,
            verbose=False,
            **settings,
        )
        losses.append(np.array([row["loss"] for row in history]))
        found.append((rbm.theta.copy(), rbm.chains.copy()))
    agree(losses[0], losses[1], REL[dtype], "losses")
    agree(found[0][0], found[1][0], REL[dtype], "parameters")
    same_bits(found[0][1], found[1][1], "chains")


def test_a_machine_of_the_size_of_mnist():
    X = np.random.default_rng(0).random((500, 784))
    found = []
    for device in ("cuda", "cpu"):
        rbm = machine(n_visible=784, n_hidden=300)
        rbm.fit(X, epochs=1, batch_size=100, mean_field=True, eta=0.01, device=device, verbose=False)
        found.append(rbm.theta.copy())
    assert (
        np.abs(found[0] - found[1]).max() < 1e-2
    )  # a unit or two may fall on the other side of its random number
