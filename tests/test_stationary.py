"""Names of places on the loss surface: known ones are named rightly, and the name does not depend on units."""

import numpy as np
import pytest

import fastnn as fnn

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 3))
VALUES = X @ np.array([1.0, -2.0, 0.5]) + 0.3 * RNG.normal(size=40)


def surface(layers, X=X, y=VALUES, loss="squared_error", dtype="float64", seed=0):
    net = fnn.Network(np.shape(X)[1:], layers, seed=seed, dtype=dtype)
    return net, net.objective(X, y, loss=loss)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_end_of_newtons_method_is_a_minimum(dtype):
    net, C = surface([fnn.Dense(3, "tanh"), fnn.Dense(1)], dtype=dtype)
    net.fit(X, VALUES, optimizer="newton", epochs=400, verbose=False)
    point = C.describe(net.theta)
    assert point.name == "minimum" and point.stationary and point.negative == 0 and point.positive > 0
    assert point.newton < 1e-4


def test_least_squares_has_a_minimum_and_nothing_else():
    _, C = surface([fnn.Dense(1)])
    best = np.linalg.lstsq(np.c_[X, np.ones(40)], VALUES, rcond=None)[0]
    point = C.describe(best)
    assert (point.name, point.positive, point.negative, point.zero) == ("minimum", 4, 0, 0)
    assert C.describe(best + 1.0).name == "slope"


def test_two_linear_layers_at_zero_are_a_saddle_point():
    _, C = surface([fnn.Dense(2), fnn.Dense(1)], y=VALUES - VALUES.mean())
    point = C.describe(np.zeros(C.n))
    assert point.name == "saddle point" and point.positive > 0 and point.negative > 0
    # H = [[0, -xy], [-xy, 0]] for every hidden unit: eigenvalues +-|xy|, and 1 for the last bias
    size = np.linalg.norm(X.T @ (VALUES - VALUES.mean()) / len(X))
    assert point.smallest == pytest.approx(-size) and (point.positive, point.negative) == (3, 2)


def test_beside_the_saddle_point_it_is_still_one_and_further_off_a_slope():
    _, C = surface([fnn.Dense(2), fnn.Dense(1)], y=VALUES - VALUES.mean())
    direction = np.random.default_rng(0).normal(size=C.n)
    assert C.describe(1e-4 * direction).name == "saddle point"
    assert C.describe(0.3 * direction).name == "slope"


@pytest.mark.parametrize("z", [-10.0, -20.0, -40.0])
def test_a_saturated_logistic_unit_is_a_plateau(z):
    _, C = surface([fnn.Dense(1, "logistic")], X=np.ones((4, 1)), y=np.ones(4))
    point = C.describe(np.array([0.0, z]))
    assert point.name == "plateau" and not point.stationary and point.left > 0.2


def test_dead_units_are_a_plateau_without_curvature():
    net, C = surface([fnn.Dense(4, "relu"), fnn.Dense(1)], y=VALUES - VALUES.mean())
    theta = net.theta.copy()
    net.theta[:] = 0
    net.parameters["0/b"][:] = -100.0
    point = C.describe(net.theta)
    assert point.negative == 0 and point.gradient < 1e-12
    assert C.describe(theta).name == "slope"


def test_three_linear_layers_at_zero_have_no_curvature_that_shows_the_saddle():
    layers = [fnn.Conv(1, kernel=1, bias=False) for _ in range(3)]
    _, C = surface([*layers, fnn.Flatten()], X=np.ones((2, 1, 1, 1)), y=np.ones(2))
    point = C.describe(np.zeros(3))
    assert point.name == "plateau" and "second derivatives see nothing" in str(point)


def test_the_top_is_a_maximum():
    _, C = surface([fnn.Dense(1, "swish")], X=np.ones((1, 1)), y=np.ones(1))
    point = C.describe(np.array([-1.2784645427610738, 0.0]))
    assert (point.name, point.positive, point.negative, point.zero) == ("maximum", 0, 1, 1)
    assert "as far as second derivatives tell" in point.sentence


def test_features_of_very_different_size_make_a_valley():
    Z = X * np.array([100.0, 1.0, 1.0])
    _, C = surface([fnn.Dense(1)], X=Z)
    theta = np.linalg.lstsq(np.c_[Z, np.ones(40)], VALUES, rcond=None)[0]
    theta[1] += 0.5  # along a small eigenvalue
    point = C.describe(theta)
    assert point.name == "valley" and point.newton > 100 * point.descent


@pytest.mark.parametrize("unit", [1e-3, 1e3])
@pytest.mark.parametrize("place", ["minimum", "saddle point", "plateau", "slope"])
def test_the_name_does_not_depend_on_the_unit_of_the_loss(place, unit):
    layers = [fnn.Dense(1, "logistic")] if place == "plateau" else [fnn.Dense(2), fnn.Dense(1)]
    y = np.ones(40) if place == "plateau" else VALUES - VALUES.mean()
    net, C = surface(layers, y=y)
    weighted = net.objective(X, y, loss="squared_error")
    weighted.value = lambda theta: unit * C.value(theta)
    weighted.gradient = lambda theta: unit * C.gradient(theta)
    weighted.hessian = lambda theta: unit * C.hessian(theta)
    theta = np.zeros(C.n)
    if place == "plateau":
        theta[3] = -15
    elif place != "saddle point":
        theta[:] = np.random.default_rng(0).normal(size=C.n)
    if place == "minimum":
        net.theta[:] = theta
        net.fit(X, y, loss="squared_error", optimizer="newton", epochs=60, verbose=False)
        theta = net.theta.copy()
    assert C.describe(theta).name == weighted.describe(theta).name == place


def test_above_the_limit_the_ends_of_the_spectrum_decide():
    net, C = surface([fnn.Dense(6), fnn.Dense(1)], y=VALUES - VALUES.mean())
    whole, ends = C.describe(np.zeros(C.n)), C.describe(np.zeros(C.n), limit=10)
    assert whole.counted and not ends.counted
    assert whole.name == ends.name == "saddle point" and "at the ends" in str(ends)
    assert ends.smallest == pytest.approx(whole.smallest)
    net.fit(X, VALUES, loss="squared_error", optimizer="newton", epochs=60, verbose=False)
    C = net.objective(X, VALUES, loss="squared_error")
    assert C.describe(net.theta, limit=10).name == C.describe(net.theta).name == "minimum"


def test_a_loss_that_is_not_finite_is_refused():
    _, C = surface([fnn.Dense(1)])
    with pytest.raises(fnn.DivergedError):
        C.describe(np.full(C.n, np.nan))


def test_a_tolerance_that_is_no_part_is_refused():
    net, C = surface([fnn.Dense(1)])
    with pytest.raises(fnn.SettingError):
        C.describe(net.theta, tolerance=2.0)


def test_a_network_that_has_learned_it_all_is_told_from_one_that_is_stuck():
    """Cross-entropy of separable data is least at infinity: flat, but hardly any loss is left."""
    X = np.array([[-1.0], [1.0]])
    _, C = surface([fnn.Dense(1)], X=X, y=np.array([0.0, 1.0]), loss="binary_cross_entropy")
    learned, stuck = C.describe(np.array([25.0, 0.0])), C.describe(np.array([0.0, 0.0]))
    assert learned.name == "plateau" and learned.height < 1e-8 and "hardly any loss is left" in str(learned)
    assert stuck.height == 1.0
