"""One loss surface, five optimizers: gradient descent, Adagrad, SGD, Adam and Newton from the same start.

The network z = w2 tanh(w1 x) has two weights, so its loss is a landscape that can be drawn, and it has all that makes optimisation hard: a saddle point at
0, two minima (the network is the same when both weights change sign), and plateaus where tanh saturates. Every path is that of the library's
optimizer, asked for by name.

    gd        W <- W - eta_t g,  eta_t = eta / sqrt(t + 1)             adagrad   W <- W - eta g / sqrt(sum of g^2)
    sgd       the gradient of 8 of the 64 rows                         adam      running means of g and of g^2
    newton    W <- W - H^-1 g, with |lambda| for lambda: away from saddles
Source: the notes, gradient descent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.steps import grid, two_weights, walk, walk_by_batches

Array = NDArray[Any]

LOSS = "squared_error"
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "gd": {"eta": 1.5},
    "adagrad": {"eta": 0.5},
    "sgd": {"eta": 0.25},
    "adam": {"eta": 0.15},
    "newton": {},
}
TITLES = {"gd": "GD", "adagrad": "Adagrad", "sgd": "SGD", "adam": "Adam", "newton": "Newton"}
START = (-2.2, 1.6)


def data(seed: int, rows: int = 64) -> tuple[Array, Array]:
    """x and a noisy y = 1.5 tanh(1.2 x)."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(rows)
    y = 1.5 * np.tanh(1.2 * x) + 0.3 * random.standard_normal(rows)
    return x.reshape(-1, 1, 1, 1), y


def run(
    *, seed: int = 0, steps: int = 100, start: tuple[float, ...] = START, out: str | None = None
) -> dict[str, Any]:
    """The paths of all optimizers; {"paths": {name: (steps + 1, 2)}, "losses": {name: (steps + 1,)}, "ends": {name: Point}, "places": ...}.

    seed   of data and batches
    steps  of every optimizer
    start  w1, w2
    """
    X, y = data(seed)
    net = two_weights()
    objective = net.objective(X, y, loss=LOSS)
    paths = {}
    for name, settings in OPTIMIZERS.items():
        net.theta[:] = start
        if name == "sgd":
            paths[name] = walk_by_batches(net, X, y, steps, LOSS, batch=8, seed=seed, **settings)
        else:
            paths[name] = walk(net, X, y, steps, LOSS, name, **settings)
    places = [objective.describe(np.zeros(2)), objective.describe(paths["newton"][-1])]
    found = {
        "paths": paths,
        "losses": {
            name: np.array([objective.value(theta) for theta in path]) for name, path in paths.items()
        },
        "ends": {name: objective.describe(path[-1]) for name, path in paths.items()},
        "places": places,
    }
    if out is not None:
        draw(objective, found, out)
    return found


def draw(objective: fnn.Objective, found: dict[str, Any], out: str) -> Any:
    """The surface with all paths, and the loss against the number of steps."""
    figure, (left, right) = show.panels(2, height=4.4, widths=[5.4, 5.2])
    u, v = np.linspace(-2.6, 2.6, 131), np.linspace(-2.6, 2.9, 131)
    height = grid(objective, u, v)
    least = found["places"][1].loss
    levels = least + np.geomspace(0.002, height.max() - least, 18)
    left.imshow(
        np.log(height - least + 1e-3), extent=(u[0], u[-1], v[0], v[-1]), origin="lower", aspect="auto", cmap="Blues", alpha=0.38,
        interpolation="bilinear",
    )  # fmt: skip
    left.contour(u, v, height, levels=levels, colors="#a9bacb", linewidths=0.5)
    steps = len(found["losses"]["gd"]) - 1
    right.set(yscale="log", xlim=(0, steps), ylim=(1e-8, 10))
    for (name, path), colour in zip(found["paths"].items(), show.COLOURS, strict=False):
        left.plot(*path.T, color=colour, linewidth=1.6, marker="o", markersize=2.8, label=TITLES[name])
        right.plot(
            np.maximum(found["losses"][name] - least, 1e-9), color=colour, linewidth=1.7, label=TITLES[name]
        )
    points(left, found)
    left.grid(visible=False)
    left.set(xlim=(u[0], u[-1]), ylim=(v[0], v[-1]))
    show.caption(left, "the loss of $w_2\\,\\tanh(w_1 x)$, low is pale", "$w_1$", "$w_2$")
    right.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=show.INK)
    show.caption(right, "loss above the least", "step", "")
    return show.save_figure(figure, out)


def points(axes: Any, found: dict[str, Any]) -> None:
    """Saddle point, minima and start, by name."""
    end = found["paths"]["newton"][-1]
    saddle, minimum = found["places"]
    for place, name, mark in (
        ((0, 0), saddle.name, "X"),
        (end, minimum.name, "*"),
        (-end, minimum.name, "*"),
    ):
        axes.plot(
            *place,
            mark,
            color=show.INK,
            markersize=11 if mark == "*" else 8,
            markeredgecolor="white",
            zorder=5,
        )
        show.label(axes, place[0], place[1], name, xytext=(8, -9), fontweight="bold", zorder=6)
    first = found["paths"]["gd"][0]
    axes.plot(*first, "o", color=show.INK, markersize=7, markeredgecolor="white", zorder=5)
    show.label(axes, first[0], first[1], "start", xytext=(-4, 11), ha="center")


def report(found: dict[str, Any]) -> list[Any]:
    """Where every optimizer ended."""
    rows = [
        (
            TITLES[name],
            f"{path[-1][0]:.4f}, {path[-1][1]:.4f}",
            f"{found['losses'][name][-1]:.6f}",
            found["ends"][name].name,
        )
        for name, path in found["paths"].items()
    ]
    return [
        show.columns(("optimizer", "w1, w2 at the end", "loss", "which is a"), rows),
        f"\nat 0: {found['places'][0]}",
    ]


if __name__ == "__main__":
    show.main(run, report)
