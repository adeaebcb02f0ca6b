"""Losses, as the Python that gets compiled: against SciPy, differences and each other; stable at extremes."""

import numpy as np
import pytest
from scipy import special

from fastnn.registry import registry

SETTINGS = {"huber": [{}, {"threshold": 0.3}], "hinge": [{}, {"margin": 0.4}]}
LOSSES = [
    registry.get("loss", name, **settings)
    for name in registry.names("loss")
    for settings in SETTINGS.get(name, [{}])
]
PROBABILITIES = ("cross_entropy", "binary_cross_entropy")
SIGNS = ("hinge", "perceptron")
ROW_CASES = [(loss, n) for loss in LOSSES if loss.row for n in (1, 2, 4)]
INDEX_CASES = [(loss, n) for loss in LOSSES if loss.index for n in (1, 2, 4)]
CASES = [(*case, "row") for case in ROW_CASES] + [(*case, "index") for case in INDEX_CASES]


def call(loss, role, *arguments):
    """The plugin's function with the object's settings."""
    function = getattr(loss, role)
    return function(*arguments, *(loss.settings[name] for name in loss.takes(function)))


def value_and_delta(loss, kind, z, y):
    delta = np.full_like(z, np.nan)
    return float(call(loss, kind, np.array(z), y, delta)), delta


def curvature_product(loss, kind, z, y, v):
    out = np.full_like(z, np.nan)
    call(loss, f"{kind}_curvature", np.array(z), y, v, out)
    return out


def target(loss, kind, n, rng):
    if kind == "index":
        return int(rng.integers(max(n, 2)))
    if loss.name in PROBABILITIES:  # those of cross_entropy need not sum to one
        return rng.uniform(size=n)
    return rng.choice([-1.0, 1.0], size=n) if loss.name in SIGNS else rng.normal(size=n)


