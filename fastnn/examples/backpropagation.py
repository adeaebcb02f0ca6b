"""Backpropagation (1986): the four equations of the notes beside the library, differences, and deltas that vanish.

    forward     z^l = W^l a^(l-1) + b^l,   a^l = f(z^l)
    (1)         delta^L = dC/da^L * f'(z^L)                         for C = 1/2 |a^L - y|^2:  (a^L - y) * f'(z^L)
    (2)         delta^l = ((W^(l+1))^T delta^(l+1)) * f'(z^l)
    (3)         dC/dW^l = delta^l (a^(l-1))^T
    (4)         dC/db^l = delta^l

`by_hand` is these lines in NumPy. Samples are rows here, so each product is transposed, and C is the mean over the rows.

Equation (2) is a product of as many factors as there are layers. The slope of the logistic function is at most 1/4, and delta shrinks by that from layer to layer: this is why
networks with more than three hidden layers were hardly trained before 2006. With slopes near 1 (tanh about 0, relu) and weights scaled to fit, delta arrives.
Source: Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, Nature 323; vanishing: Hochreiter 1991.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.show import Array

Function = Callable[[Array], Array]
FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "logistic": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
}
"""f and f', by the names that the library has for them."""

INITIALIZERS = {"logistic": "glorot_uniform", "tanh": "glorot_uniform", "relu": "he_normal"}


def network(widths: tuple[int, ...], activation: str, seed: int = 0) -> fnn.Network:
    """Dense layers of these widths (the first is the input's), each with this activation, in float64."""
    layers = [fnn.Dense(n, activation, initializer=INITIALIZERS[activation]) for n in widths[1:]]
    return fnn.Network(widths[0], layers, dtype="float64", seed=seed)


def by_hand(net: fnn.Network, activation: str, X: Array, y: Array) -> dict[str, list[Array]]:
    """{"a", "delta", "dW", "db"}: a list over the layers of each, delta of every row; a[0] is X."""
    f, slope = FUNCTIONS[activation]
    n = len(net.layers)
    W = [net.parameters[f"{layer}/W"] for layer in range(n)]
    b = [net.parameters[f"{layer}/b"] for layer in range(n)]
    a, z = [X], []
    for layer in range(n):
        z.append(a[-1] @ W[layer].T + b[layer])  # forward
        a.append(f(z[-1]))
    delta = [(a[-1] - y) * slope(z[-1])]  # (1)
    for layer in reversed(range(n - 1)):
        delta.insert(0, (delta[0] @ W[layer + 1]) * slope(z[layer]))  # (2)
    dW = [delta[layer].T @ a[layer] / len(X) for layer in range(n)]  # (3)
    db = [delta[layer].mean(axis=0) for layer in range(n)]  # (4)
    return {"a": a, "delta": delta, "dW": dW, "db": db}


def agreement(widths: tuple[int, ...], activation: str, X: Array, y: Array, seed: int) -> dict[str, float]:
    """Largest relative difference of the library from `by_hand`, and of central differences from the library, by step h."""
    net = network(widths, activation, seed)
    objective = net.objective(X, y, loss="squared_error")
    theta = net.theta.copy()
    g = objective.gradient(theta)
    ours = by_hand(net, activation, X, y)
    theirs = np.concatenate(
        [np.concatenate([dW.ravel(), db]) for dW, db in zip(ours["dW"], ours["db"], strict=True)]
    )
    found = {"by hand": _distance(g, theirs)}
    for h in 10.0 ** np.arange(-12, 1):
        slopes = np.empty_like(theta)
        for k in range(len(theta)):
            ends = []
            for sign in (1, -1):
                moved = theta.copy()
                moved[k] += sign * h
                ends.append(objective.value(moved))
            slopes[k] = (ends[0] - ends[1]) / (2 * h)
        found[f"h = {h:.0e}"] = _distance(slopes, g)
    return found


