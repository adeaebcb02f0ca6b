"""Initializers: shape, moments, reproducibility."""

import numpy as np
import pytest

from fastnn.contracts import Initializer
from fastnn.errors import PluginError
from fastnn.registry import registry

INITIALIZERS = [registry.get("initializer", name) for name in registry.names("initializer")]
each = pytest.mark.parametrize("initializer", INITIALIZERS, ids=repr)
STANDARD_DEVIATIONS = {
    "glorot_uniform": (2 / 500) ** 0.5,
    "glorot_normal": (2 / 500) ** 0.5,
    "he_uniform": (2 / 300) ** 0.5,
    "he_normal": (2 / 300) ** 0.5,
    "normal": 0.05,
    "uniform": 0.05 / 3**0.5,
    "zeros": 0.0,
    "fill": 0.0,
    "orthogonal": (1 / 300) ** 0.5,
}


def draw(initializer, shape=(200, 300), seed=0):
    fan_in, fan_out = int(np.prod(shape[1:])), shape[0] if shape else 1
    return initializer.draw(np.random.default_rng(seed), shape, fan_in, fan_out)


@each
def test_draws_have_the_stated_mean_and_deviation(initializer):
    W = draw(initializer)
    mean = initializer.defaults.get("value", 0)
    assert W.mean() == pytest.approx(mean, abs=6 * STANDARD_DEVIATIONS[initializer.name] / W.size**0.5)
    assert W.std() == pytest.approx(STANDARD_DEVIATIONS[initializer.name], rel=0.02)


@each
@pytest.mark.parametrize("shape", [(3,), (2, 5), (5, 2), (4, 3, 2, 2), (1, 1), (0, 3), ()])
def test_draws_have_the_shape_and_float64(initializer, shape):
    W = draw(initializer, shape)
    assert W.shape == shape
    assert W.dtype == np.float64
    assert np.isfinite(W).all()


@each
def test_the_same_seed_draws_the_same(initializer):
    assert draw(initializer).tobytes() == draw(initializer).tobytes()
    if initializer.name not in ("zeros", "fill"):
        assert draw(initializer).tobytes() != draw(initializer, seed=1).tobytes()


@each
def test_gain_scales(initializer):
    if "gain" in initializer.defaults:
        assert draw(initializer(gain=2.0)) == pytest.approx(2.0 * draw(initializer))


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform", "uniform"])
def test_uniform_draws_stay_within_their_limit(name):
    assert abs(draw(registry.get("initializer", name))).max() <= STANDARD_DEVIATIONS[name] * 3**0.5


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (6, 2, 3)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    W = draw(registry.get("initializer", "orthogonal"), shape).reshape(shape[0], -1)
    gram = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    assert gram == pytest.approx(np.eye(len(gram)), abs=1e-13)


def test_orthogonal_draws_both_signs():
    signs = {float(draw(registry.get("initializer", "orthogonal"), (1, 1), seed)[0, 0]) for seed in range(20)}
    assert signs == {-1.0, 1.0}


def wrong_values(rng, shape, fan_in, fan_out):
    return np.zeros(7)


def test_a_wrong_shape_is_refused():
    with pytest.raises(PluginError, match=r"'wrong' gave the wrong shape"):
        Initializer("wrong", wrong_values).draw(np.random.default_rng(0), (2, 3), 3, 2)
