"""LeNet-5 (1998): convolutions learn to see strokes, and read handwritten digits.

Six kernels of 5x5 pixels look at every place of the picture with the same weights; a pool keeps the largest of 2x2 neighbours; sixteen kernels look at
what the six saw; dense layers decide. With --data FOLDER it reads MNIST's four files, 60,000 pictures to learn from and 10,000 to be tested on. Without, the
1,797 digits of 8x8 pixels that ship with fastnn, each pixel made three by three and a border of 2 around, a fifth of them held out.
Source: LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition, Proceedings of the IEEE 86.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn import datasets
from fastnn.examples import show

Array = NDArray[Any]


def digits() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """(X, y) to learn from and to be tested on: the digits that ship with fastnn, as large as MNIST's."""
    data = datasets.load("digits")
    small = data.X.reshape(-1, 8, 8) / 16
    X = np.pad(small.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))[:, None]
    order = np.random.default_rng(0).permutation(len(X))
    held = len(X) // 5
    return (X[order[held:]], data.y[order[held:]]), (X[order[:held]], data.y[order[:held]])


def mnist(folder: str) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """(X, y) to learn from and to be tested on: MNIST, pixels from 0 to 1."""
    train, test = datasets.mnist(folder)
    return (_images(train.X), train.y), (_images(test.X), test.y)


def _images(X: Array) -> Array:
    return (X / 255).reshape(-1, 1, 28, 28)


def run(
    *,
    data: str | None = None,
    epochs: int = 10,
    batch: int = 64,
    eta: float = 0.001,
    seed: int = 0,
    threads: int = 0,
    out: str | None = None,
) -> dict[str, Any]:
    """Train LeNet-5; {"parameters", "pictures", "accuracy": after each epoch, on pictures held out, "seconds": of each epoch}.

    data     folder with MNIST's four files; the digits of fastnn without it
    epochs   passes over the pictures
    batch    pictures a step
    eta      learning rate of Adam
    seed     first values, and order of the pictures
    threads  0: as many as pay off
    """
    (X, y), test = digits() if data is None else mnist(data)
    net = fnn.zoo.lenet(seed=seed)
    accuracy: list[float] = []

    class Test(fnn.Callback):
        def on_epoch_end(self, *_: object) -> None:
            accuracy.append(net.evaluate(*test)["accuracy"])

    start = time.perf_counter()
    net.fit(
        X, y, optimizer="adam", eta=eta, epochs=epochs, batch_size=batch, seed=seed, threads=threads or None, callbacks=Test(),
        verbose=False,
    )  # fmt: skip
    numbers = {
        "parameters": net.theta.size,
        "pictures": (len(X), len(test[0])),
        "loss": net.history.column("loss").tolist(),
        "accuracy": accuracy,
        "seconds": net.history.column("seconds").tolist(),
        "all_seconds": time.perf_counter() - start,
    }
    if out is not None:
        draw(net, test[0][0, 0], accuracy, out)
    return numbers


def draw(net: fnn.Network, digit: Array, accuracy: list[float], out: str) -> Any:
    """A digit, what the six kernels of the first layer make of it, and how reading got better."""
    figure, (left, middle, right) = show.panels(3, height=3.2, widths=[2.6, 4.2, 4.2])
    left.imshow(digit, cmap="gray_r")
    show.caption(left, "a digit")
    eye = fnn.Network((1, 28, 28), [net.layers["conv1"][0]])
    eye.theta = net.theta[: eye.theta.size]  # conv1 is the first layer
    maps = eye(digit[None])
    rows = np.pad(maps, ((0, 0), (1, 1), (1, 1))).reshape(2, 3, 26, 26)
    middle.imshow(np.block([list(row) for row in rows]), cmap="gray_r")
    show.caption(middle, "what six kernels see of it")
    for axes in (left, middle):
        axes.set_axis_off()
    wrong = 100 * (1 - np.array(accuracy))
    right.plot(np.arange(1, len(wrong) + 1), wrong, color=show.HELD_OUT, linewidth=1.8)
    right.set_ylim(bottom=0)
    right.xaxis.get_major_locator().set_params(integer=True)
    show.label(right, len(wrong), wrong[-1], f"{wrong[-1]:.2f} %", show.HELD_OUT)
    show.caption(right, "held out: read wrongly, in %", "epoch")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """A line an epoch, and the time of all."""
    rows = [
        (str(epoch), f"{loss:.4f}", f"{100 * accuracy:.2f} %", f"{seconds:.2f}")
        for epoch, (loss, accuracy, seconds) in enumerate(
            zip(numbers["loss"], numbers["accuracy"], numbers["seconds"], strict=True), 1
        )
    ]
    train, test = numbers["pictures"]
    about = f"{numbers['parameters']:,} parameters, {train:,} pictures, {test:,} held out"
    times = f"{numbers['all_seconds']:.1f} s with compiling and tests, an epoch {np.median(numbers['seconds']):.2f} s"
    return [show.columns(("epoch", "loss", "right, held out", "seconds"), rows), f"\n{about}; {times}"]


if __name__ == "__main__":
    show.main(run, report)
