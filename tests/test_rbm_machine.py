"""What a user of RBM and DeepBelief relies on: the same bits, files, Ctrl-C, refusals in sentences, networks that come out of a stack."""

import _thread
import pickle
import threading

import numpy as np
import pytest

import fastnn as fnn

QUIET = {"verbose": False}
DIGITS = fnn.datasets.load("digits")
X = DIGITS.X[:500] / 16


@pytest.mark.parametrize("settings", [{}, {"k": 2, "persistent": 30}, {"mean_field": True}], ids=str)
def test_the_bits_do_not_depend_on_the_number_of_threads(settings):
    """The last batch is short, and the weights are many enough that outputs are dealt out in place of samples."""
    found = []
    for threads in (1, 2, 3):
        rbm = fnn.RBM(64, 300, seed=3)
        rbm.fit(X[:230], epochs=2, batch_size=100, threads=threads, momentum=0.5, **settings, **QUIET)
        found.append(rbm.theta.tobytes() + rbm.chains.tobytes())
    assert found[0] == found[1] == found[2]


def test_the_same_seed_draws_the_same_and_another_does_not():
    rbm = fnn.RBM(64, 20, seed=1, scale=0.3)
    assert np.array_equal(rbm.gibbs(X, 3, seed=5), rbm.gibbs(X, 3, seed=5))
    assert not np.array_equal(rbm.gibbs(X, 3, seed=5), rbm.gibbs(X, 3, seed=6))
    one, two = (fnn.RBM(64, 20, seed=s) for s in (1, 2))
    assert not np.array_equal(one.W, two.W)


def test_steps_of_gibbs_sampling_differ_from_each_other():
    rbm = fnn.RBM(8, 4, scale=0)  # every unit is a coin
    drawn = [rbm.gibbs(np.zeros((50, 8)), steps, seed=0) for steps in (1, 2, 3)]
    assert all(0.4 < V.mean() < 0.6 for V in drawn)
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_hidden_and_visible_units_are_drawn_from_different_random_numbers():
    rbm = fnn.RBM(8, 8, scale=0, dtype="float64")
    h = rbm.sample_hidden(np.zeros((50, 8)), seed=0)
    v = rbm.gibbs(np.zeros((50, 8)), 1, seed=0)
    assert 0.35 < (h == v).mean() < 0.65


def test_transform_is_what_a_dense_layer_gives():
    rbm = fnn.RBM(64, 30, seed=0, scale=0.2)
    net = fnn.Network(64, [fnn.Dense(30, "logistic")])
    net.parameters["0/W"][...], net.parameters["0/b"][...] = rbm.W, rbm.b
    assert rbm.transform(X).tobytes() == net(X).tobytes()


def test_the_history_is_the_reconstruction_error_and_falls():
    rbm = fnn.RBM(64, 40, seed=0)
    history = rbm.fit(X, epochs=40, batch_size=20, mean_field=True, validation=0.2, **QUIET)
    losses = [row["loss"] for row in history]
    assert losses[-1] < 0.6 * losses[0]
    assert history[-1]["validation_loss"] == pytest.approx(losses[-1], rel=0.3)
    assert rbm.reconstruction_error(X) == pytest.approx(losses[-1], rel=0.3)


def test_momentum_and_checkpoints_go_on_as_if_nothing_had_been(tmp_path):
    whole, half = fnn.RBM(64, 10, seed=0), fnn.RBM(64, 10, seed=0)
    settings = {"batch_size": 50, "momentum": 0.9, "persistent": True, **QUIET}
    whole.fit(X, epochs=4, **settings)
    path = tmp_path / "rbm.safetensors"
    half.fit(X, epochs=4, callbacks=[fnn.Checkpoint(path), Stop(2)], **settings)
    half.fit(X, epochs=4, resume=path, **settings)
    assert whole.theta.tobytes() == half.theta.tobytes()
    assert np.array_equal(whole.chains, half.chains)


class Stop(fnn.Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, run, row):
        if run.epoch == self.epochs:
            run.stop("enough")


def test_ctrl_c_keeps_the_machine_as_it_is():
    rbm = fnn.RBM(64, 200, seed=0)
    before = rbm.theta.copy()
    timer = threading.Timer(0.4, _thread.interrupt_main)
    timer.start()
    history = rbm.fit(X, epochs=1_000_000, **QUIET)
    assert history.stopped == "interrupted"
    assert np.isfinite(rbm.theta).all() and not np.array_equal(rbm.theta, before)


def test_a_diverging_fit_says_so_and_leaves_finite_numbers():
    rbm = fnn.RBM(64, 20, "gaussian", seed=0)
    with pytest.raises(fnn.DivergedError, match="not finite at step"):
        rbm.fit(100 * X, epochs=200, eta=10.0, **QUIET)
    assert np.isfinite(rbm.theta).all()