def vanishing(activation: str, layers: int, width: int, samples: int, seeds: int) -> Array:
    """(seeds, layers): the root mean square of delta^l over samples and units, over that of the last layer."""
    sizes = np.empty((seeds, layers))
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(samples, width)), rng.normal(size=(samples, width))
        net = network((width,) * (layers + 1), activation, seed)
        delta = by_hand(net, activation, X, y)["delta"]
        sizes[seed] = [np.sqrt((each**2).mean()) for each in delta]
    return sizes / sizes[:, -1:]


def _distance(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def run(
    *, layers: int = 10, width: int = 30, samples: int = 64, seeds: int = 10, out: str | None = None
) -> dict[str, Any]:
    """Compare with the notes' formulas and with differences, and follow delta back; {"agreement", "vanishing"}.

    layers    of the networks in which delta is followed
    width     units of each of their layers
    samples   rows of random data
    seeds     random networks for each activation
    """
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 4)), rng.uniform(size=(20, 3))
    found = agreement((4, 6, 5, 3), "logistic", X, y, seed=1)
    sizes = {name: vanishing(name, layers, width, samples, seeds) for name in FUNCTIONS}
    if out is not None:
        draw(found, sizes, out)
    return {"agreement": found, "vanishing": sizes}


def draw(found: dict[str, float], sizes: dict[str, Array], out: str) -> Any:
    """Errors of differences by their step, and deltas by layer."""
    figure, (left, right) = show.panels(2, widths=[4.9, 5.2])
    steps = {float(name[4:]): error for name, error in found.items() if name.startswith("h")}
    left.plot(list(steps), list(steps.values()), "o-", color=show.COLOURS[2], linewidth=1.8, markersize=4)
    left.axhline(found["by hand"], color=show.COLOURS[0], linewidth=1.8)
    left.set(
        xscale="log", yscale="log", ylim=(found["by hand"] / 8, 30), xlim=(min(steps) / 2, max(steps) * 2)
    )
    left.text(
        1e-11, found["by hand"] * 3, "backpropagation: the notes' formulas", fontsize=9, color=show.COLOURS[0]
    )
    left.text(2e-9, 3e-4, "rounding\ngrows as 1/h", fontsize=9, color=show.COLOURS[2])
    left.text(4e-3, 4e-8, "the curve\nbends: $h^2$", fontsize=9, color=show.COLOURS[2])
    show.caption(left, "error of the gradient, central differences", "step h", "largest, relative")
    for k, (name, size) in enumerate(sizes.items()):
        colour, layers = show.COLOURS[(1, 3, 0)[k]], np.arange(1, size.shape[1] + 1)
        right.fill_between(layers, size.min(axis=0), size.max(axis=0), color=colour, alpha=0.18, linewidth=0)
        middle = np.median(size, axis=0)
        right.plot(layers, middle, color=colour, linewidth=1.9, marker="o^s"[k], markersize=4.5)
        show.label(right, 2, middle[1], name, colour, xytext=((14, -4), (4, -13), (4, 9))[k])
    right.set(yscale="log", xlim=(0.7, size.shape[1] + 0.3), xticks=layers)
    show.caption(right, r"size of $\delta^l$ over that of $\delta^L$", "layer $l$", "")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """Agreement, and delta at the first layer."""
    found, sizes = numbers["agreement"], numbers["vanishing"]
    differences = {name: error for name, error in found.items() if name != "by hand"}
    best = min(differences, key=differences.__getitem__)
    rows = [
        ("the four equations in NumPy", f"{found['by hand']:.1e}"),
        (f"central differences, the best step ({best})", f"{differences[best]:.1e}"),
    ]
    deltas = [
        (
            name,
            f"{size.shape[1]}",
            f"{np.median(size[:, 0]):.1e}",
            f"{size[:, 0].min():.1e}",
            f"{size[:, 0].max():.1e}",
        )
        for name, size in sizes.items()
    ]
    return [
        show.columns(("gradient of 4-6-5-3, beside the library", "largest relative difference"), rows),
        "",
        show.columns(("activation", "layers", "delta^1 / delta^L, median", "least", "most"), deltas),
    ]


if __name__ == "__main__":
    show.main(run, report)
