"""A real fit that is cut and resumed is bit for bit the one that was not, whatever rides along."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.errors import SettingError, StorageError

random = np.random.default_rng(0)
X = random.normal(loc=100, scale=20, size=(90, 5))
labels = np.array(["low", "mid", "high"])[np.digitize(X[:, 0] + X[:, 1] - X[:, 2], [95, 110])]
values = np.sin(X[:, :1] / 20) + X[:, 1:2] / 100


def network(n_out=3, dtype="float32"):
    return fnn.Network(5, [fnn.Dense(8, "tanh"), fnn.Dropout(0.2), fnn.Dense(n_out)], seed=1, dtype=dtype)


def fit(net, y, epochs, **options):
    settings = {"batch_size": 16, "validation": 0.2, "scale": "standardise", "verbose": False, "seed": 3}
    return net.fit(X, y, epochs=epochs, **(settings | options))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad", "rmsprop", "gd"])
@pytest.mark.parametrize("cut", [1, 4])
def test_a_resumed_fit_is_the_whole_one(tmp_path, optimizer, cut):
    options = {"momentum": 0.9} if optimizer == "sgd" else {}
    options |= {"optimizer": optimizer, "schedule": "inverse_sqrt"}
    path = tmp_path / "run-{epoch}"
    whole, half = network(), network()
    history = fit(whole, labels, 8, callbacks=fnn.Checkpoint(path), **options)
    resumed = fit(half, labels, 8, resume=tmp_path / f"run-{cut}", **options)
    assert half.theta.tobytes() == whole.theta.tobytes() and len(resumed) == 8
    assert [row["validation_loss"] for row in resumed] == [row["validation_loss"] for row in history]
    assert half.classes.tolist() == whole.classes.tolist() and half.scaler == whole.scaler


def test_a_resumed_newton_is_the_whole_one(tmp_path):
    def net():
        return fnn.Network(5, [fnn.Dense(4, "tanh"), fnn.Dense(1)], dtype="float64")

    whole, half = net(), net()
    fit(whole, values, 5, optimizer="newton", callbacks=fnn.Checkpoint(tmp_path / "run-{epoch}"))
    fit(half, values, 5, optimizer="newton", resume=tmp_path / "run-2")
    assert half.theta.tobytes() == whole.theta.tobytes()


@pytest.mark.parametrize("cut", [2, 5, 9])
def test_early_stopping_stops_where_it_would_have(tmp_path, cut):
    def callbacks():
        return [
            fnn.Checkpoint(tmp_path / "run-{epoch}"),
            fnn.EarlyStopping(patience=3),
            fnn.CSVLog(tmp_path / "log.csv"),
        ]

    options = {"optimizer": "adam", "eta": 0.05}
    whole, half = network(), network()
    history = fit(whole, labels, 100, callbacks=callbacks(), **options)
    assert history.stopped == "early stopping" and len(history) > cut
    log = (tmp_path / "log.csv").read_text()
    resumed = fit(half, labels, 100, callbacks=callbacks(), resume=tmp_path / f"run-{cut}", **options)
    assert resumed.stopped == "early stopping" and len(resumed) == len(history)
    assert half.theta.tobytes() == whole.theta.tobytes()
    epochs = [line.split(",")[:2] for line in (tmp_path / "log.csv").read_text().splitlines()]
    assert epochs == [line.split(",")[:2] for line in log.splitlines()]


def test_a_finished_run_can_be_resumed_for_more_epochs_of_a_constant_rate(tmp_path):
    whole, half = network(), network()
    fit(whole, labels, 6)
    fit(half, labels, 3, callbacks=fnn.Checkpoint(tmp_path / "run"))
    fit(half, labels, 6, resume=tmp_path / "run")
    assert half.theta.tobytes() == whole.theta.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_network_predicts_bit_for_bit_and_takes_raw_inputs(tmp_path, dtype):
    net = network(dtype=dtype)
    fit(net, labels, 2)
    net.save(tmp_path / "m.safetensors")
    again = fnn.load(tmp_path / "m.safetensors")
    assert again.predict(X).tobytes() == net.predict(X).tobytes()
    assert again.evaluate(X, labels) == net.evaluate(X, labels)
    assert again.predict_classes(X).tolist() == net.predict_classes(X).tolist() and again.loss == net.loss


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"loss": "hinge"},
            r"they differ in loss\n  got +loss = \{'name': 'cross_entropy'\}\n  expected +loss = .*hinge",
        ),
        ({"eta": 0.5}, r"they differ in optimizer\n  got .*'adam'\}\n  expected .*'eta': 0.5"),
        ({"schedule": "cosine"}, "they differ in optimizer"),
        (
            {"scale": "min_max"},
            r"they differ in scaling\n  got +scale = 'standardise'\n  expected +scale = 'min_max'",
        ),
        (
            {"batch_size": 8, "seed": 4},
            "they differ in scaling(.|\n)*other rows",
        ),  # another seed holds out other rows
        ({"batch_size": 8, "scale": None}, r"they differ in batch\n  got +batch = 16\n  expected +batch = 8"),
    ],
)
def test_a_fit_with_another_loss_setting_or_scaling_is_refused_and_changes_nothing(
    tmp_path, options, sentence
):
    fit(network(), labels, 1, callbacks=fnn.Checkpoint(tmp_path / "run"))
    net = network()
    before = net.theta.tobytes()
    with pytest.raises(SettingError, match="the checkpoint belongs to another fit: " + sentence):
        fit(net, labels, 2, resume=tmp_path / "run", **options)
    assert net.theta.tobytes() == before and net.scaler is None and net.loss is None


def test_scaling_where_the_checkpoint_had_none_is_refused(tmp_path):
    fit(network(), labels, 1, scale=None, callbacks=fnn.Checkpoint(tmp_path / "run"))
    with pytest.raises(
        SettingError, match=r"differ in scaling\n  got +scale = None\n  expected +scale = 'standardise'"
    ):
        fit(network(), labels, 2, resume=tmp_path / "run")
    whole, half = network(), network()
    fit(half, labels, 1)  # a scaler of another fit is not taken along
    fit(whole, labels, 2, scale=None)
    fit(half, labels, 2, scale=None, resume=tmp_path / "run")
    assert half.theta.tobytes() == whole.theta.tobytes() and half.scaler is None


def test_without_scale_the_checkpoints_scaler_is_used(tmp_path):
    whole, half = network(), network()
    fit(whole, labels, 2)
    fit(network(), labels, 1, callbacks=fnn.Checkpoint(tmp_path / "run"))
    fit(half, labels, 2, scale=None, resume=tmp_path / "run")
    assert half.theta.tobytes() == whole.theta.tobytes() and half.scaler == whole.scaler


def test_another_optimizer_and_another_network_are_refused(tmp_path):
    net = network()
    fit(net, labels, 1, callbacks=fnn.Checkpoint(tmp_path / "run"))
    with pytest.raises(SettingError):
        fit(network(), labels, 2, optimizer="sgd", resume=tmp_path / "run")
    other = fnn.Network(5, [fnn.Dense(9, "tanh"), fnn.Dense(3)])
    before = other.theta.copy()
    with pytest.raises(StorageError, match="another network: they differ in layers"):
        fit(other, labels, 2, resume=tmp_path / "run")
    assert np.array_equal(other.theta, before)
    net.save(tmp_path / "model")
    with pytest.raises(StorageError, match="no state of a run"):
        fit(network(), labels, 2, resume=tmp_path / "model")
