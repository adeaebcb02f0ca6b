"""Accuracy, by hand: of classes, and of outputs that answer yes or no each for itself."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.contracts import Loss
from fastnn.inputs import Targets
from fastnn.measures import measures

OUT = np.array([[2.0, 1.0, -1.0], [-1.0, -2.0, -3.0]])  # yes yes no; no no no


def rows(y):
    return Targets("row", np.array(y, np.float32))


@pytest.mark.parametrize(("loss", "no"), [("binary_cross_entropy", 0), ("hinge", -1), ("perceptron", -1)])
def test_each_output_is_a_question_of_its_own(loss, no):
    loss = fnn.registry.get("loss", loss)
    assert measures(OUT, rows([[1, 1, no], [no, no, no]]), loss) == {"accuracy": 1.0}
    assert measures(OUT, rows([[1, no, no], [no, no, no]]), loss)["accuracy"] == pytest.approx(5 / 6)
    # the largest output is the right one in the first row, and yet one of its answers is wrong
    weights = np.array([3.0, 1.0])
    assert measures(OUT, rows([[1, no, no], [no, no, no]]), loss, weights)["accuracy"] == pytest.approx(0.75)


def test_one_class_is_the_largest_output():
    cross_entropy = fnn.registry.get("loss", "cross_entropy")
    assert measures(OUT, rows([[0.6, 0.4, 0], [0, 1, 0]]), cross_entropy) == {"accuracy": 0.5}
    binary = fnn.registry.get("loss", "binary_cross_entropy")
    assert measures(OUT, Targets("index", np.array([0, 0]), None, 3), binary) == {"accuracy": 1.0}


def row(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        delta[j] = z[j] - y[j]
        value += delta[j] * delta[j] / 2
    return value


def test_a_strangers_loss_says_whether_its_outputs_are_independent():
    one = Loss("one", row=row, task="classification")
    each = Loss("each", row=row, task="classification", independent=True)
    y = rows([[1, 0, 0], [0, 0, 0]])
    assert measures(OUT, y, one) == {"accuracy": 1.0}
    assert measures(OUT, y, each)["accuracy"] == pytest.approx(5 / 6)


def test_evaluate_and_history_count_answers():
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 4))
    y = (X @ random.normal(size=(4, 3)) > 0.8).astype(float)
    net = fnn.Network(4, [fnn.Dense(3)], seed=0)
    history = net.fit(X, y, loss="binary_cross_entropy", epochs=3, validation=(X, y), verbose=False)
    share = ((net.predict(X) > 0.5) == (y > 0.5)).mean()
    assert net.evaluate(X, y)["accuracy"] == pytest.approx(share)
    assert history[-1]["validation_accuracy"] == pytest.approx(share)
