"""Against scikit-learn's BernoulliRBM, where it is installed (the closing lines say so): the same state, the same random numbers, the same update."""

import numpy as np
import pytest
from rbm_oracle import machine

import fastnn as fnn
from fastnn.numerics import uniform

BernoulliRBM = pytest.importorskip("sklearn.neural_network").BernoulliRBM


class OurNumbers:
    """What scikit-learn draws, from our generator: v, then h, of one step of persistent contrastive divergence."""

    def __init__(self, seed, step):
        self.seed, self.step, self.streams = seed, step, iter((4, 6))

    def uniform(self, size):
        stream = next(self.streams)
        numbers = [uniform(self.seed, self.step, stream, i) for i in range(int(np.prod(size)))]
        return np.array(numbers).reshape(size)


def theirs(rbm, batch, eta):
    other = BernoulliRBM(rbm.n_hidden, learning_rate=eta, batch_size=batch)
    other.components_, other.intercept_hidden_, other.intercept_visible_ = (
        rbm.W.copy(),
        rbm.b.copy(),
        rbm.c.copy(),
    )
    return other


def test_persistent_contrastive_divergence_takes_the_steps_of_scikit_learn():
    """Ten steps, in order; rounding is all that is between the two."""
    rng = np.random.default_rng(0)
    X = (rng.random((80, 9)) < 0.4).astype(float)
    rbm = machine(9, 5, seed=1)
    rbm.n_chains = 8
    rbm.chains[:] = rng.random((8, 5)) < 0.5
    other = theirs(rbm, 8, 0.05)
    other.h_samples_ = rbm.chains.copy()
    for step in range(10):
        other._fit(X[8 * step : 8 * step + 8], OurNumbers(11, step))
    rbm.fit(X, epochs=1, batch_size=8, eta=0.05, persistent=8, seed=11, shuffle=False, verbose=False)
    np.testing.assert_allclose(rbm.W, other.components_, rtol=0, atol=1e-13)
    np.testing.assert_allclose(rbm.b, other.intercept_hidden_, rtol=0, atol=1e-13)
    np.testing.assert_allclose(rbm.c, other.intercept_visible_, rtol=0, atol=1e-13)
    assert np.array_equal(rbm.chains, other.h_samples_)


def test_means_and_free_energies_are_those_of_scikit_learn():
    rbm = machine(9, 5, seed=2)
    other = theirs(rbm, 8, 0.1)
    X = np.random.default_rng(0).random((50, 9))
    np.testing.assert_allclose(rbm.transform(X), other.transform(X), rtol=0, atol=1e-14)
    np.testing.assert_allclose(rbm.free_energy(X), other._free_energy(X), rtol=1e-13)


def test_features_of_digits_serve_a_linear_classifier_as_well_as_those_of_scikit_learn():
    """Rosenblatt's question to both: logistic regression on 64 hidden units after 15 epochs."""
    from sklearn.linear_model import LogisticRegression

    digits = fnn.datasets.load("digits")
    X = digits.X / 16
    rbm = fnn.RBM(64, 64, seed=0)
    rbm.fit(X, epochs=15, batch_size=10, eta=0.05, persistent=True, verbose=False)
    other = BernoulliRBM(64, learning_rate=0.05, n_iter=15, random_state=0).fit(X)
    scores = []
    for features in (rbm.transform(X), other.transform(X)):
        linear = LogisticRegression(max_iter=1000).fit(features[:1200], digits.y[:1200])
        scores.append(linear.score(features[1200:], digits.y[1200:]))
    assert scores[0] > 0.85
    assert scores[0] > scores[1] - 0.03, scores