def difference(f, h=1e-4):
    """Central difference of fourth order at 0; with these seeds no kink lies within 2 h."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


each = pytest.mark.parametrize(("loss", "n", "kind"), CASES, ids=lambda x: str(x))


@each
def test_delta_is_the_difference_of_values(loss, n, kind):
    rng = np.random.default_rng(n)
    for _ in range(20):
        z, y = 2 * rng.normal(size=n), target(loss, kind, n, rng)
        _, delta = value_and_delta(loss, kind, z, y)
        expected = [
            difference(lambda x, e=e, z=z, y=y: value_and_delta(loss, kind, z + x * e, y)[0])
            for e in np.eye(n)
        ]
        assert delta == pytest.approx(np.array(expected), rel=1e-8, abs=1e-9)


@each
def test_curvature_is_the_difference_of_deltas(loss, n, kind):
    rng = np.random.default_rng(n + 100)
    for _ in range(20):
        z, v, y = 2 * rng.normal(size=n), rng.normal(size=n), target(loss, kind, n, rng)
        out = curvature_product(loss, kind, z, y, v)
        expected = difference(lambda x, z=z, v=v, y=y: value_and_delta(loss, kind, z + x * v, y)[1])
        assert out == pytest.approx(expected, rel=1e-8, abs=1e-9)


@each
def test_not_a_number_goes_through(loss, n, kind):
    rng = np.random.default_rng(3)
    y = target(loss, kind, n, rng)
    for j in range(n):
        z = rng.normal(size=n)
        z[j] = np.nan
        assert np.isnan(value_and_delta(loss, kind, z, y)[0]), j


@each
def test_extremes_stay_finite(loss, n, kind):
    rng = np.random.default_rng(5)
    for size in (1e4, 1e8):
        for _ in range(10):
            z, y = size * rng.choice([-1.0, 1.0], size=n), target(loss, kind, n, rng)
            value, delta = value_and_delta(loss, kind, z, y)
            assert np.isfinite(value) and value >= -1e-9 * size
            assert np.isfinite(delta).all()
            assert np.isfinite(curvature_product(loss, kind, z, y, np.ones(n))).all()


@pytest.mark.parametrize("n", [2, 3, 7])
def test_cross_entropy_equals_scipy_at_extremes(n):
    loss = registry.get("loss", "cross_entropy")
    rng = np.random.default_rng(n)
    for size in (1.0, 30.0, 1e4, 1e300):
        z, y = size * rng.uniform(-1, 1, n), int(rng.integers(n))
        value, delta = value_and_delta(loss, "index", z, y)
        assert value == pytest.approx(-special.log_softmax(z)[y], rel=1e-13, abs=1e-15)
        assert delta == pytest.approx(special.softmax(z) - np.eye(n)[y], rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("z", [-1e4, -745.5, -50.0, -1e-3, 0.0, 2.0, 37.0, 1e4])
@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_equals_scipy_at_extremes(z, y):
    loss = registry.get("loss", "binary_cross_entropy")
    value, delta = value_and_delta(loss, "row", np.array([z]), np.array([y]))
    expected = -special.xlogy(y, 1.0) - y * special.log_expit(z) - (1 - y) * special.log_expit(-z)
    assert value == pytest.approx(expected, rel=1e-13)
    assert delta == pytest.approx(special.expit(z) - y, abs=1e-15)


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_class_equals_its_row_of_zeros_and_one(name, n):
    loss = registry.get("loss", name)
    rng = np.random.default_rng(n)
    for y in range(n):
        z, v = rng.normal(size=(2, n))
        by_index, by_row = value_and_delta(loss, "index", z, y), value_and_delta(loss, "row", z, np.eye(n)[y])
        assert by_index[0] == pytest.approx(by_row[0], rel=1e-14)
        assert by_index[1] == pytest.approx(by_row[1], rel=1e-13, abs=1e-15)
        curvatures = [
            curvature_product(loss, kind, z, t, v) for kind, t in (("index", y), ("row", np.eye(n)[y]))
        ]
        assert curvatures[0] == pytest.approx(curvatures[1], rel=1e-13)


@pytest.mark.parametrize("name", [*PROBABILITIES, *SIGNS])
def test_one_output_means_classes_zero_and_one(name):
    loss = registry.get("loss", name)
    for y in (0, 1):
        row = np.array([2.0 * y - 1]) if name in SIGNS else np.array([float(y)])
        for z in (-2.0, -0.3, 0.7, 3.0):
            by_index = value_and_delta(loss, "index", np.array([z]), y)
            by_row = value_and_delta(loss, "row", np.array([z]), row)
            assert by_index == by_row
            assert by_index[1][0] * (2 * y - 1) <= 0, "the step goes towards the class"


@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("n", [1, 4])
def test_link_shows_probabilities(name, n):
    loss = registry.get("loss", name)
    for z in (np.linspace(-3, 4, n), np.full(n, 1e4), np.full(n, -1e4)):
        a = np.empty(n)
        call(loss, "link", z, a)
        expected = special.softmax(z) if name == "cross_entropy" and n > 1 else special.expit(z)
        assert a == pytest.approx(expected, rel=1e-14)


def test_squared_error_has_one_half_and_sums_over_outputs():
    loss = registry.get("loss", "mse")
    value, delta = value_and_delta(loss, "row", np.array([1.0, -2.0]), np.array([4.0, 2.0]))
    assert value == 0.5 * (9 + 16)
    assert delta.tolist() == [-3.0, -4.0]


def test_huber_is_squared_error_near_and_absolute_error_far():
    huber = registry.get("loss", "huber", threshold=2.0)
    squared, absolute = registry.get("loss", "squared_error"), registry.get("loss", "absolute_error")
    near, far, zero = np.array([1.9]), np.array([-9.0]), np.zeros(1)
    assert value_and_delta(huber, "row", near, zero) == value_and_delta(squared, "row", near, zero)
    far_value, far_delta = value_and_delta(huber, "row", far, zero)
    absolute_value, absolute_delta = value_and_delta(absolute, "row", far, zero)
    assert far_value == 2.0 * (absolute_value - 1.0)
    assert far_delta == 2.0 * absolute_delta


def test_hinge_of_many_classes_pushes_the_right_class_and_its_strongest_rival():
    loss = registry.get("loss", "hinge")
    value, delta = value_and_delta(loss, "index", np.array([0.2, 3.0, 1.5, 2.5]), 2)
    assert value == 1.0 + 3.0 - 1.5
    assert delta.tolist() == [0.0, 1.0, -1.0, 0.0]
    value, delta = value_and_delta(loss, "index", np.array([0.2, 3.0, 4.5, 2.5]), 2)
    assert value == 0.0
    assert not delta.any()


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("y", [0, 1])
def test_perceptron_learns_from_a_start_at_zero(n, y):
    _, delta = value_and_delta(registry.get("loss", "perceptron"), "index", np.zeros(n), y)
    assert delta.any()


def test_the_perceptron_rule_converges_on_separable_data():
    loss, rule = registry.get("loss", "perceptron"), registry.get("optimizer", "sgd")
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 2))
    margin = X @ [2.0, -1.0] + 0.3
    X, y = X[abs(margin) > 0.1], (margin[abs(margin) > 0.1] > 0).astype(int)
    X = np.column_stack([X, np.ones(len(X))])
    w = np.zeros(3)
    for _ in range(1000):
        mistakes = 0
        for x, c in zip(X, y, strict=True):
            _, delta = value_and_delta(loss, "index", np.array([w @ x]), c)
            mistakes += bool(delta.any())
            w = np.array([rule.step(w_k, delta[0] * x_k, 1.0, 0.0) for w_k, x_k in zip(w, x, strict=True)])
        if mistakes == 0:
            break
    assert mistakes == 0
