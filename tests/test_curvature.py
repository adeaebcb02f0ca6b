"""Ends of the Hessian's spectrum: against all eigenvalues, against SciPy, and against what gradient descent then does."""

import math

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, eigsh

import fastnn as fnn
from fastnn.examples import descent_lemma
from fastnn.lanczos import extremes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
Y = (X[:, 0] * X[:, 1] > 0).astype(float)


def bent_value(z):
    return z * z


def bent_slope(z, a):
    return 2.0 * z


def objective(layers, dtype="float64", seed=0, X=X, Y=Y, loss="binary_cross_entropy", **settings):
    net = fnn.Network(X.shape[1], layers, seed=seed, dtype=dtype)
    return net.objective(X, Y, loss=loss, **settings), net.theta.astype("float32").astype(dtype)


def deep(dtype="float64", seed=0, **settings):
    return objective([fnn.Dense(8, "tanh"), fnn.Dense(4, "logistic"), fnn.Dense(1)], dtype, seed, **settings)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 3])
def test_ends_are_those_of_the_whole_spectrum(seed, k):
    C, theta = deep(seed=seed)
    every = np.linalg.eigvalsh(C.hessian(theta))
    found = C.curvature(theta, k=k)
    assert found.converged and found.products < C.n
    np.testing.assert_allclose(found.largest, every[::-1][:k], atol=1e-10)
    np.testing.assert_allclose(found.smallest, every[:k], atol=1e-10)
    assert found.largest[0] == found.L and every[0] < 0 and len(found.negative) == k


def test_ends_are_those_of_scipy():
    C, theta = deep(seed=5)
    H = LinearOperator((C.n, C.n), matvec=lambda v: C.hvp(theta, v.ravel()), dtype=np.float64)
    found = C.curvature(theta, k=2)
    np.testing.assert_allclose(found.largest[::-1], np.sort(eigsh(H, k=2, which="LA")[0]), atol=1e-9)
    np.testing.assert_allclose(found.smallest, np.sort(eigsh(H, k=2, which="SA")[0]), atol=1e-9)


