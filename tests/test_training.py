"""fit against loops written out in NumPy; order, weights, validation, callbacks, dropout; what happens when it goes wrong."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from cases import chain, labels, rows

import fastnn as fnn

QUIET = {"verbose": False, "threads": 1}


def network(dtype="float64", n_out=2):
    return fnn.Network(3, [fnn.Dense(4, "tanh"), fnn.Dense(n_out)], seed=1, dtype=dtype)


def numpy_gradient(parameters, X, y, weights):
    """Backpropagation by hand for `network` and squared error, in the letters of the notes: mean loss, gradients."""
    W1, b1, W2, b2 = parameters
    a1 = np.tanh(X @ W1.T + b1)
    z2 = a1 @ W2.T + b2
    delta2 = (z2 - y) * weights[:, None] / len(X)
    delta1 = delta2 @ W2 * (1 - a1**2)
    loss = (0.5 * weights * ((z2 - y) ** 2).sum(axis=1)).mean()
    return loss, [delta1.T @ X, delta1.sum(axis=0), delta2.T @ a1, delta2.sum(axis=0)]


def numpy_fit(net, X, y, update, epochs, batch, weights=None):
    """Parameters and losses of an unshuffled fit; update(w, g, state, t) -> w."""
    parameters = [view.copy() for view in net.parameters.values()]
    states = [{} for _ in parameters]
    weights = np.ones(len(X)) if weights is None else weights * len(X) / weights.sum()
    losses, t = [], 0
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(X), batch):
            part = slice(start, start + batch)
            loss, gradients = numpy_gradient(parameters, X[part], y[part], weights[part])
            total += loss * len(X[part])
            parameters = [update(w, g, s, t) for w, g, s in zip(parameters, gradients, states, strict=True)]
            t += 1
        losses.append(total / len(X))
    return np.concatenate([w.ravel() for w in parameters]), losses


def data(n, n_out=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(n, n_out))


def check_fit(net, X, y, update, epochs, batch, weights=None, rel=1e-10, **options):
    expected, losses = numpy_fit(net, X, y, update, epochs, batch, weights)
    options = {
        "loss": "squared_error",
        "epochs": epochs,
        "batch_size": batch,
        "sample_weight": weights,
        "shuffle": False,
    } | options
    history = net.fit(X, y, **(QUIET | options))
    assert np.abs(net.theta - expected).max() <= rel * np.abs(expected).max()
    assert history.column("loss") == pytest.approx(losses, rel=1e-12)


def descend(eta):
    return lambda w, g, state, t: w - eta * g


def adagrad(eta):
    def update(w, g, state, t):
        state["sum"] = state.get("sum", 0) + g**2
        return w - eta * g / (np.sqrt(state["sum"]) + 1e-10)

    return update


# every way in which the last batch can be short, one row over a cache line of weights included
@pytest.mark.parametrize(
    ("n", "batch"),
    [(1, 1), (5, 8), (8, 8), (9, 8), (15, 8), (65, 64), (130, 64), (97, 32), (40, 39), (200, 3)],
)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_minibatches_and_a_short_last_one_equal_the_loop_in_numpy(n, batch, weighted):
    X, y = data(n)
    weights = np.random.default_rng(2).uniform(0.2, 3, n) if weighted else None
    check_fit(network(), X, y, descend(0.1), 3, batch, weights, optimizer="sgd", eta=0.1)


def test_gd_takes_all_rows_and_eta_over_the_root_of_the_step():
    X, y = data(30)
    check_fit(
        network(), X, y, lambda w, g, s, t: w - 0.3 * g / np.sqrt(t + 1), 50, 30, optimizer="gd", eta=0.3
    )
    net, other = network(), network()
    net.fit(
        X, y, loss="squared_error", optimizer="gd", eta=0.3, epochs=5, batch_size=4, shuffle=False, **QUIET
    )
    other.fit(
        X, y, loss="squared_error", optimizer="gd", eta=0.3, epochs=5, batch_size=30, shuffle=False, **QUIET
    )
    assert (net.theta == other.theta).all(), "gd takes the whole training set, whatever batch_size says"


def test_adagrad_equals_the_formula_of_the_notes():
    X, y = data(30)
    check_fit(network(), X, y, adagrad(0.1), 10, 7, optimizer="adagrad", eta=0.1)


@pytest.mark.parametrize("schedule", ["constant", "inverse_sqrt", "cosine"])
def test_the_schedule_gives_the_rate_of_every_step(schedule):
    X, y = data(20)
    rates = fnn.registry.get("schedule", schedule, warmup=5).rates(
        0.2, np.arange(9 * 3), steps=27, epoch_steps=3
    )
    chosen = fnn.registry.get("schedule", schedule, warmup=5)
    net = network()
    check_fit(net, X, y, lambda w, g, s, t: w - rates[t] * g, 9, 8, optimizer="sgd", eta=0.2, schedule=chosen)
    assert net.history.column("eta") == pytest.approx(rates[2::3])


def test_weights_count_as_repeated_rows():
    X, y = data(8)
    k = np.array([1, 2, 0, 3, 1, 1, 4, 0])
    weighted, repeated = network(), network()
    options = {"loss": "squared_error", "optimizer": "gd", "eta": 0.3, "epochs": 40, "shuffle": False} | QUIET
    weighted.fit(X, y, sample_weight=k, **options)
    repeated.fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0), **options)
    assert weighted.theta == pytest.approx(repeated.theta, rel=1e-10)
    assert weighted.history[-1]["loss"] == pytest.approx(repeated.history[-1]["loss"], rel=1e-12)
    assert weighted.evaluate(X, y, sample_weight=k)["loss"] == pytest.approx(
        repeated.evaluate(np.repeat(X, k, 0), np.repeat(y, k, 0))["loss"]
    )


def test_class_weights_are_the_weights_of_their_rows():
    X, y = data(40)[0], np.array(["a", "b", "b", "b", "c"] * 8)
    options = {"loss": "cross_entropy", "optimizer": "sgd", "epochs": 5, "batch_size": 7} | QUIET

    def fitted(**weights):
        net = network(n_out=3)
        net.fit(X, y, **options, **weights)
        return net.theta

    by_class = fitted(class_weight={"a": 2.0, "c": 0.5})
    assert by_class == pytest.approx(
        fitted(sample_weight=np.where(y == "a", 2.0, np.where(y == "c", 0.5, 1.0))), rel=1e-12
    )
    balanced = fitted(class_weight="balanced")
    assert balanced == pytest.approx(fitted(sample_weight=np.where(y == "b", 1.0, 3.0)), rel=1e-12)
    both = fitted(class_weight={"a": 2.0}, sample_weight=np.arange(1.0, 41))
    assert both == pytest.approx(
        fitted(sample_weight=np.arange(1.0, 41) * np.where(y == "a", 2.0, 1.0)), rel=1e-12
    )


def pull(z, y, delta):
    """dL/dz = 1, whatever z is: what a row adds to W then tells how often and with what weight it was used."""
    total = 0.0
    for j in range(len(z)):
        delta[j] = 1.0
        total += z[j] - y[j]
    return total


PULL = fnn.Loss("pull", row=pull)


def use_of_rows(n, epochs, batch, **options):
    """How much every row moved its own weight in an epoch, in units of eta: the sum of 1 / (rows of its batch)."""
    net = fnn.Network(n, [fnn.Dense(1, initializer="zeros")], dtype="float64")
    options = (
        {"loss": PULL, "optimizer": "sgd", "eta": 1.0, "epochs": epochs, "batch_size": batch}
        | QUIET
        | options
    )
    net.fit(np.eye(n), np.zeros(n), **options)
    return -net.parameters["0/W"].ravel()


def test_an_epoch_uses_every_row_once():
    used = use_of_rows(10, 1, 4, shuffle=True, seed=3)
    assert sorted(used) == [0.25] * 8 + [0.5] * 2  # the last batch has two rows
    assert use_of_rows(10, 1, 4, shuffle=False).tolist() == [0.25] * 8 + [0.5] * 2


def test_every_epoch_has_an_order_of_its_own():
    n, epochs = 30, 40
    used = use_of_rows(n, epochs, 29, shuffle=True, seed=1)  # one row an epoch is alone in its batch
    alone = np.round((used - epochs / 29) / (1 - 1 / 29)).astype(int)
    assert alone.sum() == epochs and np.count_nonzero(alone) > 15
    assert (use_of_rows(n, epochs, 29, shuffle=True, seed=1) == used).all()
    assert (use_of_rows(n, epochs, 29, shuffle=True, seed=2) != used).any()


def test_held_out_rows_are_never_trained_on():
    used = use_of_rows(20, 3, 4, validation=0.25, seed=5)
    assert np.count_nonzero(used == 0) == 5 and used.sum() == pytest.approx(3 * 4)
    assert ((use_of_rows(20, 3, 4, validation=0.25, seed=5) == 0) == (used == 0)).all()
    assert ((use_of_rows(20, 3, 4, validation=0.25, seed=6) == 0) != (used == 0)).any()


def test_validation_scores_are_those_of_evaluate():
    net = network(n_out=3)
    X, y = data(40)[0], labels(40)
    history = net.fit(X[:30], y[:30], loss="cross_entropy", epochs=3, validation=(X[30:], y[30:]), **QUIET)
    scores = net.evaluate(X[30:], y[30:])
    assert (
        history[-1]["validation_loss"] == scores["loss"]
        and history[-1]["validation_accuracy"] == scores["accuracy"]
    )
    assert len(history.column("validation_loss")) == 3


def test_validation_is_scaled_and_labelled_as_the_training_rows_are():
    X, y = 1000 + 50 * data(40)[0], np.array(["no", "yes", "so"])[labels(40)]
    net = network(n_out=3)
    history = net.fit(
        X[:30],
        y[:30],
        loss="cross_entropy",
        epochs=3,
        validation=(X[30:], y[30:]),
        scale="standardise",
        **QUIET,
    )
    assert history[-1]["validation_loss"] == pytest.approx(net.evaluate(X[30:], y[30:])["loss"], rel=1e-14)
    assert history[-1]["validation_loss"] < 5


def test_a_label_only_seen_in_the_held_out_part_is_no_surprise():
    y = np.array(["common"] * 39 + ["rare"])
    for seed in range(20):
        network(n_out=2).fit(data(40)[0], y, epochs=1, validation=0.2, seed=seed, **QUIET)


def test_early_stopping_puts_the_best_parameters_back():
    X, y = data(60, n_out=1)
    kept = []
    watch = fnn.LambdaCallback(on_epoch_end=lambda run, row: kept.append(run.net.theta.copy()))
    net = fnn.Network(3, [fnn.Dense(40, "tanh"), fnn.Dense(1)], seed=0, dtype="float64")
    stopping = fnn.EarlyStopping(patience=4)
    history = net.fit(
        X, y, loss="squared_error", eta=0.02, epochs=500, validation=0.3, callbacks=[watch, stopping], **QUIET
    )
    losses = history.column("validation_loss")
    assert history.stopped == "early stopping" and len(history) < 500
    assert stopping.best_epoch == losses.argmin() + 1 and (net.theta == kept[losses.argmin()]).all()


def test_training_lowers_the_loss_of_every_built_in_optimizer():
    X, y = data(60, n_out=1)
    y = np.sin(X[:, :1]) + 0.1 * y
    for name in fnn.registry.names("optimizer"):
        net = network(n_out=1)
        history = net.fit(X, y, loss="squared_error", optimizer=name, epochs=60, batch_size=8, **QUIET)
        assert history[-1]["loss"] < history[0]["loss"], name


def test_a_fit_of_no_epochs_changes_nothing():
    net = network()
    before = net.theta.copy()
    assert len(net.fit(*data(5), epochs=0, **QUIET)) == 0
    assert (net.theta == before).all()


def test_a_second_fit_goes_on_from_where_the_first_ended():
    X, y = data(20)
    parts, whole = network(), network()
    options = {
        "loss": "squared_error",
        "optimizer": "sgd",
        "eta": 0.1,
        "batch_size": 5,
        "shuffle": False,
    } | QUIET
    for _ in range(3):
        parts.fit(X, y, epochs=2, **options)
    whole.fit(X, y, epochs=6, **options)
    assert (parts.theta == whole.theta).all()


def test_the_history_has_a_row_an_epoch_and_nothing_is_printed(capsys):
    net = network()
    history = net.fit(*data(20), epochs=4, **QUIET)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4] and net.history is history
    assert {"loss", "eta", "seconds", "samples_per_second"} <= set(history[0])
    assert capsys.readouterr() == ("", "")


def test_the_kind_of_y_chooses_the_loss():
    X = data(12)[0]
    for y, n_out, name in ((labels(12), 3, "cross_entropy"), (np.array(["a", "b", "c"] * 4), 3, "cross_entropy"),
                           (labels(12, 2) > 0, 1, "cross_entropy"), (data(12)[1], 2, "squared_error")):  # fmt: skip
        net = network(n_out=n_out)
        net.fit(X, y, epochs=1, **QUIET)
        assert net.loss.name == name


@pytest.mark.parametrize(
    "y",
    [
        np.array([[1], [0], [1], [1]]),
        np.array([1, 0, 1, 1]),
        [True, False, True, True],
        ["x", "a", "x", "x"],
        [7, -3, 7, 7],
    ],
)
@pytest.mark.parametrize("loss", ["hinge", "perceptron", "binary_cross_entropy", "cross_entropy"])
def test_two_classes_on_one_output_are_labels_in_any_clothes(loss, y):
    X = np.array([[2.0, 1, 0], [-1, -2, 0], [1, 1, 0.5], [3, 0, 1]])
    net = fnn.Network(3, [fnn.Dense(1)], dtype="float64", seed=2)
    net.fit(X, y, loss=loss, optimizer="sgd", eta=0.5, epochs=50, batch_size=4, **QUIET)
    assert net.evaluate(X, y)["accuracy"] == 1.0
    assert net.predict_classes(X).tolist() == np.ravel(y).tolist()


@pytest.mark.parametrize("method", ["exact", "cg", "elementwise"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_newton_never_raises_the_loss(method, seed):
    X, y = data(25, n_out=1, seed=seed)
    net = fnn.Network(3, [fnn.Dense(4, "tanh"), fnn.Dense(1)], seed=seed, dtype="float64")
    start = net.evaluate(X, y, loss="squared_error")["loss"]
    losses = net.fit(
        X, y, loss="squared_error", optimizer="newton", method=method, epochs=15, **QUIET
    ).column("loss")
    assert (np.diff([start, *losses]) <= 0).all() and losses[-1] < 0.9 * start


def test_newton_solves_least_squares_in_one_step():
    X, y = data(25)
    net = fnn.Network(3, [fnn.Dense(2)], dtype="float64")
    net.fit(X, y, loss="squared_error", optimizer="newton", epochs=1, **QUIET)
    design = np.column_stack([X, np.ones(25)])
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    assert net(X) == pytest.approx(design @ best, rel=1e-10)


def bare_value(z):
    return z * z


def bare_slope(z, a):
    return 2 * z


def test_newton_is_refused_before_training_where_a_second_derivative_lacks():
    net = fnn.Network(
        3, [fnn.Dense(4, fnn.Activation("bare", bare_value, bare_slope)), fnn.Dense(2)], dtype="float64"
    )
    before, seen = net.theta.copy(), []
    watch = fnn.LambdaCallback(on_train_begin=lambda run: seen.append(1))
    with pytest.raises(
        fnn.CapabilityError, match=r"newton needs .*hvp.*, but activation 'bare' has no curvature"
    ):
        net.fit(*data(9), loss="squared_error", optimizer="newton", callbacks=watch, **QUIET)
    assert (net.theta == before).all() and not seen and net.loss is None


def test_a_float32_fit_follows_the_float64_one():
    X, y = data(64)
    nets = [network(dtype) for dtype in ("float32", "float64")]
    for net in nets:
        net.fit(X, y, loss="squared_error", optimizer="adam", epochs=20, batch_size=16, **QUIET)
    assert nets[0].theta.dtype == np.float32
    assert nets[0].theta == pytest.approx(nets[1].theta, rel=1e-3, abs=1e-4)


def test_a_fit_prints_where_no_terminal_is_few_lines():
    code = "import fastnn as fnn, numpy as np\nfnn.Network(2, [fnn.Dense(1)]).fit(np.ones((9, 2)), np.ones(9), epochs=500)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    lines = [line for line in done.stderr.splitlines() if re.match("epoch", line)]
    assert 2 <= len(lines) <= 20 and done.stdout == ""


def test_networks_of_a_chain_train_in_either_dtype_on_one_row():
    for dtype in ("float32", "float64"):
        net = chain(dtype=dtype)
        net.fit(rows(net, 1), [0], epochs=2, loss="cross_entropy", **QUIET)
        assert np.isfinite(net.theta).all()
