"""Residual networks (2015): 56 layers train where a plain network of 56 layers does not.

A plain network ought to be no worse for being deeper: the added layers need only hand on what they get. Descent does not find that. A residual block gives
relu(a + F(a)): to hand on a is to make F zero, and the gradient reaches a past F. Here both are trained with 20 and with 56 layers, same convolutions, same
batch normalisation, same first values, same number of parameters (shortcuts have none), on pictures of shapes and textures made on the spot; the plain one with 56 layers stays
at the loss of guessing, log 10, or near it.
Source: He, Zhang, Ren and Sun 2015, Deep residual learning for image recognition, section 4.2 and figure 6.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.pictures import CLASSES, pictures

KINDS = {"plain": None, "residual": "A"}


def run(
    *,
    depths: tuple[int, ...] = (20, 56),
    width: float = 0.25,
    size: int = 32,
    n: int = 640,
    epochs: int = 12,
    batch: int = 32,
    eta: float = 0.003,
    seed: int = 0,
    threads: int = 0,
    out: str | None = None,
) -> dict[str, Any]:
    """Train plain and residual networks; {kind: {depth: {"parameters", "loss": of each epoch, "accuracy": on 200 pictures held out, "seconds"}}}.

    depths   layers, 6 k + 2
    width    1 for 16, 32 and 64 channels in the three stages
    size     pixels along a side of a picture
    n        pictures to learn from
    epochs   passes over them
    batch    pictures a step
    eta      learning rate of Adam
    seed     pictures, first values and orders
    threads  0: as many as pay off
    """
    X, y = pictures(n, seed, size)
    test = pictures(200, seed + 1, size)
    numbers: dict[str, Any] = {kind: {} for kind in KINDS}
    for kind, shortcut in KINDS.items():
        for depth in depths:
            net = fnn.zoo.cifar_resnet(depth, len(CLASSES), (3, size, size), shortcut, width, seed=seed)
            start = time.perf_counter()
            net.fit(
                X, y, optimizer="adam", eta=eta, epochs=epochs, batch_size=batch, threads=threads or None,
                verbose=False,
            )  # fmt: skip
            numbers[kind][depth] = {
                "parameters": net.theta.size,
                "loss": net.history.column("loss").tolist(),
                "accuracy": net.evaluate(*test)["accuracy"],
                "seconds": time.perf_counter() - start,
            }
    if out is not None:
        draw(numbers, out)
    return numbers


def draw(numbers: dict[str, Any], out: str) -> Any:
    """The training loss of plain networks on the left, of residual ones on the right, as in figure 6 of the paper."""
    figure, both = show.panels(2, height=3.6)
    guessing = np.log(len(CLASSES))
    top = 1.05 * max(guessing, *(max(one["loss"]) for kind in numbers.values() for one in kind.values()))
    for axes, (kind, trained) in zip(both, numbers.items(), strict=True):
        axes.axhline(guessing, color=show.INK, linewidth=0.8, linestyle=":")
        heights = _apart({depth: one["loss"][-1] for depth, one in trained.items()}, top / 15)
        for (depth, one), colour in zip(trained.items(), show.COLOURS, strict=False):
            epochs = np.arange(1, len(one["loss"]) + 1)
            axes.plot(epochs, one["loss"], color=colour, linewidth=1.9)
            show.label(axes, epochs[-1], heights[depth], f"{depth} layers", colour)
        axes.set_ylim(0, top)
        axes.xaxis.get_major_locator().set_params(integer=True)
        show.caption(axes, f"{kind}: training loss", "epoch (dotted: guessing)")
    return show.save_figure(figure, out)


def _apart(heights: dict[int, float], least: float) -> dict[int, float]:
    """The heights, the lowest first, each moved up to be `least` above the one before."""
    moved: dict[int, float] = {}
    for depth, height in sorted(heights.items(), key=lambda item: item[1]):
        moved[depth] = max([height, *(other + least for other in moved.values())])
    return moved


def report(numbers: dict[str, Any]) -> list[Any]:
    """A line for each network."""
    rows = [
        (
            f"{kind}, {depth} layers",
            f"{one['parameters']:,}",
            f"{one['loss'][0]:.3f}",
            f"{one['loss'][-1]:.3f}",
            f"{100 * one['accuracy']:.1f} %",
            f"{one['seconds']:.1f}",
        )
        for kind, trained in numbers.items()
        for depth, one in trained.items()
    ]
    heads = ("network", "parameters", "loss at first", "at last", "right, held out", "seconds")
    return [show.columns(heads, rows), f"\nguessing: loss {np.log(len(CLASSES)):.3f}, right 10 %"]


if __name__ == "__main__":
    show.main(run, report)
