"""Minimum, saddle point, plateau: three small networks at the places where gradient descent stands still.

    minimum         z = w x + b on a line                     every eigenvalue of H is positive
    saddle point    z = w2 w1 x at w = 0                      dC/dw = 0, H = [[0, -c], [-c, 0]]: eigenvalues c and -c
    plateau         a = logistic(w x + b), b far below 0      a (1 - a) is next to 0, and so is the whole gradient

`objective.describe(theta)` names the place by the gradient and by the signs of H's eigenvalues. Steps of gradient descent are taken from beside each: it stays
at the minimum, leaves the saddle point slowly at first and then faster, and goes nowhere on the plateau.
Source: the notes, what is hard about optimisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.steps import grid, two_weights, walk

Array = NDArray[Any]

LOSS = "squared_error"
PLACES = ("minimum", "saddle point", "plateau")


def place(name: str) -> tuple[fnn.Network, Array, Array, Array]:
    """(network, X, y, theta) of a place."""
    x = np.linspace(-1, 1, 21)
    if name == "saddle point":
        return two_weights("identity"), x.reshape(-1, 1, 1, 1), 1.2 * x, np.zeros(2)
    if name == "plateau":
        net = fnn.Network(1, [fnn.Dense(1, "logistic")], dtype="float64")
        return net, x[:, None], (x > 0.3).astype(float), np.array([2.0, -14.0])
    net = fnn.Network(1, [fnn.Dense(1)], dtype="float64")
    return net, x[:, None], 0.8 * x + 0.4, np.array([0.8, 0.4])


def window(name: str) -> tuple[Array, Array]:
    """The weights that are drawn."""
    if name == "plateau":
        return np.linspace(-8, 12, 49), np.linspace(-18, 8, 49)
    theta = place(name)[3]
    return tuple(np.linspace(centre - 1.5, centre + 1.5, 49) for centre in theta)  # type: ignore[return-value]


def run(*, steps: int = 60, eta: float = 0.5, nudge: float = 0.02, out: str | None = None) -> dict[str, Any]:
    """Name three places; {name: {"point": Point, "losses": of gradient descent from beside it}}.

    steps  of gradient descent, from beside each place
    eta    their learning rate
    nudge  how far beside
    """
    found = {}
    for name in PLACES:
        net, X, y, theta = place(name)
        objective = net.objective(X, y, loss=LOSS)
        net.theta[:] = theta + nudge * np.array([0.8, 0.6])
        path = walk(net, X, y, steps, LOSS, "gd", eta=eta, schedule="constant")
        losses = np.array([objective.value(each) for each in path])
        found[name] = {"point": objective.describe(theta), "losses": losses, "path": path}
    if out is not None:
        draw(found, out)
    return found


def draw(found: dict[str, Any], out: str) -> Any:
    """The three surfaces with the places on them, and what gradient descent does beside each."""
    figure, panels = show.panels(len(PLACES) + 1, height=3.7, widths=[3.3] * len(PLACES) + [3.7])
    for i, name in enumerate(PLACES):
        panels[i].remove()
        axes = figure.add_subplot(1, len(PLACES) + 1, i + 1, projection="3d")
        surface(axes, name, found[name]["point"])
    axes = panels[-1]
    for name, colour in zip(PLACES, show.COLOURS, strict=False):
        losses = found[name]["losses"]
        axes.plot(losses, color=colour, linewidth=1.9, label=f"beside the {name}")
    axes.set(xlim=(0, len(losses) - 1), ylim=(-0.01, 0.36))
    show.caption(axes, "gradient descent from beside it", "step", "loss")
    axes.legend(loc="upper right", frameon=False, fontsize=9, labelcolor=show.INK)
    return show.save_figure(figure, out)


def surface(axes: Any, name: str, point: fnn.landscape.Point) -> None:
    """The loss over both weights, the place, and the eigenvalues there."""
    net, X, y, theta = place(name)
    objective = net.objective(X, y, loss=LOSS)
    u, v = window(name)
    height = grid(objective, u, v)
    axes.plot_surface(
        *np.meshgrid(u, v), height, cmap="Blues", alpha=0.75, linewidth=0.2, edgecolor="#5b7fa3", rstride=2, cstride=2,
        vmin=height.min() - 0.3 * np.ptp(height),
    )  # fmt: skip
    axes.plot(
        *theta, [point.loss], "o", color=show.COLOURS[1], markersize=7, markeredgecolor="white", zorder=20
    )
    axes.set_title(name, loc="left", fontsize=10.5, color=show.INK)
    axes.set(
        xlabel="$w_1$" if name == "saddle point" else "$w$",
        ylabel="$w_2$" if name == "saddle point" else "$b$",
    )
    axes.text2D(
        0.5, -0.13, f"|g| = {point.gradient:.1g}\neigenvalues {point.smallest:.2g}, {point.largest:.2g}",
        transform=axes.transAxes, ha="center", fontsize=9, color=show.INK,
    )  # fmt: skip
    axes.view_init(elev=28, azim=-62 if name != "plateau" else -125)
    axes.tick_params(labelsize=7, colors=show.INK, pad=-2)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis.line.set_color(show.FAINT)
        axis._axinfo["grid"].update(color=show.FAINT, linewidth=0.5)
        axis.labelpad = -6
        axis.set_major_locator(_few())


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def report(found: dict[str, Any]) -> list[Any]:
    """What is said of each place, and what gradient descent gained beside it."""
    rows = [
        (name, f"{of['point'].gradient:.2g}", f"{of['point'].smallest:.3g} to {of['point'].largest:.3g}", of["point"].name,
         f"{of['losses'][0]:.5f}", f"{of['losses'][-1]:.5f}")
        for name, of in found.items()
    ]  # fmt: skip
    heads = (
        "place",
        "|g|",
        "eigenvalues of H",
        "named",
        "loss beside it",
        f"after {len(next(iter(found.values()))['losses']) - 1} steps",
    )
    return [show.columns(heads, rows), "", *(str(of["point"]) for of in found.values())]


if __name__ == "__main__":
    show.main(run, report)
