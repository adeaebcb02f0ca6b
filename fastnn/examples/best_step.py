"""The best step is the first over the second derivative: Newton's parabola, and what it is worth near a minimum.

    J(w) ~ J(w_t) + J'(w_t) (w - w_t) + 1/2 J''(w_t) (w - w_t)^2          lowest at  w_t - J'(w_t) / J''(w_t)

One weight: the network is a = tanh(w x), and the parabola comes from the objective's gradient and Hessian. Where J'' is negative the parabola has no lowest point,
its vertex is a top; the library's newton divides by |J''| there and goes downhill. Near the minimum, Newton's error is squared by every step, and that of gradient
descent is multiplied by 1 - eta J''.
Source: the notes, the best step; Nocedal and Wright 2006, Numerical optimization, theorem 3.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.steps import walk

Array = NDArray[Any]

LOSS = "squared_error"


def task() -> tuple[fnn.Network, Array, Array]:
    """a = tanh(w x), with data that no w fits exactly."""
    x = np.linspace(-2, 2, 41)
    y = 0.5 * x + 0.2 * np.sin(3 * x)
    layers = [fnn.Conv(1, kernel=1, bias=False, activation="tanh"), fnn.Flatten()]
    return fnn.Network((1, 1, 1), layers, dtype="float64"), x.reshape(-1, 1, 1, 1), y


def parabola(objective: fnn.Objective, at: float) -> tuple[float, float, float]:
    """J, J' and J'' at a weight."""
    w = np.array([at])
    return objective.value(w), float(objective.gradient(w)[0]), float(objective.hessian(w)[0, 0])


def run(
    *, start: float = 0.2, other: float = -0.7, steps: int = 12, out: str | None = None
) -> dict[str, Any]:
    """Newton and gradient descent on one weight; {"places": {w: (J, J', J'')}, "distance": {name: |w_t - w*|}, ...}.

    start  the weight at which the parabola opens upwards, and where both begin
    other  a weight at which it opens downwards
    steps  of both
    """
    net, X, y = task()
    objective = net.objective(X, y, loss=LOSS)
    net.theta[:] = start
    newton = walk(net, X, y, max(steps, 20), LOSS, "newton")[:, 0]
    best = newton[-1]
    bend = parabola(objective, best)[2]
    distance = {"Newton": np.abs(newton - best)[: steps + 1]}
    for part in (0.2, 0.7, 1.9):
        net.theta[:] = start
        path = walk(net, X, y, steps, LOSS, "gd", eta=part / bend, schedule="constant")[:, 0]
        distance[f"GD, $\\eta$ = {part:g} / $J''$"] = np.abs(path - best)
    found = {
        "best": best, "distance": distance, "objective": objective,
        "places": {at: parabola(objective, at) for at in (start, other)},
    }  # fmt: skip
    if out is not None:
        draw(found, out)
    return found


def draw(found: dict[str, Any], out: str) -> Any:
    """The loss with its parabolas, and the distances to the minimum."""
    figure, (left, right) = show.panels(2, width=4.9, height=3.7)
    w = np.linspace(-1.5, 2.2, 261)
    J = np.array([found["objective"].value(np.array([each])) for each in w])
    left.plot(w, J, color=show.COLOURS[0], linewidth=2.4)
    low, high = J.min(), J.max()
    left.set(xlim=(w[0], w[-1]), ylim=(low - 0.12 * (high - low), high + 0.05 * (high - low)))
    for (at, (value, slope, bend)), colour in zip(found["places"].items(), show.COLOURS[1:], strict=False):
        left.plot(
            w,
            value + slope * (w - at) + 0.5 * bend * (w - at) ** 2,
            color=colour,
            linewidth=1.5,
            linestyle=(0, (5, 2)),
        )
        left.plot(at, value, "o", color=colour, markersize=7, markeredgecolor="white", zorder=5)
        to = at - slope / abs(bend)
        left.annotate(
            "",
            (to, value),
            (at, value),
            arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.6, "shrinkA": 5},
        )
        words = "$-J'/J''$" if bend > 0 else "$-J'/|J''|$, for $J'' < 0$"
        place = (
            {"xy": (at, value), "xytext": (-9, -9), "ha": "right"}
            if bend > 0
            else {"xy": (to, value), "xytext": (8, 0), "ha": "left"}
        )
        left.annotate(words, **place, textcoords="offset points", va="center", fontsize=9, color=colour)
    left.plot(
        found["best"],
        found["objective"].value(np.array([found["best"]])),
        "*",
        color=show.INK,
        markersize=11,
        markeredgecolor="white",
        zorder=6,
    )
    show.caption(left, "the loss of $\\tanh(w x)$ and its parabolas", "$w$", "loss $J$")
    for (name, distance), colour in zip(
        found["distance"].items(), (show.COLOURS[4], *show.COLOURS[1:4]), strict=False
    ):
        right.plot(
            np.maximum(distance, 1e-17), color=colour, linewidth=1.9, marker="o", markersize=3.5, label=name
        )
    right.set(yscale="log", ylim=(1e-16, 3), xlim=(0, len(distance) - 1))
    right.legend(loc="lower left", frameon=False, fontsize=9, labelcolor=show.INK)
    show.caption(right, "distance to the minimum", "step", "$|w_t - w^*|$")
    return show.save_figure(figure, out)


def report(found: dict[str, Any]) -> list[Any]:
    """The steps that both parabolas ask for, and what is left after each step."""
    places = [
        (f"{at:g}", f"{value:.4f}", f"{slope:.4f}", f"{bend:.4f}", f"{-slope / abs(bend):+.4f}")
        for at, (value, slope, bend) in found["places"].items()
    ]
    rows = [
        (name.replace("$", "").replace("\\", ""), *(f"{d:.0e}" for d in distance[:7]))
        for name, distance in found["distance"].items()
    ]
    return [
        show.columns(("w", "J", "J'", "J''", "step -J' / |J''|"), places), "",
        show.columns(("distance to the minimum", *map(str, range(7))), rows),
    ]  # fmt: skip


if __name__ == "__main__":
    show.main(run, report)
