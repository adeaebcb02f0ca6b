"""Restricted Boltzmann machines against enumeration of all states of 6 x 4 units: conditionals, free energy, gradients, sampling."""

import numpy as np
import pytest
from rbm_oracle import Enumerated, machine, states

import fastnn as fnn

QUIET = {"verbose": False}
X = (np.random.default_rng(1).random((40, 6)) < [0.9, 0.8, 0.5, 0.5, 0.2, 0.1]).astype(float)


def test_conditionals_equal_enumeration():
    rbm = machine()
    exact = Enumerated(rbm)
    np.testing.assert_allclose(rbm.transform(exact.V), exact.hidden_means(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(rbm.inverse_transform(exact.H), exact.visible_means(), rtol=0, atol=1e-14)


def test_the_free_energy_is_minus_the_logarithm_of_the_sum_over_hidden_states():
    rbm = machine()
    exact = Enumerated(rbm)
    np.testing.assert_allclose(rbm.free_energy(exact.V), -np.log(exact.weight.sum(axis=1)), rtol=1e-13)
    assert np.exp(-rbm.free_energy(exact.V)).sum() == pytest.approx(exact.Z, rel=1e-13)


def test_the_gradient_of_the_free_energy_is_what_enumeration_gives():
    """So that the oracle itself is right: its gradient equals central differences of log p."""
    rbm = machine()

    def minus_log_p():
        return float(rbm.free_energy(X).mean() + np.log(np.exp(-rbm.free_energy(states(6))).sum()))

    exact = Enumerated(rbm).gradient(X)
    flat = np.concatenate([exact[name].ravel() for name in ("W", "b", "c")])
    for i in range(0, rbm.theta.size, 3):
        kept = rbm.theta[i]
        rbm.theta[i] = kept + 1e-5
        up = minus_log_p()
        rbm.theta[i] = kept - 1e-5
        down = minus_log_p()
        rbm.theta[i] = kept
        assert flat[i] == pytest.approx((up - down) / 2e-5, abs=1e-8)


def averaged(rbm, k, repeats, mean_field=False):
    """Mean and standard error of CD-k over seeds, rows of X repeated so that each call is many chains."""
    rows = np.tile(X, (200, 1))
    found = [rbm.gradient(rows, k=k, seed=seed, mean_field=mean_field, threads=1) for seed in range(repeats)]
    flat = np.array([np.concatenate([g[name].ravel() for name in ("W", "b", "c")]) for g in found])
    return flat.mean(axis=0), flat.std(axis=0, ddof=1) / np.sqrt(repeats)


def expected(exact, k):
    """CD-k in expectation: the data's distribution moved on by k exact steps of Gibbs sampling."""
    weights = np.zeros(len(exact.V))
    for v in X:
        weights[exact.row(v)] += 1 / len(X)
    data = exact.statistics(weights)
    model = exact.statistics(weights @ np.linalg.matrix_power(exact.step(), k))
    return np.concatenate([(model[name] - data[name]).ravel() for name in ("W", "b", "c")])


@pytest.mark.parametrize("k", [1, 3])
def test_contrastive_divergence_is_right_in_expectation(k):
    rbm = machine(seed=2)
    mean, error = averaged(rbm, k, 12)
    apart = np.abs(mean - expected(Enumerated(rbm), k)) / error
    assert apart.mean() < 1.6  # about 0.85 where only chance keeps them apart (12 repeats)
    assert apart.max() < 6


def test_contrastive_divergence_comes_nearer_to_the_likelihoods_gradient_as_k_grows():
    """Where all units like to agree, Gibbs sampling forgets slowly: of the gradient, CD-1 lacks 0.38, CD-5 0.13 and CD-40 0.006."""
    rbm = machine()
    rbm.W[:], rbm.b[:], rbm.c[:] = 1.2, -3.6, -2.4
    gradient = Enumerated(rbm).gradient(X)
    truth = np.concatenate([gradient[name].ravel() for name in ("W", "b", "c")])
    apart = {}
    for k in (1, 5, 40):
        mean, error = averaged(rbm, k, 4)
        apart[k] = np.linalg.norm(mean - truth)
    assert apart[1] > 2 * apart[5] > 4 * apart[40]
    assert apart[40] < 3 * np.linalg.norm(error)


def test_a_mean_field_step_equals_its_formula():
    """With the means in the place of visible samples, all that is drawn is h: given it, everything follows."""
    rbm = machine(seed=3)
    h = rbm.sample_hidden(X, seed=5)
    v = rbm.inverse_transform(h)
    p, q = rbm.transform(X), rbm.transform(v)
    g = rbm.gradient(X, mean_field=True, seed=5)
    np.testing.assert_allclose(g["W"], (q.T @ v - p.T @ X) / len(X), rtol=0, atol=1e-14)
    np.testing.assert_allclose(g["b"], (q - p).mean(axis=0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(g["c"], (v - X).mean(axis=0), rtol=0, atol=1e-14)


def test_samples_have_the_distribution_of_the_machine():
    rbm = machine(seed=4, size=0.6)
    exact = Enumerated(rbm)
    V = rbm.sample(20_000, steps=30, seed=1)
    assert set(np.unique(V)) == {0.0, 1.0}
    share = np.bincount([exact.row(v) for v in V], minlength=64) / len(V)
    sigma = np.sqrt(exact.of_v * (1 - exact.of_v) / len(V))
    assert (np.abs(share - exact.of_v) / sigma).max() < 4.5


def test_training_raises_the_likelihood_and_persistent_chains_do_too():
    rows = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]] * 50, float)
    for settings in ({"k": 1}, {"k": 5}, {"persistent": True}, {"persistent": 50, "k": 2}):
        rbm = fnn.RBM(6, 4, dtype="float64", seed=0, scale=0.3)
        assert Enumerated(rbm).of_v[[7, 56]].sum() < 0.1
        rbm.fit(rows, epochs=300, batch_size=20, eta=0.05, **settings, **QUIET)
        assert Enumerated(rbm).of_v[[7, 56]].sum() > 0.75, settings


def test_gaussian_visible_units_have_the_conditionals_of_their_formulas():
    rbm = machine(5, 3, visible="gaussian", seed=6)
    rows = np.random.default_rng(0).normal(size=(30, 5))
    p = 1 / (1 + np.exp(-(rows @ rbm.W.T + rbm.b)))
    np.testing.assert_allclose(rbm.transform(rows), p, rtol=0, atol=1e-14)
    H = states(3)
    np.testing.assert_allclose(rbm.inverse_transform(H), H @ rbm.W + rbm.c, rtol=0, atol=1e-14)
    V = rbm.sample_visible(np.tile(H[5], (40_000, 1)), seed=2)
    assert np.abs(V.mean(axis=0) - (H[5] @ rbm.W + rbm.c)).max() < 4.5 / np.sqrt(len(V))
    assert np.abs(np.cov(V.T) - np.eye(5)).max() < 0.04
    quadratic = 0.5 * ((rows - rbm.c) ** 2).sum(axis=1)
    summed = np.exp(rows @ rbm.W.T @ H.T + H @ rbm.b).sum(axis=1)
    np.testing.assert_allclose(rbm.free_energy(rows), quadratic - np.log(summed), rtol=1e-12)


def test_normal_numbers_are_normal():
    """Kolmogorov and Smirnov's distance of 100,000 draws, and their fourth moment."""
    from math import erf

    rbm = fnn.RBM(50, 1, "gaussian", dtype="float64", scale=0)
    drawn = np.sort(rbm.sample_visible(np.zeros((2000, 1)), seed=3).ravel())
    cdf = np.array([0.5 * (1 + erf(x / np.sqrt(2))) for x in drawn])
    assert np.abs(cdf - (np.arange(len(drawn)) + 0.5) / len(drawn)).max() < 1.63 / np.sqrt(len(drawn))
    assert (drawn**4).mean() == pytest.approx(3, abs=0.15)


def test_gaussian_hidden_units_have_the_free_energy_of_their_integral():
    """exp(-F(v)) against the integral over h of exp(-E), by quadrature, but for the constant sqrt(2 pi)."""
    rbm = machine(4, 1, hidden="gaussian", seed=7)
    h = np.linspace(-20, 20, 20_001)
    for v in states(4):
        energy = 0.5 * (h - rbm.b[0]) ** 2 - h * (rbm.W[0] @ v) - rbm.c @ v
        integral = np.exp(-energy).sum() * (h[1] - h[0]) / np.sqrt(2 * np.pi)
        assert rbm.free_energy(v[None])[0] == pytest.approx(-np.log(integral), rel=1e-9)
    np.testing.assert_allclose(rbm.transform(states(4)), states(4) @ rbm.W.T + rbm.b, rtol=0, atol=1e-14)


def test_decay_takes_off_weights_and_not_biases():
    rbm, rows = machine(seed=8), X[:8]
    g = rbm.gradient(rows, seed=9)
    theta = rbm.theta.copy()
    rbm.fit(rows, epochs=1, batch_size=8, eta=1.0, weight_decay=0.25, seed=9, **QUIET)
    step = theta - rbm.theta
    decayed = np.concatenate([(g["W"] + 0.25 * theta[:24].reshape(4, 6)).ravel(), g["b"], g["c"]])
    np.testing.assert_allclose(step, decayed, rtol=0, atol=1e-13)


def test_any_rule_trains_a_machine():
    rows = np.array([[1, 1, 0, 0], [0, 0, 1, 1]] * 20, float)
    for rule, eta in (("sgd", 0.2), ("adam", 0.02), ("adagrad", 0.1), ("rmsprop", 0.02)):
        rbm = fnn.RBM(4, 3, seed=0, scale=0.3)
        before = rbm.reconstruction_error(rows)
        rbm.fit(rows, epochs=200, batch_size=10, optimizer=rule, eta=eta, **QUIET)
        assert rbm.reconstruction_error(rows) < 0.05 * before, rule