def test_vectors_are_eigenvectors_and_residuals_are_theirs():
    C, theta = deep()
    found = C.curvature(theta, k=2, tolerance=1e-4)
    values = np.r_[found.largest, found.smallest]
    vectors = np.r_[found.largest_vectors, found.smallest_vectors]
    for value, x, residual in zip(
        values, vectors, np.r_[found.largest_residuals, found.smallest_residuals], strict=True
    ):
        assert np.linalg.norm(x) == pytest.approx(1)
        assert np.linalg.norm(C.hvp(theta, x) - value * x) == pytest.approx(residual, rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_float32_is_as_near_as_it_says(seed):
    exact, theta = deep("float64", seed)
    C, theta32 = deep("float32", seed)
    every = np.linalg.eigvalsh(exact.hessian(theta.astype(np.float64)))
    found = C.curvature(theta32, k=2)
    assert found.converged and found.precision < 1e-5 * found.L
    assert np.abs(found.largest - every[::-1][:2]).max() <= found.error
    assert np.abs(found.smallest - every[:2]).max() <= found.error


@pytest.mark.parametrize("n", [1, 2, 3, 40, 300])
def test_any_symmetric_matrix(n):
    random = np.random.default_rng(n)
    Q = np.linalg.qr(random.normal(size=(n, n)))[0]
    values = np.sort(random.normal(size=n) ** 3)
    H = (Q * values) @ Q.T
    found = extremes(lambda v: H @ v, n, k=1, tolerance=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.values, values[[0, -1]] if n > 1 else values, atol=1e-9)


def test_repeated_eigenvalues_are_all_found_where_the_basis_holds_them():
    H = np.diag([2.0, 2.0, 2.0, -1.0, -1.0, 0.0])
    found = extremes(lambda v: H @ v, 6, k=3, tolerance=1e-9)
    np.testing.assert_allclose(found.values, [-1, -1, 0, 2, 2, 2], atol=1e-12)


def test_clustered_ends_of_a_large_matrix_converge_through_restarts():
    n = 3000
    d = np.r_[np.linspace(-1, 1, n - 2), 1.02, -1.05]
    found = extremes(lambda v: d * v, n, k=1, tolerance=1e-7)
    assert found.converged and found.products > 60
    np.testing.assert_allclose(found.values, [-1.05, 1.02], atol=1e-9)


def test_what_has_not_converged_says_so_and_its_residual_still_bounds_it():
    n = 2000
    d = np.linspace(0, 1, n) ** 0.01
    found = extremes(lambda v: d * v, n, k=1, tolerance=1e-12, products=6)
    assert not found.converged and found.products <= 8
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(d - value).min() <= residual


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads():
    one, theta = deep(threads=1)
    two, _ = deep(threads=2)
    a, b = one.curvature(theta, k=2), two.curvature(theta, k=2)
    np.testing.assert_array_equal(a.largest, b.largest)
    np.testing.assert_array_equal(a.smallest, b.smallest)


def test_gradient_descent_converges_below_the_limit_and_diverges_above():
    C, theta = objective([fnn.Dense(1)], X=X, Y=X @ np.arange(1.0, 6.0), loss="squared_error")
    found = C.curvature(theta)
    assert found.eta_limit == 2 / found.L and not len(found.negative)
    for part, ends in ((0.98, "below"), (1.02, "above")):
        w = theta.copy()
        for _ in range(400):
            w -= part * found.eta_limit * C.gradient(w)
        assert (C.value(w) < C.value(theta)) == (ends == "below"), part


def test_without_positive_curvature_there_is_no_limit():
    # a = swish(-1.278...) is the least that swish gives; the target lies above: a maximum of the loss
    C, _ = objective([fnn.Dense(1, "swish")], X=np.ones((1, 1)), Y=np.ones(1), loss="squared_error")
    found = C.curvature(np.array([-1.2784645427610738, 0.0]))
    assert found.L <= found.error and math.isinf(found.eta_limit)
    assert "no limit" in str(found) and len(found.negative) == 1


def test_what_it_prints_names_the_limit_and_negative_eigenvalues():
    C, theta = deep()
    text = str(C.curvature(theta))
    assert "eta < 2 / L" in text and "at least 1 negative" in text


@pytest.mark.parametrize(
    "settings", [{"k": 0}, {"k": 10**6}, {"k": 1.5}, {"tolerance": 0.0}, {"products": 0}]
)
def test_settings_out_of_their_domain_are_refused(settings):
    C, theta = deep()
    with pytest.raises(fnn.SettingError):
        C.curvature(theta, **settings)


def test_a_theta_without_a_finite_hessian_is_refused():
    C, theta = deep()
    with pytest.raises(fnn.DivergedError, match="not finite"):
        C.curvature(theta * np.nan)


def test_a_network_without_second_derivatives_is_refused_by_name():
    bent = fnn.Activation("bent", bent_value, bent_slope)
    C, theta = objective([fnn.Dense(4, bent), fnn.Dense(1)])
    with pytest.raises(fnn.CapabilityError, match="bent"):
        C.curvature(theta)


@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("activation", ["tanh", "softplus", "logistic"])
@pytest.mark.parametrize("seed", range(2))
def test_a_step_lowers_the_loss_by_what_the_descent_lemma_promises(activation, loss, seed):
    C, theta = descent_lemma.objective(seed, activation, loss)
    L = C.curvature(theta).L
    for part in (0.02, 0.5, 1.0, 1.5, 2.2):
        step = descent_lemma.check(C, theta, part / L)
        assert step["fall"] >= step["promised"] - 1e-9


def test_the_promise_is_all_that_can_be_promised():
    """Along the steepest eigenvector of a bowl the lemma holds with equality."""
    C, theta = objective([fnn.Dense(1)], X=X, Y=X @ np.arange(1.0, 6.0), loss="squared_error")
    found = C.curvature(theta)
    best = theta - np.linalg.solve(C.hessian(theta), C.gradient(theta))
    there = best + 3 * found.largest_vectors[0]
    for part in (0.1, 1.0, 1.9):
        step = descent_lemma.check(C, there, part / found.L)
        assert step["fall"] == pytest.approx(step["promised"], abs=1e-6)