@pytest.mark.parametrize("settings", [{}, {"persistent": 10}], ids=str)
def test_files_and_copies_give_back_every_bit(tmp_path, settings):
    rbm = fnn.RBM(64, 12, hidden="gaussian", seed=4)
    rbm.fit(X, epochs=1, **settings, **QUIET)
    rbm.save(tmp_path / "rbm.safetensors")
    belief = fnn.DeepBelief([64, 16, 4], code="gaussian", seed=1)
    belief.fit(X, epochs=1, **settings, **QUIET)
    belief.save(tmp_path / "belief.safetensors")
    for one, path in ((rbm, "rbm"), (belief, "belief")):
        for other in (fnn.load(tmp_path / f"{path}.safetensors"), pickle.loads(pickle.dumps(one))):
            assert type(other) is type(one) and repr(other) == repr(one)
            assert other.transform(X).tobytes() == one.transform(X).tobytes()
            assert [a.tobytes() for a in other.statistics.values()] == [
                a.tobytes() for a in one.statistics.values()
            ]


def test_a_stack_trains_each_layer_on_the_means_of_the_one_below():
    belief = fnn.DeepBelief([64, 32, 16], seed=7)
    belief.fit(X, epochs=[3, 2], batch_size=50, eta=[0.1, 0.05], **QUIET)
    first, second = fnn.RBM(64, 32, seed=7), fnn.RBM(32, 16, seed=8)
    first.fit(X, epochs=3, batch_size=50, eta=0.1, **QUIET)
    second.fit(first.transform(X), epochs=2, batch_size=50, eta=0.05, **QUIET)
    assert belief.layers[0].theta.tobytes() == first.theta.tobytes()
    assert belief.layers[1].theta.tobytes() == second.theta.tobytes()


def test_unrolling_gives_the_network_that_reconstructs_and_fine_tuning_betters_it():
    belief = fnn.DeepBelief([64, 32, 8], code="gaussian", seed=0)
    belief.fit(X, epochs=10, batch_size=20, eta=[0.1, 0.005], mean_field=True, **QUIET)
    net = belief.unroll()
    np.testing.assert_allclose(net.predict(X), belief.reconstruct(X), rtol=0, atol=1e-6)
    np.testing.assert_allclose(belief.encoder()(X), belief.transform(X), rtol=0, atol=1e-6)
    before = np.square(net.predict(X) - X).sum(axis=1).mean()
    net.fit(X, X, epochs=10, eta=0.003, **QUIET)
    assert np.square(net.predict(X) - X).sum(axis=1).mean() < 0.8 * before


def test_a_classifier_begins_with_the_weights_of_the_stack():
    belief = fnn.DeepBelief([64, 50], seed=0)
    belief.fit(X, epochs=10, batch_size=20, **QUIET)
    net = belief.classifier(10)
    assert np.array_equal(net.parameters["encoder0/W"], belief.layers[0].W)
    net.fit(X, DIGITS.y[:500], epochs=20, batch_size=20, eta=0.01, **QUIET)
    assert net.evaluate(X, DIGITS.y[:500])["accuracy"] > 0.97


REFUSED = [
    (lambda: fnn.RBM(4, 2, "bernoulli"), fnn.UnknownNameError, "unknown kind of units 'bernoulli'"),
    (lambda: fnn.RBM(4, 2, "gaussian", "gaussian"), fnn.SettingError, "Gaussian units on both sides"),
    (lambda: fnn.RBM(0, 2), fnn.SettingError, "n_visible"),
    (lambda: fnn.RBM(64, 2).fit(DIGITS.X, **QUIET), fnn.DataError, "binary units take numbers from 0 to 1"),
    (lambda: fnn.RBM(64, 2).fit(X, k=0, **QUIET), fnn.SettingError, "k is not a whole number"),
    (lambda: fnn.RBM(64, 2).fit(X, weight_decay=-1, **QUIET), fnn.SettingError, "weight_decay is no rate"),
    (lambda: fnn.RBM(64, 2).fit(X, epoch=3, **QUIET), fnn.SettingError, "epochs"),
    (lambda: fnn.RBM(63, 2).transform(X), fnn.ShapeError, "does not fit"),
    (lambda: fnn.DeepBelief([64]), fnn.ShapeError, "two layers of units"),
    (lambda: fnn.DeepBelief([64, 2]).fit(X, eta=[0.1, 0.2], **QUIET), fnn.SettingError, "another length"),
]


@pytest.mark.parametrize(
    ("call", "error", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_cannot_be_is_refused_in_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
