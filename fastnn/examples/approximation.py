"""One hidden layer approximates any continuous function (1989): by construction, and by training, which does not find all that is there.

On an interval it can be seen. n logistic units, each steep, are a staircase of n jumps; n relu units are a line with n pieces. With the outputs set to follow f, the largest error falls as

    staircase      1 / n        half a step of f
    broken line    1 / n^2      |f''| h^2 / 8 for pieces of length h
    least squares  faster       hidden units drawn at random, the output layer solved for: f and tanh are smooth, and no power of n is the limit

The theorem promises such weights for each error, and says nothing of how to find them, nor how many. Gradient descent moves the hidden units too, so with few of them it beats all three;
with many it stays far above what least squares show to be there.
Source: Cybenko 1989, Approximation by superpositions of a sigmoidal function; Hornik, Stinchcombe and White 1989.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.show import Array

ROWS = np.linspace(-1, 1, 512)[:, None]  # to learn from
FINE = np.linspace(-1, 1, 4001)[:, None]  # to measure the largest error on
SCALE = 8.0  # of random hidden units: tanh(w x + b) bends at -b / w, all over the interval


def f(x: Array) -> Array:
    """What is approximated: sin(3 pi x) exp(-x^2)."""
    y: Array = np.sin(3 * np.pi * x) * np.exp(-(x**2))
    return y


def network(n: int, activation: str, seed: int = 0) -> fnn.Network:
    """1-n-1 with hidden units whose bends are spread over [-1, 1]."""
    hidden = fnn.Dense(
        n,
        activation,
        initializer=fnn.initializers.normal(scale=SCALE),
        initializer_b=fnn.initializers.uniform(low=-SCALE, high=SCALE),
    )
    return fnn.Network(1, [hidden, fnn.Dense(1)], dtype="float64", seed=seed)


def staircase(n: int) -> fnn.Network:
    """n logistic units, a jump each; every level is f in the middle of its step."""
    levels = f(np.linspace(-1, 1, 2 * n + 3)[1::2])
    jumps = np.linspace(-1, 1, n + 2)[1:-1]
    return _by_hand(n, "logistic", 200.0 * n, jumps, np.diff(levels), levels[0])


def broken_line(n: int) -> fnn.Network:
    """n relu units, a bend each; f at every bend and at both ends."""
    bends = np.linspace(-1, 1, n + 1)
    slopes = np.diff(f(bends)) / np.diff(bends)
    return _by_hand(n, "relu", 1.0, bends[:-1], np.diff(slopes, prepend=0.0), f(bends[0]))


def _by_hand(n: int, activation: str, w: float, places: Array, weights: Array, start: Any) -> fnn.Network:
    net = network(n, activation)
    net.parameters["0/W"][:] = w
    net.parameters["0/b"][:] = -w * places
    net.parameters["1/W"][:] = weights
    net.parameters["1/b"][:] = start
    return net


def least_squares(n: int, seed: int = 0) -> fnn.Network:
    """n random tanh units; the output layer is the best there is for them."""
    net = network(n, "tanh", seed)
    a = np.tanh(ROWS * net.parameters["0/W"].T + net.parameters["0/b"])
    solved = np.linalg.lstsq(np.column_stack([a, np.ones(len(a))]), f(ROWS)[:, 0], rcond=None)[0]
    net.parameters["1/W"][:] = solved[:-1]
    net.parameters["1/b"][:] = solved[-1]
    return net


def trained(n: int, seed: int = 0, epochs: int = 2000) -> fnn.Network:
    """n tanh units, all weights found by Adam from a random start."""
    net = network(n, "tanh", seed)
    adam = fnn.optimizers.adam(eta=0.02, schedule="cosine")
    net.fit(
        ROWS,
        f(ROWS),
        loss="squared_error",
        optimizer=adam,
        batch_size=64,
        epochs=epochs,
        threads=1,
        verbose=False,
    )
    return net


def error(net: fnn.Network) -> float:
    """max |net - f| over the interval."""
    return float(np.abs(net(FINE) - f(FINE)).max())


def run(
    *,
    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64),
    seeds: int = 3,
    epochs: int = 2000,
    out: str | None = None,
) -> dict[str, Any]:
    """The largest error of each way to set the weights; {"widths", "staircase", "broken line", "least squares", "trained"}.

    widths  numbers of hidden units
    seeds   random starts; the best of them counts
    epochs  of training
    """
    found = {n: [trained(n, seed, epochs) for seed in range(seeds)] for n in widths}
    numbers = {
        "widths": list(widths),
        "staircase": [error(staircase(n)) for n in widths],
        "broken line": [error(broken_line(n)) for n in widths],
        "least squares": [min(error(least_squares(n, seed)) for seed in range(seeds)) for n in widths],
        "trained": [min(map(error, found[n])) for n in widths],
    }
    if out is not None:
        draw(numbers, {n: min(nets, key=error) for n, nets in found.items()}, out)
    return numbers


STYLES = {"staircase": (1, "s"), "broken line": (2, "^"), "trained": (0, "o"), "least squares": (3, "D")}
"""{way: (colour, marker)}"""


def draw(numbers: dict[str, Any], nets: dict[int, fnn.Network], out: str) -> Any:
    """f with a staircase and a trained network on the left; error against width on the right."""
    figure, (left, right) = show.panels(2, widths=[4.9, 5.6])
    n = 8 if 8 in nets else max(nets)
    x = FINE[:, 0]
    left.plot(x, f(FINE)[:, 0], color=show.FAINT, linewidth=6, solid_capstyle="round")
    for name, net in (("staircase", staircase(24)), ("trained", nets[n])):
        left.plot(x, net(FINE)[:, 0], color=show.COLOURS[STYLES[name][0]], linewidth=1.4)
    show.label(
        left,
        -0.55,
        -0.95,
        "24 logistic\nunits: a staircase",
        show.COLOURS[STYLES["staircase"][0]],
        xytext=(0, -4),
    )
    show.label(
        left, 0.18, 1.12, f"{n} tanh units, trained", show.COLOURS[STYLES["trained"][0]], xytext=(0, 2)
    )
    left.set(xlim=(-1, 1), ylim=(-1.2, 1.3))
    show.caption(left, r"$f(x) = \sin(3 \pi x)\,e^{-x^2}$", "$x$", "")
    widths = numbers["widths"]
    for name, (k, marker) in STYLES.items():
        colour = show.COLOURS[k]
        right.plot(widths, numbers[name], color=colour, linewidth=1.9, marker=marker, markersize=4.5)
        rate = {"staircase": "staircase: $1/n$", "broken line": "broken line: $1/n^2$"}.get(name, name)
        show.label(right, widths[-1], numbers[name][-1], rate, colour)
    right.set(xscale="log", yscale="log", xticks=widths)
    right.set_xticks(widths, [str(width) for width in widths])
    right.minorticks_off()
    show.caption(right, "largest error against width", "hidden units $n$", "")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """A line for each width."""
    ways = list(STYLES)
    rows = [(str(n), *(f"{numbers[way][i]:.1e}" for way in ways)) for i, n in enumerate(numbers["widths"])]
    return [
        show.columns(("hidden units", *ways), rows),
        "\nlargest error on [-1, 1]; f goes from -0.97 to 0.97",
    ]


if __name__ == "__main__":
    show.main(run, report)
