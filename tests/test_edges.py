"""Inputs at the edge: each is taken for what it is, or refused in a sentence."""

import math

import numpy as np
import pytest

import fastnn as fnn

rng = np.random.default_rng(0)
X, y = rng.normal(size=(60, 4)), np.arange(60) % 3
QUIET = {"epochs": 1, "verbose": False}


def net(n_out=3, **options):
    return fnn.Network(4, [fnn.Dense(n_out)], **options)


def row(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        delta[j] = math.exp(z[j]) - y[j]
        value += math.exp(z[j]) - y[j] * z[j]
    return value


def link(z, a):
    for j in range(len(z)):
        a[j] = math.exp(z[j])


def too_long(eta, t):
    return np.full(len(t) + 1, eta)


def not_finite(rng, shape, fan_in, fan_out):
    return np.full(shape, np.nan)


def test_rmse_is_of_what_predict_shows():
    counts = rng.poisson(np.exp(0.3 * X[:, :1])).astype(float)
    model = net(1, dtype="float64")
    model.fit(X, counts, loss=fnn.Loss("poisson", row=row, link=link), validation=(X, counts), **QUIET)
    rmse = np.sqrt(np.mean((model.predict(X) - counts) ** 2))
    assert model.evaluate(X, counts)["rmse"] == pytest.approx(rmse, rel=1e-12)
    assert model.history[-1]["validation_rmse"] == pytest.approx(rmse, rel=1e-12)


def test_no_rows_have_no_loss():
    assert np.isnan(list(net().evaluate(X[:0], y[:0]).values())).all()


@pytest.mark.parametrize("batch", [0, -1, 1.5, "4", True, None])
def test_a_plan_is_for_a_number_of_rows(batch):
    with pytest.raises(fnn.SettingError):
        net().plan(batch=batch)


def test_a_plan_of_an_unknown_mode_is_refused():
    with pytest.raises(fnn.UnknownNameError, match="gradient"):
        net().plan(mode="gradients")


@pytest.mark.parametrize("name", ["0", "", "@x", 3, None])
def test_a_layer_has_a_name_of_its_own(name):
    with pytest.raises(fnn.FastnnError, match="cannot be called"):
        net().apply(name, fnn.Dense(2), net().input)


def test_schedules_and_initializers_that_give_nonsense_are_refused():
    with pytest.raises(fnn.PluginError, match="wrong shape"):
        net().fit(X, y, schedule=fnn.Schedule("too_long", too_long), **QUIET)
    with pytest.raises(fnn.PluginError, match="not finite"):
        fnn.Network(4, [fnn.Dense(3, initializer=fnn.Initializer("not_finite", not_finite))])


def test_validation_may_be_a_list_or_nothing():
    (given,) = net().fit(X, y, validation=[X, y], **QUIET)
    assert given == {**given, "validation_loss": given["validation_loss"]}
    (given,) = net().fit(X, y, validation=None, **QUIET)
    assert "validation_loss" not in given


def test_masked_values_are_missing_values():
    with pytest.raises(fnn.DataError, match="masked"):
        net()(np.ma.masked_greater(X, 1))
    np.testing.assert_array_equal(net()(np.ma.array(X)), net()(X))


def test_labels_may_be_bytes():
    model = net()
    model.fit(X, np.array([b"a", b"b", b"c"])[y], **QUIET)
    assert model.classes.tolist() == ["a", "b", "c"]
    model.evaluate(X, np.array(["a", "b", "c"])[y])


@pytest.mark.parametrize("path", ["", ".", "a\0b"])
def test_a_network_is_not_saved_where_no_file_can_be(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fnn.StorageError, match="cannot write"):
        net().save(path)


def test_the_home_folder_is_known_for_reading_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    net().save("~/net.safetensors")
    assert fnn.load("~/net.safetensors").theta.size == 15


def test_a_file_that_needs_a_plugin_says_so(tmp_path):
    class Twice:
        name = "twice"

        def __call__(self, net, a):
            return net.op("add", a, a)

    fnn.Network(4, [Twice()]).save(tmp_path / "net.safetensors")
    with pytest.raises(fnn.StorageError, match="unknown layer 'twice'"):
        fnn.load(tmp_path / "net.safetensors")
