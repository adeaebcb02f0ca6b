"""Activations, as the Python that gets compiled: values against SciPy, derivatives against differences."""

import math

import numpy as np
import pytest
from scipy import special

import fastnn as fnn
from fastnn.registry import registry

SETTINGS = {
    "leaky_relu": [{}, {"alpha": 0.2}, {"alpha": -0.5}],
    "elu": [{}, {"alpha": 0.3}],
    "swish": [{}, {"beta": 2.5}, {"beta": -1.0}],
    "selu": [{}, {"alpha": 0.5, "gamma": 2.0}],
    "clip": [{}, {"low": -8.0, "high": 5.0}],
}
ACTIVATIONS = [
    registry.get("activation", name, **settings)
    for name in registry.names("activation")
    for settings in SETTINGS.get(name, [{}])
]
SCALAR = [f for f in ACTIVATIONS if isinstance(f, fnn.Activation)]
ROWS = [f for f in ACTIVATIONS if isinstance(f, fnn.RowActivation)]
ORACLES = {
    "identity": lambda z: z,
    "step": lambda z: np.heaviside(z, 0.0),
    "logistic": special.expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0.0),
    "leaky_relu": lambda z, alpha: np.where(z > 0, z, alpha * z),
    "elu": lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0))),
    "softplus": lambda z: np.logaddexp(0.0, z),
    "gelu": lambda z: z * special.ndtr(z),
    "swish": lambda z, beta: z * special.expit(beta * z),
    "selu": lambda z, alpha, gamma: gamma * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0))),
    "clip": lambda z, low, high: np.clip(z, low, high),
    "gelu_tanh": lambda z: z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
}
POINTS = [-30.0, -6.1, -2.3, -1.0, -0.37, -1e-3, 1e-3, 0.2, 0.9, 1.0, 3.7, 8.2, 30.0]


def call(activation, role, *numbers):
    """The plugin's function with the object's settings."""
    function = getattr(activation, role)
    return function(*numbers, *(activation.settings[name] for name in activation.takes(function)))


def difference(f, z, h):
    """Central difference of fourth order."""
    return (8 * (f(z + h) - f(z - h)) - (f(z + 2 * h) - f(z - 2 * h))) / (12 * h)


each = pytest.mark.parametrize("activation", SCALAR, ids=repr)
each_row = pytest.mark.parametrize("activation", ROWS, ids=repr)


def test_every_activation_of_the_library_is_here():
    assert {f.name for f in SCALAR} == set(ORACLES)
    assert [f.name for f in ROWS] == ["log_softmax", "softmax"]


@each
def test_value_equals_scipy(activation):
    for z in [*POINTS, 0.0, -0.0, 1e4, -1e4, 710.0, -710.0, 745.0, -745.0]:
        expected = float(ORACLES[activation.name](np.float64(z), **activation.settings))
        assert call(activation, "value", z) == pytest.approx(expected, rel=1e-14, abs=1e-15), z


@pytest.mark.parametrize("name", ["logistic", "softplus", "elu"])
def test_tiny_values_keep_their_digits(name):
    activation = registry.get("activation", name)
    for z in (-700.0, -300.0, -40.0, -1e-9):
        expected = float(ORACLES[name](np.float64(z), **activation.settings))
        if name == "softplus":
            expected = math.log1p(math.exp(z))
        assert call(activation, "value", z) == pytest.approx(expected, rel=1e-14), z


@each
def test_slope_equals_the_difference_of_values(activation):
    for z in POINTS:
        h = min([1e-3, *(abs(z - kink) / 4 for kink in activation.kinks)])
        expected = difference(lambda z: call(activation, "value", z), z, h)
        slope = call(activation, "slope", z, call(activation, "value", z))
        assert slope == pytest.approx(expected, rel=1e-8, abs=1e-9), z


@each
def test_curvature_equals_the_difference_of_slopes(activation):
    def slope(z):
        return call(activation, "slope", z, call(activation, "value", z))

    for z in POINTS:
        h = min([1e-3, *(abs(z - kink) / 4 for kink in activation.kinks)])
        curvature = call(activation, "curvature", z, call(activation, "value", z))
        assert curvature == pytest.approx(difference(slope, z, h), rel=1e-8, abs=1e-9), z


@each
def test_not_a_number_goes_through(activation):
    assert math.isnan(call(activation, "value", math.nan))


@each
def test_extremes_stay_finite(activation):
    for z in (1e4, -1e4, 1e30, -1e30, 5e-324, -5e-324):
        a = call(activation, "value", z)
        numbers = a, call(activation, "slope", z, a), call(activation, "curvature", z, a)
        assert all(math.isfinite(number) for number in numbers), (z, numbers)


def test_relu_has_slope_zero_at_zero():
    assert call(registry.get("activation", "relu"), "slope", 0.0, 0.0) == 0.0


def row_value(activation, z):
    a = np.empty_like(z)
    call(activation, "value", a, z)
    return a


def row_backward(activation, z, delta):
    out = np.empty_like(z)
    call(activation, "backward", out, delta, z, row_value(activation, z))
    return out


def jacobian(activation, z):
    return np.stack(
        [difference(lambda x, e=e: row_value(activation, z + x * e), 0.0, 1e-3) for e in np.eye(len(z))],
        axis=1,
    )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_softmax_equals_scipy(n, rng):
    softmax = registry.get("activation", "softmax")
    for z in (rng.normal(size=n), 1e4 * rng.normal(size=n), np.full(n, 1e4), np.full(n, -1e300)):
        assert row_value(softmax, z) == pytest.approx(special.softmax(z), rel=1e-14, abs=1e-300)


@each_row
def test_row_backward_is_the_transposed_jacobian(activation, rng):
    z, delta = rng.normal(size=(2, 5))
    assert row_backward(activation, z, delta) == pytest.approx(jacobian(activation, z).T @ delta, abs=1e-10)


@each_row
def test_row_tangent_is_the_jacobian(activation, rng):
    z, dz = rng.normal(size=(2, 5))
    out = np.empty(5)
    call(activation, "tangent", out, dz, z, row_value(activation, z))
    assert out == pytest.approx(jacobian(activation, z) @ dz, abs=1e-10)


@each_row
def test_row_backward_tangent_is_the_change_of_backward(activation, rng):
    z, dz, delta, ddelta = rng.normal(size=(4, 5))
    a, da, out = row_value(activation, z), np.empty(5), np.empty(5)
    call(activation, "tangent", da, dz, z, a)
    call(activation, "backward_tangent", out, delta, ddelta, z, dz, a, da)
    expected = difference(lambda e: row_backward(activation, z + e * dz, delta + e * ddelta), 0.0, 1e-3)
    assert out == pytest.approx(expected, abs=1e-10)


@each_row
def test_row_not_a_number_goes_through(activation):
    for j in range(3):
        z = np.array([0.5, -1.0, 2.0])
        z[j] = math.nan
        assert np.isnan(row_value(activation, z)).all()
