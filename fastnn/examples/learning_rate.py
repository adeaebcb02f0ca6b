"""The learning rate: below 2 / L gradient descent comes down, above it flies off.

Near a minimum the loss is a bowl, C = C* + 1/2 (theta - theta*)^T H (theta - theta*), and a step of gradient descent multiplies the distance along every
eigenvector of H by 1 - eta lambda. That is a contraction as long as eta < 2 / lambda, so the largest eigenvalue L sets the limit eta < 2 / L, and the
smallest one, mu, the pace: the best constant rate is 2 / (L + mu). Left, a linear model, whose loss is a bowl everywhere; right, a tanh network that starts beside a minimum.
Source: the notes, Taylor and eta; Nesterov 2018, Lectures on convex optimization, section 2.1.5; Cohen et al. 2021, Gradient descent on neural
networks typically occurs at the edge of stability (which walks up to this limit by itself).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.curvature import Curvature
from fastnn.examples import show
from fastnn.examples.steps import walk

Array = NDArray[Any]

STEPS = (1, 10, 100)  # after which the loss is looked at


Start = tuple[fnn.Network, Array, Array, float]


def bowl(seed: int) -> Start:
    """A linear model of two columns of the diabetes data, at random weights; its data, and the least loss."""
    data = fnn.datasets.load("diabetes")
    X, y = (
        np.asarray(data.X[:, [2, 3]], dtype=float),
        np.asarray(data.y, dtype=float),
    )  # body mass index, blood pressure
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    net = fnn.Network(2, [fnn.Dense(1, initializer="normal")], dtype="float64", seed=seed)
    W, *_ = np.linalg.lstsq(X, y)  # without bias: X and y have mean 0
    return net, X, y, float(np.mean((X @ W - y) ** 2)) / 2


def beside(seed: int) -> Start:
    """A tanh network with one input, a little beside a minimum that Newton's method found."""
    random = np.random.default_rng(seed)
    X = np.linspace(-2, 2, 40)[:, None]
    y = np.sin(2 * X[:, 0]) + 0.05 * random.standard_normal(40)
    net = fnn.Network(1, [fnn.Dense(4, "tanh"), fnn.Dense(1)], dtype="float64", seed=seed)
    net.fit(X, y, loss="squared_error", optimizer="newton", epochs=300, verbose=False)
    least = net.evaluate(X, y)["loss"]
    net.theta[:] += 0.01 * random.standard_normal(net.theta.size)
    return net, X, y, least


def sweep(net: fnn.Network, X: Array, y: Array, etas: Array) -> tuple[Array, float]:
    """Losses (len(etas), len(STEPS)) after so many steps of gradient descent from where the network is, and the loss there."""
    objective, start = net.objective(X, y, loss="squared_error"), net.theta.copy()
    losses = np.full((len(etas), len(STEPS)), np.inf)
    for i, eta in enumerate(etas):
        net.theta[:] = start
        path = walk(net, X, y, max(STEPS), "squared_error", "gd", eta=eta, schedule="constant")
        for j, step in enumerate(STEPS):
            if step < len(path):
                losses[i, j] = objective.value(path[step])
    net.theta[:] = start
    return losses, objective.value(start)


def run(*, seed: int = 0, rates: int = 41, out: str | None = None) -> dict[str, Any]:
    """Loss after 1, 10 and 100 steps against eta; {"bowl": ..., "tanh network": ...} with curvature, etas, losses, the loss before and the least.

    seed   of weights and noise
    rates  learning rates that are tried, from 0.05 to 1.3 times the limit
    """
    found = {}
    for name, (net, X, y, least) in (("bowl", bowl(seed)), ("tanh network", beside(seed))):
        curvature = net.objective(X, y, loss="squared_error").curvature(net.theta)
        parts = np.unique(np.r_[np.geomspace(0.05, 1.3, rates), np.linspace(0.9, 1.1, rates // 3)])
        etas = parts * curvature.eta_limit
        losses, before = sweep(net, X, y, etas)
        found[name] = {
            "curvature": curvature,
            "etas": etas,
            "losses": losses,
            "before": before,
            "least": least,
        }
    if out is not None:
        draw(found, out)
    return found


def highest(etas: Array, losses: Array, before: float) -> float:
    """The largest of the learning rates up to which 100 steps always ended below the start."""
    below = losses[:, -1] < before
    return float(etas[np.argmin(below) - 1]) if not below.all() else float(etas[-1])


def draw(found: dict[str, Any], out: str) -> Any:
    """Loss against eta, with the limit."""
    figure, panels = show.panels(2, width=4.9, height=3.7)
    colours = (show.COLOURS[2], show.COLOURS[3], show.COLOURS[0])
    for axes, (name, of) in zip(panels, found.items(), strict=True):
        limit, etas = of["curvature"].eta_limit, of["etas"]
        above = (of["losses"] - of["least"]) / (of["before"] - of["least"])
        low, high = (1e-12, 1e8) if name == "bowl" else (1e-3, 1e3)
        axes.set(xscale="log", yscale="log", ylim=(low, high), xlim=(etas[0], etas[-1]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda *_: "")
        axes.axvspan(limit, etas[-1], color=show.PALE[1], linewidth=0)
        axes.axhline(1, color=show.COLOURS[5], linewidth=1.1, linestyle=(0, (4, 3)))
        axes.axvline(limit, color=show.COLOURS[1], linewidth=1.4)
        for curve, steps, colour in zip(above.T, STEPS, colours, strict=True):
            words = f"{steps} step{'s' * (steps > 1)}"
            axes.plot(etas, np.clip(curve, low / 10, high * 10), color=colour, linewidth=1.9, label=words)
        axes.text(
            etas[0] * 1.06, 1.25 if high < 1e4 else 2.2, "loss before", fontsize=9, color=show.COLOURS[5]
        )
        words = f"$2 / L$ = {limit:.3g}"
        axes.annotate(
            words,
            (limit, high),
            xytext=(-6, -10),
            textcoords="offset points",
            ha="right",
            fontsize=9,
            color=show.COLOURS[1],
        )
        title = "a linear model: a bowl everywhere" if name == "bowl" else "a tanh network beside a minimum"
        show.caption(axes, title, r"learning rate $\eta$", "loss above the least, parts of that before")
        axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=show.INK)
    return show.save_figure(figure, out)


def report(found: dict[str, Any]) -> list[Any]:
    """A row a model: L, mu, the limit, and the largest eta that came down."""
    rows = []
    for name, of in found.items():
        c: Curvature = of["curvature"]
        rows.append(
            (
                name,
                f"{c.L:.5g}",
                f"{c.smallest[0]:.3g}",
                f"{c.eta_limit:.5g}",
                f"{highest(of['etas'], of['losses'], of['before']):.5g}",
            )
        )
    return [
        show.columns(("loss", "largest eigenvalue", "smallest", "2 / L", "largest eta that came down"), rows)
    ]


if __name__ == "__main__":
    show.main(run, report)
