"""The four equations of the notes, each by its name and with its own NumPy, beside objective.gradient, for a network of three layers.

For one sample dC/db^l is delta^l (equation 4), so the library shows every delta it computed; equations 1, 2 and 3 are then checked one at a time, with the library's own delta on
their right sides. What is left of equation 4 is that delta is dC/dz: differences of C say so.
"""

import numpy as np
import pytest

import fastnn as fnn

LAYERS = range(1, 4)  # l = 1, 2, 3 = L, as the notes count
FUNCTIONS = {
    "logistic": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
}
EXACT = {"rtol": 1e-12, "atol": 1e-15}


@pytest.fixture(params=["logistic", "tanh", "softplus"])
def case(request):
    """A network 4-6-5-3 with C = 1/2 |a^3 - y|^2, one sample, and what the library says of them."""
    return Case(request.param)


class Case:
    def __init__(self, activation, samples=1, seed=3):
        rng = np.random.default_rng(seed)
        layers = [fnn.Dense(n, activation, initializer_b="normal") for n in (6, 5, 3)]
        self.net = fnn.Network(4, layers, dtype="float64", seed=seed)
        self.X, self.y = rng.normal(size=(samples, 4)), rng.uniform(-1, 1, size=(samples, 3))
        self.f, self.slope = FUNCTIONS[activation]
        self.W, self.b = ({l: self.net.parameters[f"{l - 1}/{x}"] for l in LAYERS} for x in "Wb")
        self.objective = self.net.objective(self.X, self.y, loss="squared_error")
        g = self.objective.gradient(self.net.theta)
        self.dW, self.db = self._views(g)

    def _views(self, g):
        """{l: dC/dW^l} and {l: dC/db^l}: g is laid out as theta is."""
        own = fnn.Network.from_config(self.net.config())
        own.theta[:] = g
        return ({l: own.parameters[f"{l - 1}/{x}"] for l in LAYERS} for x in "Wb")

    def forward(self, X):
        """{l: z^l}, {l: a^l} by the notes' formulas; a^0 is X, samples are columns as in the notes."""
        z, a = {}, {0: X.T}
        for l in LAYERS:
            z[l] = self.W[l] @ a[l - 1] + self.b[l][:, None]
            a[l] = self.f(z[l])
        return z, a


def test_forward_z_is_W_a_plus_b_and_a_is_f_of_z(case):
    _, a = case.forward(case.X)
    for l in LAYERS:
        case.net.output = case.net.nodes[str(l - 1)]
        np.testing.assert_allclose(case.net(case.X), a[l].T, **EXACT)


def test_equation_1_delta_L_is_dC_da_times_the_slope(case):
    z, a = case.forward(case.X)
    dC_da = a[3] - case.y.T  # of 1/2 |a - y|^2
    np.testing.assert_allclose(case.db[3], (dC_da * case.slope(z[3]))[:, 0], **EXACT)


@pytest.mark.parametrize("l", [2, 1])
def test_equation_2_delta_l_is_W_transposed_delta_times_the_slope(case, l):
    z, _ = case.forward(case.X)
    behind = case.db[l + 1][:, None]  # delta^(l+1), the library's own
    np.testing.assert_allclose(case.db[l], ((case.W[l + 1].T @ behind) * case.slope(z[l]))[:, 0], **EXACT)


@pytest.mark.parametrize("l", LAYERS)
def test_equation_3_dC_dW_is_delta_times_a_transposed(case, l):
    _, a = case.forward(case.X)
    np.testing.assert_allclose(case.dW[l], case.db[l][:, None] @ a[l - 1].T, **EXACT)


@pytest.mark.parametrize("l", LAYERS)
def test_equation_4_dC_db_is_delta_which_is_dC_dz(case, l):
    """delta^l is what C gains when z^l is moved: by central differences, with the layers behind it in NumPy."""
    z, _ = case.forward(case.X)

    def C(moved):
        a = case.f(moved)
        for k in range(l + 1, 4):
            a = case.f(case.W[k] @ a + case.b[k][:, None])
        return 0.5 * ((a - case.y.T) ** 2).sum()

    h = 1e-5
    moves = h * np.eye(len(z[l]))[:, :, None]
    delta = [(C(z[l] + move) - C(z[l] - move)) / (2 * h) for move in moves]
    np.testing.assert_allclose(case.db[l], delta, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_a_batch_has_the_mean_of_the_gradients_of_its_samples(activation):
    """All four equations at once, for seven samples: C is the mean over them."""
    case = Case(activation, samples=7)
    z, a = case.forward(case.X)
    delta = {3: (a[3] - case.y.T) * case.slope(z[3])}
    for l in (2, 1):
        delta[l] = (case.W[l + 1].T @ delta[l + 1]) * case.slope(z[l])
    for l in LAYERS:
        np.testing.assert_allclose(case.dW[l], delta[l] @ a[l - 1].T / 7, **EXACT)
        np.testing.assert_allclose(case.db[l], delta[l].mean(axis=1), **EXACT)
