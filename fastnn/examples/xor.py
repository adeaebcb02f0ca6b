"""XOR (1969): no line reads it, one hidden layer does.

A perceptron says 1 where w1 x1 + w2 x2 + b > 0. To read all four points it would need

    (0, 0) -> 0     b <= 0
    (0, 1) -> 1     w2 + b > 0
    (1, 0) -> 1     w1 + b > 0
    (1, 1) -> 0     w1 + w2 + b <= 0

The middle two add up to w1 + w2 + 2 b > 0, the outer two to w1 + w2 + 2 b <= 0. So there are no such weights, and no training finds them: three of four
is the most. Cross-entropy is convex in these weights, and lowest, log 2, where all outputs are equal. A hidden layer folds the plane, and the line is drawn after that.
With two hidden units, the fewest that will do, descent is caught in local minima for some starts; with more it hardly ever is, with eight never here.
Source: Minsky and Papert 1969, Perceptrons; Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, Nature 323.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 1, 1, 0])
COPIES = 100_000  # of the four points: an epoch of so many steps is one compiled call
OPTIONS: dict[str, Any] = {"batch_size": 4, "shuffle": False, "threads": 1, "verbose": False}


def line(seed: int, loss: str = "perceptron", epochs: int = 300) -> fnn.Network:
    """A linear model, trained on XOR from a random start."""
    layer = fnn.Dense(1, initializer="normal", initializer_b="normal")
    net = fnn.Network(2, [layer], dtype="float64", seed=seed)
    net.fit(X, Y, loss=loss, optimizer="adam", eta=0.05, epochs=epochs, **OPTIONS)
    return net


def hidden(seed: int, width: int = 8, epochs: int = 1000) -> fnn.Network:
    """One hidden layer of tanh units, trained on XOR from a random start."""
    net = fnn.Network(2, [fnn.Dense(width, "tanh"), fnn.Dense(1)], dtype="float64", seed=seed)
    net.fit(X, Y, loss="binary_cross_entropy", optimizer="adam", eta=0.05, epochs=epochs, **OPTIONS)
    return net


def right(net: fnn.Network) -> int:
    """How many of the four points the network reads rightly."""
    return round(4 * net.evaluate(X, Y)["accuracy"])


def clearance(net: fnn.Network) -> float:
    """How far the nearest of the points is from the line."""
    return float(np.abs(net(X)).min() / np.linalg.norm(net.parameters["0/W"]))


def long_training(steps: int) -> tuple[float, int, float]:
    """(loss, points read rightly, seconds) of a linear model after very many steps."""
    epochs = max(1, round(steps / COPIES))
    net = fnn.Network(2, [fnn.Dense(1, initializer="normal")], dtype="float64")
    many, targets = np.tile(X, (COPIES, 1)), np.tile(Y, COPIES)
    start = time.perf_counter()
    net.fit(many, targets, loss="binary_cross_entropy", optimizer="sgd", eta=0.1, epochs=epochs, **OPTIONS)
    return net.evaluate(X, Y)["loss"], right(net), time.perf_counter() - start


def run(
    *,
    seeds: int = 20,
    widths: tuple[int, ...] = (2, 3, 4, 8),
    steps: int = 2_000_000,
    out: str | None = None,
) -> dict[str, Any]:
    """Train lines and hidden layers on XOR; {"line": right answers of each seed, "hidden": {width: of each seed}, "long": ...}.

    seeds   random starts of each model
    widths  numbers of hidden units
    steps   how long one linear model is trained
    """
    lines = {
        loss: [line(seed, loss) for seed in range(seeds)]
        for loss in ("perceptron", "hinge", "binary_cross_entropy")
    }
    nets = {width: [hidden(seed, width) for seed in range(seeds)] for width in widths}
    loss, found, seconds = long_training(steps)
    if out is not None:
        draw(
            [line(seed, "perceptron", 20) for seed in range(20)], nets, out
        )  # later they are near 0, and read less
    return {
        "line": {name: [right(net) for net in trained] for name, trained in lines.items()},
        "hidden": {width: [right(net) for net in trained] for width, trained in nets.items()},
        "loss": {width: [net.history[-1]["loss"] for net in trained] for width, trained in nets.items()},
        "long": {"steps": steps, "loss": loss, "right": found, "seconds": seconds},
    }


def draw(lines: list[fnn.Network], nets: dict[int, list[fnn.Network]], out: str) -> Any:
    """What a line and a hidden layer say on the plane, and the losses of all starts."""
    figure, (left, middle, curves) = show.panels(3, height=3.5, widths=[3.4, 3.4, 5.0])
    best, widest = max(lines, key=lambda net: (right(net), clearance(net))), max(nets)
    for axes, net, title in (
        (left, best, f"a line: {right(best)} of 4"),
        (middle, nets[widest][0], f"{widest} hidden units: {right(nets[widest][0])} of 4"),
    ):
        show.regions(axes, net, X, Y, margin=0.4, size=90)
        axes.set(xticks=[0, 1], yticks=[0, 1])
        show.caption(axes, title, "$x_1$", "$x_2$")
    losses(curves, nets)
    return show.save_figure(figure, out)


def losses(axes: Any, nets: dict[int, list[fnn.Network]]) -> None:
    """The loss of every start with the fewest and with the most hidden units; that of a line stays above log 2."""
    for width, colour in ((min(nets), show.COLOURS[2]), (max(nets), show.COLOURS[0])):
        for net in nets[width]:
            axes.plot(net.history.column("loss"), color=colour, linewidth=1, alpha=0.7)
    axes.axhline(np.log(2), color=show.COLOURS[1], linewidth=1.8)
    epochs = len(nets[min(nets)][0].history)
    axes.set(yscale="log", xlim=(0, epochs), ylim=(2e-5, 2))
    few, many = min(nets), max(nets)
    show.label(axes, epochs, np.log(2), "a line: log 2, for ever", show.COLOURS[1], va="bottom")
    stuck = max(net.history[-1]["loss"] for net in nets[few])
    show.label(
        axes, epochs, min(stuck, 0.2), f"{few} hidden units:\nsome stay here", show.COLOURS[2], va="top"
    )
    low = float(np.median([net.history[-1]["loss"] for net in nets[many]]))
    show.label(axes, epochs, low, f"{many} hidden units", show.COLOURS[0])
    show.caption(axes, f"cross-entropy, {len(nets[many])} starts each", "step", "")


def report(numbers: dict[str, Any]) -> list[Any]:
    """A line for each model: starts, those that read all four, the fewest and the most points read rightly."""
    models = {f"a line, {loss}": found for loss, found in numbers["line"].items()}
    models |= {f"{width} hidden units, tanh": found for width, found in numbers["hidden"].items()}
    rows = [
        (name, str(len(found)), f"{sum(n == 4 for n in found)}", f"{min(found)}", f"{max(found)}")
        for name, found in models.items()
    ]
    long = numbers["long"]
    said = f"{long['right']} of 4, loss {long['loss']:.12f}; log 2 = {np.log(2):.12f}, the lowest there is"
    return [
        show.columns(("model", "starts", "read all four", "fewest right", "most right"), rows),
        f"\na line after {long['steps']:,} steps ({long['seconds']:.1f} s): {said}",
    ]


if __name__ == "__main__":
    show.main(run, report)
