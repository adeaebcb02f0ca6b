"""AlexNet, VGG, GoogLeNet and ResNet (2012 to 2015): narrow ones of the same build learn pictures of shapes and textures.

In full they have 6 to 140 million parameters and want a million pictures. With an eighth or a quarter of the width, and pictures of 64 x 64 pixels made on the
spot, each of them learns ten classes in seconds: fnn.zoo.resnet(18, width=1/4) has the layers of ResNet-18, and a quarter of its channels.
The first AlexNet's first values, N(0, 0.01^2), were made for pixels up to 255, and it gets such.
Sources: Krizhevsky, Sutskever and Hinton 2012; Simonyan and Zisserman 2014; Szegedy et al. 2014; Ioffe and Szegedy 2015; He, Zhang, Ren and Sun 2015.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.pictures import CLASSES, pictures

Build = Callable[..., fnn.Network]

NETWORKS: dict[str, tuple[Build, dict[str, Any], float, float, int]] = {
    # how it is built, learning rate of Adam, what pixels are multiplied by, parameters in full
    "AlexNet, grouped": (fnn.zoo.alexnet, {"grouped": True, "width": 1 / 4}, 0.0005, 64.0, 60_965_224),
    "AlexNet": (fnn.zoo.alexnet, {"width": 1 / 4}, 0.0005, 1.0, 61_100_840),
    "VGG-11": (fnn.zoo.vgg, {"depth": 11, "width": 1 / 8}, 0.0005, 1.0, 132_863_336),
    "GoogLeNet, two heads": (fnn.zoo.googlenet, {"auxiliary": True, "width": 1 / 4}, 0.001, 1.0, 13_378_280),
    "GoogLeNet, batch norm": (fnn.zoo.googlenet, {"batch_norm": True, "width": 1 / 4}, 0.003, 1.0, 6_624_904),
    "ResNet-18": (fnn.zoo.resnet, {"depth": 18, "width": 1 / 4}, 0.003, 1.0, 11_689_512),
}


def run(
    *,
    n: int = 600,
    epochs: int = 12,
    batch: int = 20,
    size: int = 64,
    seed: int = 0,
    threads: int = 0,
    out: str | None = None,
) -> dict[str, Any]:
    """Train each; {network: {"full": parameters of the paper's, "parameters", "loss": of each epoch, "accuracy": on 200 held out, "seconds"}}.

    n        pictures to learn from
    epochs   passes over them
    batch    pictures a step
    size     pixels along a side of a picture
    seed     pictures, first values and orders
    threads  0: as many as pay off
    """
    X, y = pictures(n, seed, size)
    test = pictures(200, seed + 1, size)
    numbers = {}
    for name, (build, options, eta, scale, full) in NETWORKS.items():
        net = build(n_classes=len(CLASSES), input_shape=(3, size, size), seed=seed, **options)
        start = time.perf_counter()
        net.fit(
            scale * X, y, optimizer="adam", eta=eta, epochs=epochs, batch_size=batch, threads=threads or None,
            verbose=False,
        )  # fmt: skip
        numbers[name] = {
            "full": full,
            "parameters": net.theta.size,
            "loss": net.history.column("loss").tolist(),
            "accuracy": net.evaluate(scale * test[0], test[1])["accuracy"],
            "seconds": time.perf_counter() - start,
        }
    if out is not None:
        draw(numbers, out)
    return numbers


def draw(numbers: dict[str, Any], out: str) -> Any:
    """The loss of every network, each on a panel of its own, over the others in grey."""
    figure, panels = show.panels(len(numbers), width=2.3, height=2.6)
    highest = max(max(one["loss"]) for one in numbers.values())
    for axes, name in zip(panels, numbers, strict=True):
        for one in numbers.values():
            axes.plot(np.arange(1, len(one["loss"]) + 1), one["loss"], color=show.FAINT, linewidth=1.2)
        loss = numbers[name]["loss"]
        axes.plot(np.arange(1, len(loss) + 1), loss, color=show.COLOURS[0], linewidth=2)
        axes.set_ylim(0, 1.05 * highest)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)
        show.caption(axes, name, "epoch")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """A line for each network."""
    rows = [
        (
            name,
            f"{one['full']:,}",
            f"{one['parameters']:,}",
            f"{one['loss'][0]:.3f}",
            f"{one['loss'][-1]:.3f}",
            f"{100 * one['accuracy']:.1f} %",
            f"{one['seconds']:.1f}",
        )
        for name, one in numbers.items()
    ]
    heads = ("network", "in full", "here", "loss at first", "at last", "right, held out", "seconds")
    guessing = (
        f"\nguessing: loss {np.log(len(CLASSES)):.3f}, right 10 %; the loss of two heads counts 1.6 times"
    )
    return [show.columns(heads, rows), guessing]


if __name__ == "__main__":
    show.main(run, report)
