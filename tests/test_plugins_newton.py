"""Newton: one step on a quadratic, never a rise, away from saddle points, and a small network fitted."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.contracts import Solver, class_config
from fastnn.errors import SettingError
from fastnn.registry import registry

METHODS = ["exact", "cg", "elementwise"]
each_method = pytest.mark.parametrize("method", METHODS)


class Quadratic:
    """J = (theta - c)^T A (theta - c) / 2."""

    def __init__(self, A, c):
        self.A, self.c, self.n = np.asarray(A, dtype=float), np.asarray(c, dtype=float), len(c)
        self.products = 0

    def value(self, theta):
        return 0.5 * (theta - self.c) @ self.A @ (theta - self.c)

    def gradient(self, theta):
        return self.A @ (theta - self.c)

    def hvp(self, theta, v):
        self.products += 1
        return self.A @ v

    def hessian(self, theta):
        return self.A


class Rosenbrock:
    n = 2

    def value(self, theta):
        x, y = theta
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2

    def gradient(self, theta):
        x, y = theta
        return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])

    def hessian(self, theta):
        x, y = theta
        return np.array([[2 - 400 * (y - 3 * x * x), -400 * x], [-400 * x, 200.0]])

    def hvp(self, theta, v):
        return self.hessian(theta) @ v


class Saddle:
    """J = x^4 / 4 - x^2 / 2 + y^2 / 2: a saddle at 0, the bottom -1/4 at x = +-1."""

    n = 2

    def value(self, theta):
        x, y = theta
        return x**4 / 4 - x * x / 2 + y * y / 2

    def gradient(self, theta):
        x, y = theta
        return np.array([x**3 - x, y])

    def hessian(self, theta):
        return np.diag([3 * theta[0] ** 2 - 1, 1.0])

    def hvp(self, theta, v):
        return self.hessian(theta) @ v


class Network:
    """A network 2-h-1 with tanh on 40 samples; the second derivative by the complex step is exact."""

    def __init__(self, width=6, dtype=np.float64):
        rng = np.random.default_rng(0)
        self.X = rng.uniform(-2, 2, (40, 2))
        self.y = np.sin(2 * self.X[:, 0]) * self.X[:, 1]
        self.width, self.n, self.dtype = width, 4 * width + 1, dtype

    def split(self, theta):
        h = self.width
        return theta[: 2 * h].reshape(h, 2), theta[2 * h : 3 * h], theta[3 * h : 4 * h], theta[4 * h]

    def value(self, theta):
        W, b, v, c = self.split(theta.astype(np.float64))
        return float(0.5 * np.mean((np.tanh(self.X @ W.T + b) @ v + c - self.y) ** 2))

    def slopes(self, theta):
        W, b, v, c = self.split(theta)
        a = np.tanh(self.X @ W.T + b)
        delta = (a @ v + c - self.y) / len(self.y)
        hidden = np.outer(delta, v) * (1 - a * a)
        return np.concatenate([(hidden.T @ self.X).ravel(), hidden.sum(0), a.T @ delta, [delta.sum()]])

    def gradient(self, theta):
        return self.slopes(theta.astype(np.float64)).astype(self.dtype)

    def hvp(self, theta, v):
        return (self.slopes(theta + 1e-30j * v).imag / 1e-30).astype(self.dtype)

    def hessian(self, theta):
        return np.stack([self.hvp(theta, unit) for unit in np.eye(self.n)])


def fit(solver, objective, theta, epochs):
    """The loss before, and after each step."""
    state, values = solver.start(theta), [objective.value(theta)]
    for _ in range(epochs):
        state = solver.step(objective, theta, state)
        values.append(objective.value(theta))
    return values


def newton(**settings):
    return registry.get("optimizer", "newton", **settings)


def positive_definite(n, seed=0):
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    return Q @ np.diag(np.logspace(0, 4, n)) @ Q.T


def test_newton_is_a_solver_with_its_settings():
    solver = newton(method="cg", iterations=7)
    assert isinstance(solver, Solver)
    assert class_config(solver) == {"name": "newton", "method": "cg", "iterations": 7}
    assert "hessian" not in solver.needs
    assert "hvp" not in newton(method="exact").needs


def test_an_unknown_method_is_refused():
    with pytest.raises(SettingError, match="no method 'bfgs'"):
        newton(method="bfgs")


def test_exact_lands_on_the_bottom_of_a_quadratic_in_one_step():
    bowl = Quadratic(positive_definite(12), np.arange(12.0))
    theta = np.full(12, -3.0)
    fit(newton(method="exact"), bowl, theta, 1)
    assert theta == pytest.approx(bowl.c, abs=1e-9)


def test_elementwise_lands_on_the_bottom_when_the_weights_do_not_interact():
    bowl = Quadratic(np.diag(np.logspace(-3, 3, 9)), np.arange(9.0))
    theta = np.full(9, -3.0)
    fit(newton(method="elementwise"), bowl, theta, 1)
    assert theta == pytest.approx(bowl.c, abs=1e-12)


def test_elementwise_computes_the_diagonal_by_products_above_the_limit():
    bowl = Quadratic(positive_definite(9), np.arange(9.0))
    ends = []
    for limit in (9, 8):
        theta = np.full(9, -3.0)
        fit(newton(method="elementwise", limit=limit), bowl, theta, 3)
        ends.append(theta)
    assert ends[0] == pytest.approx(ends[1], rel=1e-12)
    assert bowl.products == 3 * 9


def test_cg_reaches_the_bottom_of_a_quadratic_with_few_products():
    bowl = Quadratic(positive_definite(12), np.arange(12.0))
    values = fit(newton(method="cg"), bowl, np.full(12, -3.0), 8)
    assert values[-1] < 1e-15 * values[0]
    assert bowl.products < 100


def test_cg_stops_after_the_iterations_allowed():
    bowl = Quadratic(positive_definite(30), np.arange(30.0))
    fit(newton(method="cg", iterations=3), bowl, np.full(30, -3.0), 4)
    assert bowl.products == 12


def test_auto_is_exact_up_to_the_limit_and_cg_above():
    A = positive_definite(20)
    for limit, exact in ((20, True), (19, False)):
        bowl = Quadratic(A, np.arange(20.0))
        fit(newton(limit=limit), bowl, np.zeros(20), 1)
        assert (bowl.products == 0) == exact


@each_method
@pytest.mark.parametrize("objective", [Rosenbrock(), Saddle(), Network(), Quadratic(-np.eye(3), np.ones(3))])
def test_a_step_never_raises_the_loss(method, objective):
    rng = np.random.default_rng(1)
    for _ in range(5):
        values = fit(newton(method=method), objective, rng.normal(size=objective.n), 25)
        assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize(("method", "epochs"), [("exact", 25), ("cg", 80)])
def test_rosenbrock_is_solved(method, epochs):
    theta = np.array([-1.2, 1.0])
    fit(newton(method=method), Rosenbrock(), theta, epochs)
    assert theta == pytest.approx([1.0, 1.0], abs=1e-6)


@pytest.mark.parametrize("method", ["exact", "cg", "elementwise"])
def test_negative_curvature_is_left_downhill(method):
    theta = np.array([1e-3, 1.0])
    fit(newton(method=method), Saddle(), theta, 15)
    assert abs(theta) == pytest.approx([1.0, 0.0], abs=1e-6)


def test_exact_leaves_a_saddle_point_itself():
    theta = np.zeros(2)
    values = fit(newton(method="exact"), Saddle(), theta, 10)
    assert values[-1] == pytest.approx(-0.25)


@pytest.mark.parametrize(("method", "share"), [("exact", 1e-3), ("cg", 1e-2), ("elementwise", 0.6)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_small_network_is_fitted(method, share, seed):
    network = Network(width=10)
    theta = 0.7 * np.random.default_rng(seed).normal(size=network.n)
    values = fit(newton(method=method), network, theta, 60)
    assert values[-1] < share * values[0]


@each_method
def test_a_flat_objective_is_left_alone(method):
    flat = Quadratic(np.zeros((3, 3)), np.ones(3))
    theta = np.arange(3.0)
    fit(newton(method=method), flat, theta, 600)
    assert theta.tolist() == [0.0, 1.0, 2.0]


class Slope(Quadratic):
    """A loss with a slope and no curvature, as relu with hinge has: J = |theta|."""

    def __init__(self):
        super().__init__(np.zeros((2, 2)), np.zeros(2))

    def value(self, theta):
        return abs(theta).sum()

    def gradient(self, theta):
        return np.sign(theta)


@each_method
def test_a_slope_without_curvature_is_descended(method):
    values = fit(newton(method=method), Slope(), np.array([0.9, -1.7]), 30)
    assert values[-1] < 0.9


@each_method
def test_float32_parameters_stay_float32_and_the_loss_never_rises(method):
    network = Network(dtype=np.float32)
    theta = np.random.default_rng(0).normal(size=network.n).astype(np.float32)
    values = fit(newton(method=method), network, theta, 100)
    assert theta.dtype == np.float32
    assert (np.diff(values) <= 0).all()
    assert values[-1] < 0.5 * values[0]


@each_method
def test_a_run_taken_up_from_its_state_is_the_run_not_interrupted(method):
    network, start = Network(), np.random.default_rng(4).normal(size=25)
    whole, halves = start.copy(), start.copy()
    fit(newton(method=method), network, whole, 10)
    state = newton().start(halves)
    for _ in range(2):
        solver, state = newton(method=method), dict(state)
        for _ in range(5):
            state = solver.step(network, halves, state)
    assert halves.tobytes() == whole.tobytes()


@each_method
def test_a_fit_of_the_library_never_raises_the_loss(method):
    network = Network()
    net = fnn.Network(2, [fnn.Dense(6, "tanh"), fnn.Dense(1)], dtype="float64", seed=0)
    before = net.objective(network.X, network.y, loss="squared_error").value(net.theta)
    settings = {"loss": "squared_error", "optimizer": "newton", "method": method}
    fitted = net.fit(network.X, network.y, epochs=20, verbose=False, **settings)
    values = [before, *(row["loss"] for row in fitted)]
    assert (np.diff(values) <= 0).all()
    assert values[-1] < 0.9 * values[0]


@each_method
def test_a_loss_that_is_not_a_number_leaves_the_parameters(method):
    bowl = Quadratic(np.eye(2), np.full(2, np.nan))
    theta = np.ones(2)
    fit(newton(method=method), bowl, theta, 1)
    assert theta.tolist() == [1.0, 1.0]
