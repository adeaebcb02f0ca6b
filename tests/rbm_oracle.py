"""A restricted Boltzmann machine of a few units, by enumeration of all its states: what the tests compare with."""

from itertools import product

import numpy as np

import fastnn as fnn


def machine(n_visible=6, n_hidden=4, visible="binary", hidden="binary", seed=0, dtype="float64", size=0.8):
    """An RBM with parameters large enough to matter."""
    rbm = fnn.RBM(n_visible, n_hidden, visible, hidden, seed=seed, dtype=dtype)
    rbm.theta[:] = np.random.default_rng(seed).normal(0, size, rbm.theta.size)
    return rbm


def states(n):
    """All 2^n rows of zeros and ones."""
    return np.array(list(product((0.0, 1.0), repeat=n)))


class Enumerated:
    """Every joint state (v, h) of a binary machine with its probability, from the energy alone."""

    def __init__(self, rbm):
        self.V, self.H = states(rbm.n_visible), states(rbm.n_hidden)
        energy = -self.H @ rbm.W @ self.V.T - (self.H @ rbm.b)[:, None] - (self.V @ rbm.c)[None, :]
        self.weight = np.exp(-energy.T)  # a row for each v, a column for each h
        self.Z = self.weight.sum()
        self.joint = self.weight / self.Z
        self.of_v = self.joint.sum(axis=1)

    def row(self, v):
        """Which state v is."""
        return int(v @ 2 ** np.arange(len(v))[::-1])

    def hidden_means(self):
        """E[h | v] of every v, (2^n_visible, n_hidden)."""
        return self.joint @ self.H / self.of_v[:, None]

    def visible_means(self):
        """E[v | h] of every h, (2^n_hidden, n_visible)."""
        return self.joint.T @ self.V / self.joint.sum(axis=0)[:, None]

    def statistics(self, weights):
        """Means of h v^T, h and v, v distributed as `weights` and h as the machine has it given v."""
        means = self.hidden_means()
        return {
            "W": np.einsum("s,sj,sk->jk", weights, means, self.V),
            "b": weights @ means,
            "c": weights @ self.V,
        }

    def gradient(self, X):
        """Of the mean of -log p(v) over the rows of X: what the machine believes, less what the data say."""
        weights = np.zeros(len(self.V))
        for v in X:
            weights[self.row(v)] += 1 / len(X)
        data, model = self.statistics(weights), self.statistics(self.of_v)
        return {name: model[name] - data[name] for name in data}

    def step(self):
        """P(v' | v), one step of Gibbs sampling: (2^n_visible, 2^n_visible)."""
        given_v = self.joint / self.of_v[:, None]
        given_h = (self.joint / self.joint.sum(axis=0)).T
        return given_v @ given_h
