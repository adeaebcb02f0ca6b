"""Running statistics: training moves them, nothing else does, and they go wherever the parameters go."""

import pickle

import numpy as np
import pytest
from cases import labels, rows

import fastnn as fnn

QUIET = {"verbose": False, "loss": "cross_entropy", "epochs": 2, "batch_size": 8, "eta": 0.05}


def net_with_statistics(dtype="float64", seed=3):
    layers = [
        fnn.BatchNorm(activation="tanh"),
        fnn.layers.Flatten(),
        fnn.Dense(4),
        fnn.BatchNorm(),
        fnn.Dense(3),
    ]
    return fnn.Network((2, 3, 3), layers, dtype=dtype, seed=seed)


def trained(**options):
    net = net_with_statistics()
    net.fit(rows(net, 20), labels(20), **{**QUIET, **options})
    return net


def test_a_layer_declares_statistics_beside_its_parameters():
    net = net_with_statistics()
    assert list(net.statistics) == ["0/mean", "0/variance", "3/mean", "3/variance"]
    assert net.statistics["0/mean"].tolist() == [0, 0] and net.statistics["3/variance"].tolist() == [1] * 4
    assert net.running.size == 12 and net.theta.size == 2 * 2 + 18 * 4 + 4 + 2 * 4 + 4 * 3 + 3
    assert "12" not in net.summary().splitlines()[2]  # parameters only
    net.statistics["0/mean"][...] = 5
    assert net.running[:2].tolist() == [5, 5]


def test_one_step_moves_them_by_the_momentum_and_the_unbiased_variance():
    net = fnn.Network(
        (2, 3, 3), [fnn.BatchNorm(momentum=0.3), fnn.layers.Flatten(), fnn.Dense(1)], dtype="float64"
    )
    X = np.random.default_rng(0).normal(2, 3, size=(7, 2, 3, 3))
    net.fit(X, np.zeros(7), epochs=1, batch_size=7, eta=0.0, verbose=False, optimizer="sgd")
    mean, variance = X.mean(axis=(0, 2, 3)), X.var(axis=(0, 2, 3), ddof=1)
    assert net.statistics["0/mean"] == pytest.approx(0.3 * mean, rel=1e-12)
    assert net.statistics["0/variance"] == pytest.approx(0.7 + 0.3 * variance, rel=1e-12)


def test_float32_variance_keeps_its_digits_far_from_zero():
    net = fnn.Network((3, 8, 8), [fnn.BatchNorm(momentum=1.0), fnn.layers.Flatten(), fnn.Dense(1)])
    X = np.random.default_rng(1).normal(1000, 1, size=(16, 3, 8, 8)).astype("float32")
    net.fit(X, np.zeros(16), epochs=1, batch_size=16, eta=0.0, verbose=False, optimizer="sgd")
    exact = X.astype("float64").var(axis=(0, 2, 3), ddof=1)
    assert net.statistics["0/variance"] == pytest.approx(exact, rel=1e-4)  # a naive sum of squares: no digit


def test_only_training_moves_them():
    net = trained()
    before, X, y = net.running.copy(), rows(net, 20), labels(20)
    net(X), net.predict(X[0]), net.evaluate(X, y)
    C = net.objective(X, y, loss="cross_entropy")
    C.value(net.theta), C.gradient(net.theta), C.hvp(net.theta, net.theta)
    net.fit(X, y, optimizer="newton", epochs=1, verbose=False)
    assert (net.running == before).all() and (before != net_with_statistics().running).all()


def test_any_number_of_threads_gives_the_same_bits():
    one = trained(threads=1)
    for threads in (2, 3):
        other = trained(threads=threads)
        assert (other.running == one.running).all() and (other.theta == one.theta).all()


def test_they_are_saved_pickled_and_part_of_the_answer(tmp_path):
    net, X = trained(), rows(trained(), 5, seed=9)
    net.save(tmp_path / "net.safetensors")
    for other in (fnn.load(tmp_path / "net.safetensors"), pickle.loads(pickle.dumps(net))):
        assert (other.running == net.running).all() and (other(X) == net(X)).all()
    for _ in range(3):  # the third time, the compiled answer
        before = net(X)
    net.statistics["0/mean"][...] += 1
    assert (net(X) != before).all() and (net(X) == pickle.loads(pickle.dumps(net))(X)).all()


def test_a_file_without_them_is_refused_by_name(tmp_path):
    net = net_with_statistics()
    net.save(tmp_path / "net.safetensors")
    net.graph.statistics.pop("3/variance")
    net.save(tmp_path / "less.safetensors")
    with pytest.raises(fnn.StorageError, match="running statistic '3/variance'"):
        fnn.load(tmp_path / "less.safetensors")


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path):
    whole = trained(epochs=4)
    first = net_with_statistics()
    X, y = rows(first, 20), labels(20)
    first.fit(X, y, **{**QUIET, "callbacks": fnn.Checkpoint(tmp_path / "run.safetensors")})
    second = net_with_statistics()
    second.fit(X, y, **{**QUIET, "epochs": 4}, resume=tmp_path / "run.safetensors")
    assert (second.running == whole.running).all() and (second.theta == whole.theta).all()


def test_early_stopping_brings_back_the_statistics_of_the_best_epoch():
    seen = []
    watch = fnn.LambdaCallback(on_epoch_end=lambda run, row: seen.append(run.net.numbers()))
    worse = fnn.EarlyStopping(
        "loss", patience=2, mode="max"
    )  # the loss falls: the first epoch stays the best
    net = trained(epochs=6, callbacks=[watch, worse])
    assert (net.running == seen[0]["statistics"]).all() and (net.theta == seen[0]["theta"]).all()
    assert (seen[1]["statistics"] != seen[0]["statistics"]).any()


def test_divergence_puts_back_the_statistics_of_the_last_good_step():
    net = net_with_statistics()
    X, y = rows(net, 20), labels(20)
    with pytest.raises(fnn.DivergedError):
        net.fit(X, y, **{**QUIET, "eta": 1e200, "optimizer": "sgd"})
    assert np.isfinite(net.running).all() and np.isfinite(net(X)).all()


def test_an_interrupted_fit_keeps_them():
    def stop(run, row):
        raise KeyboardInterrupt

    net = trained(epochs=5, callbacks=fnn.LambdaCallback(on_epoch_end=stop))
    assert net.history.stopped == "interrupted" and (net.running == trained(epochs=1).running).all()


def test_a_batch_of_one_number_a_channel_has_variance_0_and_no_nan():
    net = fnn.Network(2, [fnn.BatchNorm(), fnn.Dense(1)], dtype="float64")
    net.fit(np.ones((3, 2)), np.zeros(3), epochs=1, batch_size=1, verbose=False)
    assert np.isfinite(net.running).all() and np.isfinite(net.theta).all()


@pytest.mark.parametrize("settings", [{"epsilon": -1}, {"momentum": 2}, {"epsilon": "a"}])
def test_settings_out_of_their_domain_are_refused(settings):
    with pytest.raises(fnn.SettingError, match="out of its domain"):
        fnn.BatchNorm(**settings)
