"""Scalers do what their formulas say, keep the dtype, and undo themselves."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastnn import scaling
from fastnn.errors import DataError, SettingError, ShapeError, UnknownNameError
from fastnn.scaling import Scaler

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
tables = arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=numbers)


@given(tables)
def test_standardised_features_have_mean_0_and_deviation_1(X):
    Z = Scaler.standardise(X).transform(X)
    constant = (X == X[0]).all(axis=0)
    assert np.allclose(Z.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(Z.std(axis=0)[~constant], 1, rtol=1e-6) and (Z[:, constant] == 0).all()


@given(tables, st.floats(-3, 0), st.floats(0.5, 3))
def test_min_max_reaches_both_ends(X, low, high):
    Z = Scaler.min_max(X, low, high).transform(X)
    varies = (X != X[0]).any(axis=0)
    assert np.allclose(Z.min(axis=0), low) and np.allclose(Z.max(axis=0)[varies], high)


@given(tables, st.sampled_from(scaling.KINDS))
def test_inverse_undoes_transform(X, kind):
    scaler = scaling.make(kind, X)
    assert np.allclose(scaler.inverse(scaler.transform(X)), X, rtol=1e-9, atol=1e-6)


def test_formulas_on_known_numbers():
    X = np.array([[1.0, 10.0], [2.0, 10.0], [6.0, 10.0]])
    standard = Scaler.standardise(X)
    assert standard.shift.tolist() == [3, 10] and np.allclose(standard.scale, [np.sqrt(14 / 3), 1])
    assert Scaler.min_max(X, 2, 4).transform(X).tolist() == [[2, 2], [2.4, 2], [4, 2]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", scaling.KINDS)
def test_dtype_is_kept_and_statistics_are_float64(dtype, kind):
    X = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    scaler = scaling.make(kind, X)
    assert scaler.transform(X).dtype == dtype == scaler.inverse(X).dtype
    assert scaler.shift.dtype == scaler.scale.dtype == np.float64


def test_integers_become_float64():
    X = np.array([[0], [255]], dtype=np.uint8)
    assert Scaler.min_max(X).transform(X).dtype == np.float64


def test_a_large_offset_does_not_spoil_float32():
    X = (1e6 + np.arange(8, dtype=np.float32))[:, None]
    Z = Scaler.standardise(X).transform(X)
    assert np.allclose(Z[:, 0], (np.arange(8) - 3.5) / np.arange(8).std(), rtol=1e-6)


def test_statistics_of_float32_are_summed_in_float64():
    X = np.random.default_rng(0).uniform(1e4, 2e4, (200_000, 1)).astype(np.float32)
    scaler = Scaler.standardise(X)
    assert np.allclose(scaler.shift, X.astype(np.float64).mean(axis=0), rtol=1e-13)
    assert np.allclose(scaler.scale, X.astype(np.float64).std(axis=0), rtol=1e-13)


def test_images_are_scaled_pixel_by_pixel():
    X = np.random.default_rng(0).normal(size=(50, 1, 4, 3))
    scaler = Scaler.standardise(X)
    assert scaler.shift.shape == (1, 4, 3) and np.allclose(scaler.transform(X).std(axis=0), 1)


def test_many_rows_are_scaled_in_parts_as_in_one(monkeypatch):
    X = np.random.default_rng(0).normal(size=(101, 3))
    whole = Scaler.standardise(X).transform(X)
    monkeypatch.setattr(scaling, "_CHUNK", 10)
    assert np.allclose(Scaler.standardise(X).transform(X), whole, rtol=1e-12)


def test_a_scaler_survives_storage():
    scaler = Scaler.min_max(np.array([[1.0, 2.0], [3.0, 5.0]]), low=-1)
    again = Scaler.from_config(json.loads(json.dumps(scaler.config())), scaler.arrays())
    assert again == scaler and again != Scaler.min_max(np.eye(2))


def test_names_and_aliases():
    X = np.eye(3)
    assert (
        scaling.make("minmax", X).kind == "min_max" and scaling.make("standardize", X).kind == "standardise"
    )
    scaler = Scaler.min_max(X)
    assert scaling.make(scaler, X) is scaler
    with pytest.raises(UnknownNameError, match="did you mean 'standardise'"):
        scaling.make("standardis", X)


@pytest.mark.parametrize("kind", scaling.KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_number_is_located(kind, bad):
    X = np.ones((4, 3))
    X[2, 1] = bad
    with pytest.raises(DataError, match=f"feature 1 has {bad} in row 2"):
        scaling.make(kind, X)


@pytest.mark.parametrize("X", [np.empty((0, 3)), np.array([["a"]]), np.float64(1)])
def test_what_is_no_table_of_numbers_is_refused(X):
    with pytest.raises(DataError, match="scaling needs numbers"):
        Scaler.standardise(X)


def test_ranges_beyond_float64_are_refused():
    with pytest.raises(DataError, match="feature 0 cannot be scaled"):
        Scaler.min_max(np.array([[-1.7e308], [1.7e308]]))
    with pytest.raises(DataError, match="feature 0 cannot be scaled"):
        Scaler.standardise(np.array([[-1.7e308], [1.7e308]]))


def test_other_features_are_refused():
    scaler = Scaler.standardise(np.eye(3))
    with pytest.raises(ShapeError, match=r"got +X.shape = \(2, 4\)\n +expected +\(batch, 3\)"):
        scaler.transform(np.ones((2, 4)))


def test_low_above_high_is_refused():
    with pytest.raises(SettingError, match="low < high"):
        Scaler.min_max(np.eye(2), low=1, high=0)
