"""What the perceptron can and cannot: separable data by its rule, XOR never, and XOR by one hidden layer."""

import numpy as np
import pytest

import fastnn as fnn

QUIET = {"verbose": False, "threads": 1}
XOR_X, XOR_Y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def separable(n, margin, seed):
    """Points of two classes, none nearer to the line between them than `margin`; the line does not pass through 0."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (20 * n, 2))
    side = X @ [0.6, -0.8] + 0.2
    keep = abs(side) > margin
    return X[keep][:n], (side[keep][:n] > 0).astype(int)


@pytest.mark.parametrize("seed", range(5))
def test_the_perceptron_rule_converges_on_separable_data(seed):
    X, y = separable(100, 0.1, seed)
    net = fnn.Network(2, [fnn.Dense(1, initializer="zeros")], dtype="float64")
    history = net.fit(
        X, y, loss="perceptron", optimizer="sgd", eta=1.0, batch_size=1, epochs=200, seed=seed, **QUIET
    )
    assert net.evaluate(X, y) == {"loss": 0.0, "accuracy": 1.0}
    mistakes = (2 * y - 1) * net(X)[:, 0] <= 0
    assert not mistakes.any() and history[-1]["loss"] == 0.0


def test_a_step_of_the_rule_adds_the_misread_sample():
    """w <- w + s x where sign(w x + b) is wrong, and nothing where it is right (Rosenblatt, 1958)."""
    net = fnn.Network(2, [fnn.Dense(1, initializer="zeros")], dtype="float64")
    options = {
        "loss": "perceptron",
        "optimizer": "sgd",
        "eta": 1.0,
        "batch_size": 1,
        "epochs": 1,
        "shuffle": False,
    } | QUIET
    net.fit([[3.0, -1.0]], [1], **options)
    assert net.theta.tolist() == [3.0, -1.0, 1.0]
    net.fit([[1.0, 1.0]], [1], **options)  # read rightly
    assert net.theta.tolist() == [3.0, -1.0, 1.0]
    net.fit([[2.0, 1.0]], [0], **options)
    assert net.theta.tolist() == [1.0, -2.0, 0.0]


@pytest.mark.parametrize(
    ("loss", "floor"),
    [("perceptron", 0.0), ("binary_cross_entropy", np.log(2)), ("squared_error", 0.125), ("hinge", 1.0)],
)
def test_no_weights_of_a_perceptron_solve_xor(loss, floor):
    """The convex losses have their lowest value where all four outputs are equal; no line reads more than three points."""
    for seed in range(5):
        net = fnn.Network(
            2, [fnn.Dense(1, initializer="normal", initializer_b="normal")], dtype="float64", seed=seed
        )
        y = XOR_Y.astype(float) if loss == "squared_error" else XOR_Y
        net.fit(XOR_X, y, loss=loss, optimizer="adam", eta=0.05, batch_size=4, epochs=2000, **QUIET)
        scores = net.evaluate(XOR_X, y)
        assert scores["loss"] >= floor - 1e-12
        assert ((net(XOR_X)[:, 0] > (0.5 if loss == "squared_error" else 0)) == XOR_Y).mean() <= 0.75


def test_no_line_at_all_reads_xor():
    """Any weights: a thousand of them, and the outputs of a whole grid."""
    weights = np.random.default_rng(0).normal(size=(1000, 3))
    net = fnn.Network(2, [fnn.Dense(1)], dtype="float64")
    best = 0.0
    for theta in weights:
        net.theta = theta
        best = max(best, net.evaluate(XOR_X, XOR_Y, loss="perceptron")["accuracy"])
    assert best == 0.75


@pytest.mark.parametrize("optimizer", ["adam", "newton", "gd", "sgd", "adagrad", "rmsprop"])
def test_one_hidden_layer_solves_xor(optimizer):
    net = fnn.Network(2, [fnn.Dense(8, "tanh"), fnn.Dense(1)], dtype="float64", seed=1)
    options = (
        {} if optimizer == "newton" else {"eta": {"gd": 3.0, "sgd": 0.5, "adagrad": 0.3}.get(optimizer, 0.05)}
    )
    epochs = 40 if optimizer == "newton" else 2000
    net.fit(
        XOR_X,
        XOR_Y,
        loss="binary_cross_entropy",
        optimizer=optimizer,
        batch_size=4,
        epochs=epochs,
        **options,
        **QUIET,
    )
    assert net.evaluate(XOR_X, XOR_Y)["accuracy"] == 1.0
    assert abs(net.predict(XOR_X)[:, 0] - XOR_Y).max() < 0.1


def test_a_step_activation_learns_nothing_through_itself():
    net = fnn.Network(2, [fnn.Dense(4, "step"), fnn.Dense(1)], dtype="float64")
    before = net.parameters["0/W"].copy()
    net.fit(XOR_X, XOR_Y, loss="binary_cross_entropy", optimizer="sgd", epochs=20, **QUIET)
    assert (net.parameters["0/W"] == before).all() and net.parameters["1/W"].any()
