"""Machine learning in three steps: a set of functions, a measure of how good each is, the best of them.

    1  the set of functions     y = w x + b, one for every pair (w, b)
    2  how good one is          J(w, b) = mean 1/2 (w x + b - y)^2: a point of the plane gets a height
    3  the best one             gradient descent walks down to the lowest point

The data are Fisher's irises: the width of a petal by its length. With a deep network there are more weights and the functions bend; the three steps stay the same.
Source: the notes, three steps; R. A. Fisher 1936.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.steps import grid, walk

Array = NDArray[Any]

LOSS = "squared_error"
CANDIDATES = (
    (-0.2, 1.6),
    (0.1, 0.1),
    (0.75, -0.9),
)  # a line that falls, one that is too flat, one that is too steep


def data() -> tuple[Array, Array]:
    """Length and width of 150 petals, in cm."""
    iris = fnn.datasets.load("iris")
    return np.asarray(iris.X[:, 2:3], dtype=float), np.asarray(iris.X[:, 3], dtype=float)


def run(*, steps: int = 400, eta: float = 0.1, out: str | None = None) -> dict[str, Any]:
    """Compare lines and find the best one; {"candidates": losses, "path": of gradient descent, "loss", "best": by least squares}.

    steps  of gradient descent
    eta    its learning rate
    """
    X, y = data()
    net = fnn.Network(1, [fnn.Dense(1)], dtype="float64")
    objective = net.objective(X, y, loss=LOSS)
    net.theta[:] = CANDIDATES[0]
    path = walk(net, X, y, steps, LOSS, "gd", eta=eta, schedule="constant")
    best, *_ = np.linalg.lstsq(np.c_[X, np.ones(len(X))], y)
    found = {
        "candidates": [objective.value(np.array(each)) for each in CANDIDATES],
        "path": path, "loss": objective.value(path[-1]), "best": best, "objective": objective,
    }  # fmt: skip
    if out is not None:
        draw(X, y, found, out)
    return found


def draw(X: Array, y: Array, found: dict[str, Any], out: str) -> Any:
    """Three lines; their heights on the surface; the way down and the line at its end."""
    figure, (first, second, third) = show.panels(3, width=3.9, height=3.6)
    ends = np.array([0.5, 7.2])
    path = found["path"]
    for axes in (first, third):
        axes.scatter(X[:, 0], y, s=11, color=show.COLOURS[5], alpha=0.55, linewidths=0)
        axes.set(xlim=ends, ylim=(-0.4, 3.2))
    u, v = np.linspace(-0.5, 1.1, 97), np.linspace(-1.6, 2.2, 97)
    height = np.log(grid(found["objective"], u, v))
    second.contourf(u, v, height, levels=14, cmap="Blues", alpha=0.4)
    second.contour(u, v, height, levels=14, colors="#a9bacb", linewidths=0.5, linestyles="solid")
    for (w, b), loss, colour in zip(CANDIDATES, found["candidates"], show.COLOURS[1:], strict=False):
        first.plot(ends, w * ends + b, color=colour, linewidth=1.9)
        second.plot(w, b, "o", color=colour, markersize=8, markeredgecolor="white", zorder=4)
        words = f"$J$ = {loss:.2f}"
        left = -48 if 0 < w < 0.5 else 8
        second.annotate(
            words, (w, b), xytext=(left, 7), textcoords="offset points", fontsize=9, color=colour, zorder=5
        )
    second.plot(*path.T, color=show.COLOURS[0], linewidth=1.8, zorder=3)
    second.plot(*path[-1], "*", color=show.COLOURS[0], markersize=13, markeredgecolor="white", zorder=5)
    second.grid(visible=False)
    third.plot(ends, path[-1][0] * ends + path[-1][1], color=show.COLOURS[0], linewidth=2.4)
    words = f"$y = {path[-1][0]:.2f}\\,x {path[-1][1]:+.2f}$\n$J$ = {found['loss']:.3f}"
    third.text(0.8, 2.75, words, fontsize=9.5, color=show.COLOURS[0], va="center")
    show.caption(first, "1  a set of functions: lines", "length of petal, cm", "width of petal, cm")
    show.caption(second, "2  how good each one is", "$w$", "$b$")
    show.caption(third, "3  the best one", "length of petal, cm", "width of petal, cm")
    return show.save_figure(figure, out)


def report(found: dict[str, Any]) -> list[Any]:
    """The lines and their losses."""
    rows = [
        (f"{w:g} x {b:+g}", f"{loss:.4f}")
        for (w, b), loss in zip(CANDIDATES, found["candidates"], strict=True)
    ]
    w, b = found["path"][-1]
    rows += [
        (f"{w:.4f} x {b:+.4f}", f"{found['loss']:.4f}"),
        (f"{found['best'][0]:.4f} x {found['best'][1]:+.4f}", "least squares"),
    ]
    return [show.columns(("line", "loss"), rows)]


if __name__ == "__main__":
    show.main(run, report)
