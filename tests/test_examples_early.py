"""1958 to 1986: the perceptron's bound, XOR never and then always, the four equations and deltas that vanish."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.examples import backpropagation, perceptron, xor

QUIET = {"verbose": False, "threads": 1}


def plain_perceptron(X, y, epochs):
    """Rosenblatt's rule, (w, mistakes): points in the order given, the bias as the last weight."""
    points, signs, w, mistakes = np.column_stack([X, np.ones(len(X))]), 2 * y - 1, np.zeros(X.shape[1] + 1), 0
    for _ in range(epochs):
        for x, s in zip(points, signs, strict=True):
            if s * (w @ x) <= 0:
                w = w + s * x
                mistakes += 1
    return w, mistakes


def test_mistakes_and_weights_are_those_of_the_rule_by_hand():
    X, y = perceptron.separable(80, 3, 0.05, seed=1)
    net = fnn.Network(3, [fnn.Dense(1, initializer="zeros")], dtype="float64")
    count = perceptron.UntilNone()
    options = {
        "loss": "perceptron",
        "optimizer": perceptron.COUNTED,
        "batch_size": 1,
        "epochs": 500,
        "shuffle": False,
    }
    history = net.fit(X, y, callbacks=count, **options, **QUIET)
    w, mistakes = plain_perceptron(X, y, len(history))
    assert count.mistakes == mistakes > 20
    np.testing.assert_allclose(net.theta, w, rtol=1e-12, atol=1e-12)


def test_the_rule_never_makes_more_mistakes_than_R_over_gamma_squared():
    rows = perceptron.run(points=60, margins=(0.2, 0.05, 0.01), features=(2, 10), seeds=3)["rows"]
    assert len(rows) == 3 * 2 * 3 + 4
    for row in rows:
        assert row["mistakes"] <= row["bound"] and row["accuracy"] == 1.0, row
    nearest = max(row["mistakes"] / row["bound"] for row in rows)
    assert nearest > 0.95, "orthogonal points almost reach the bound"


def test_the_best_margin_is_that_of_sets_where_it_is_known():
    for n in (4, 9, 20):  # the hull of n orthogonal vectors of length 10 is 10 / sqrt(n) from 0
        assert perceptron.best_margin(*perceptron.orthogonal(n)) == pytest.approx(10 / np.sqrt(n), rel=1e-3)
    X, y = np.array([[1.0], [3.0]]), np.array([0, 1])
    # s (x, 1) is (-1, -1) and (3, 1): the line through both is 2 / sqrt(20) from 0, beyond (-1, -1) and (3, 1) on either side
    assert perceptron.best_margin(X, y) == pytest.approx(2 / np.sqrt(20), rel=1e-3)


def test_separable_points_keep_their_distance():
    X, y = perceptron.separable(200, 5, 0.1, seed=0)
    assert (
        X.shape == (200, 5)
        and set(y) == {0, 1}
        and perceptron.best_margin(X, y) > 0.1 / np.sqrt(1 + 0.04) - 1e-9
    )


@pytest.mark.parametrize("loss", ["perceptron", "hinge", "binary_cross_entropy"])
def test_no_line_of_twenty_reads_xor(loss):
    assert max(xor.right(xor.line(seed, loss)) for seed in range(20)) <= 3


def test_eight_hidden_units_read_xor_from_each_of_twenty_starts():
    nets = [xor.hidden(seed) for seed in range(20)]
    assert [xor.right(net) for net in nets] == [4] * 20
    assert max(net.history[-1]["loss"] for net in nets) < 1e-3


def test_two_hidden_units_can_and_are_sometimes_caught():
    found = [xor.right(xor.hidden(seed, width=2)) for seed in range(20)]
    assert 2 <= found.count(4) <= 18


def test_long_training_of_a_line_ends_at_log_2():
    loss, right, _ = xor.long_training(200_000)
    assert loss == pytest.approx(np.log(2), abs=1e-12) and right <= 3


def test_the_library_agrees_with_the_notes_to_rounding_and_differences_do_not():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 4)), rng.uniform(size=(10, 3))
    for activation in backpropagation.FUNCTIONS:
        found = backpropagation.agreement((4, 6, 5, 3), activation, X, y, seed=1)
        assert found.pop("by hand") < 1e-13, activation
        assert min(found.values()) < 1e-7 < found["h = 1e-12"] and found["h = 1e+00"] > 1e-3, activation


def test_delta_vanishes_through_logistic_layers_and_arrives_through_others():
    first = {
        name: np.median(backpropagation.vanishing(name, 10, 30, 32, seeds=5)[:, 0])
        for name in backpropagation.FUNCTIONS
    }
    assert first["logistic"] < 1e-5 and 0.1 < first["tanh"] < 1.5 and 0.3 < first["relu"] < 10


@pytest.mark.parametrize(
    ("example", "small"),
    [
        (perceptron, {"points": 40, "margins": (0.2, 0.1), "seeds": 2}),
        (xor, {"seeds": 5, "widths": (2, 8), "steps": 100_000}),
        (backpropagation, {"layers": 6, "width": 10, "seeds": 3}),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if hasattr(value, "run") else "small",
)
def test_the_example_draws_its_picture_and_has_something_to_say(example, small, tmp_path):
    pytest.importorskip("matplotlib")
    numbers = example.run(**small, out=str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").stat().st_size > 20_000
    assert len(example.report(numbers)) >= 2
