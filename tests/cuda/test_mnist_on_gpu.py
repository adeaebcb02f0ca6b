"""MNIST on the GPU: ten epochs of 784-128-10 reach the accuracy of the same run on the CPU."""

import os
import time
from pathlib import Path

import pytest

import fastnn as fnn
from fastnn import datasets

pytestmark = [pytest.mark.cuda, pytest.mark.slow]
FOLDER = Path(os.environ.get("FASTNN_MNIST") or Path(__file__).parents[3] / "shared" / "data" / "mnist")
APART = 0.003
"""Thirty images of ten thousand: six thousand steps carry a rounding on, and the nets that come out differ."""


def test_ten_epochs_reach_the_accuracy_of_the_cpu(capsys):
    if not FOLDER.is_dir():
        with capsys.disabled():
            print(
                f"\nMNIST is not in {FOLDER}, so no GPU was trained on it (FASTNN_MNIST names another folder)"
            )
        return
    train, test = datasets.mnist(FOLDER)
    X, held = train.X / 255, test.X / 255
    options = {
        "loss": "cross_entropy",
        "optimizer": "adam",
        "eta": 0.002,
        "batch_size": 100,
        "verbose": False,
    }
    reached, seconds = {}, {}
    for device in ("cuda", "cpu"):
        net = fnn.Network(784, [fnn.Dense(128, "relu"), fnn.Dense(10)], seed=0)
        start = time.perf_counter()
        history = net.fit(X, train.y, epochs=10, device=device, **options)
        seconds[device] = time.perf_counter() - start
        reached[device] = net.evaluate(held, test.y, device=device)["accuracy"]
        assert len(history) == 10
    with capsys.disabled():
        print(
            f"\nMNIST, ten epochs: GPU {100 * reached['cuda']:.2f} % in {seconds['cuda']:.2f} s with compilation,"
            f" CPU {100 * reached['cpu']:.2f} % in {seconds['cpu']:.2f} s"
        )
    assert reached["cuda"] >= 0.975
    assert abs(reached["cuda"] - reached["cpu"]) <= APART
