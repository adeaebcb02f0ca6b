"""MNIST, where its four files are: 784-128-10 relu, batch 64, at least 97.5 % of the test images within ten epochs."""

import os
import time
from pathlib import Path

import pytest

import fastnn as fnn
from fastnn import datasets

FOLDER = Path(os.environ.get("FASTNN_MNIST") or Path(__file__).parents[2] / "shared" / "data" / "mnist")


def test_ten_epochs_read_975_images_of_a_thousand(capsys):
    if not FOLDER.is_dir():
        with capsys.disabled():
            print(f"\nMNIST is not in {FOLDER}, so it was not trained on (FASTNN_MNIST names another folder)")
        return
    train, test = datasets.mnist(FOLDER)
    X, held = train.X / 255, test.X / 255
    net = fnn.Network(784, [fnn.Dense(128, "relu"), fnn.Dense(10)], seed=0)
    reached = []

    def look(run, row):
        reached.append(net.evaluate(held, test.y)["accuracy"])
        if reached[-1] >= 0.975:
            run.stop("reached 97.5 %")

    start = time.perf_counter()
    options = {
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "eta": 0.2,
        "epochs": 10,
        "batch_size": 64,
        "verbose": False,
    }
    net.fit(X, train.y, callbacks=fnn.LambdaCallback(on_epoch_end=look), **options)
    seconds = (time.perf_counter() - start) / len(reached)
    assert max(reached) >= 0.975, f"test accuracies {reached}"
    with capsys.disabled():
        print(f"\nMNIST: {100 * reached[-1]:.2f} % after {len(reached)} epochs of {seconds:.2f} s")


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"MNIST is not in {FOLDER}")
def test_the_images_are_what_their_labels_say():
    train, test = datasets.mnist(FOLDER)
    assert train.X.shape == (60_000, 784) and test.X.shape == (10_000, 784)
    assert sorted(set(train.y.tolist())) == list(range(10))
