"""Feature scaling: the same data in other units, and gradient descent needs hundreds of steps or one.

Two columns of the diabetes data, body mass index (standard deviation 4.4) and the logarithm of triglycerides (0.5), centred, with a linear model. The Hessian of the loss is the
covariance of the features, so its eigenvalues, and with them the contours' axes, follow their units: the condition number kappa = L / mu says how much longer the valley
is than wide. The best constant rate, 2 / (L + mu), shrinks the distance to the minimum by (kappa - 1) / (kappa + 1) a step.
Standardised, columns have variance 1, and kappa depends on their correlation alone. `fit(..., scale="standardise")` does this and keeps it with the network.
Source: the notes, feature scaling; LeCun et al. 1998, Efficient backprop, section 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.steps import grid, walk

Array = NDArray[Any]

COLUMNS = (2, 8)
LOSS = "squared_error"


def data() -> tuple[Array, Array]:
    """Both columns and the target, centred: the bias stays 0, and the loss is a function of two weights."""
    whole = fnn.datasets.load("diabetes")
    X, y = np.asarray(whole.X[:, COLUMNS], dtype=float), np.asarray(whole.y, dtype=float)
    return X - X.mean(0), y - y.mean()


def measure(X: Array, y: Array, start: Array, part: float, most: int) -> dict[str, Any]:
    """Curvature, best constant rate, path and steps until the loss is `part` of what it was above the least."""
    net = fnn.Network(2, [fnn.Dense(1)], dtype="float64")
    objective = net.objective(X, y, loss=LOSS)
    W, *_ = np.linalg.lstsq(X, y)
    best = np.r_[W, 0.0]
    H = objective.hessian(best)[:2, :2]  # b is done with: X and y are centred
    mu, L = np.linalg.eigvalsh(H)
    eta = 2 / (L + mu)
    net.theta[:] = np.r_[start, 0.0]
    path = walk(net, X, y, most, LOSS, "gd", eta=eta, schedule="constant")
    losses = np.array([objective.value(theta) for theta in path])
    least = objective.value(best)
    there = losses - least <= part * (losses[0] - least)
    return {
        "L": L, "mu": mu, "eta": eta, "path": path, "best": best, "objective": objective,
        "losses": (losses - least) / (losses[0] - least), "steps": int(np.argmax(there)) if there.any() else None,
    }  # fmt: skip


def run(*, part: float = 1e-6, most: int = 2000, out: str | None = None) -> dict[str, Any]:
    """Gradient descent on raw and on standardised columns; {"raw": ..., "standardised": ...} with L, mu, eta, steps.

    part  of the loss above the least that may be left
    most  steps at the most
    """
    X, y = data()
    spread = X.std(0)
    start = np.array([-10.0, 10.0])  # of the standardised weights: the same function in both units
    found = {
        "raw": measure(X, y, start / spread, part, most),
        "standardised": measure(X / spread, y, start, part, most),
    }
    if out is not None:
        draw(found, part, out)
    return found


def draw(found: dict[str, Any], part: float, out: str) -> Any:
    """Contours and paths in both units, and the loss against the number of steps."""
    figure, panels = show.panels(3, height=3.7, widths=[4.0, 4.0, 3.7])
    names = {"raw": "in their units", "standardised": "standardised"}
    for axes, name, colour in zip(panels, names, (show.COLOURS[1], show.COLOURS[0]), strict=False):
        of = found[name]
        path, best = of["path"][:, :2], of["best"][:2]
        reach = 1.25 * np.abs(path[:60] - best).max()  # the same scale on both axes: what is round is round
        u, v = (
            np.linspace(best[0] - reach, best[0] + reach, 81),
            np.linspace(best[1] - reach, best[1] + reach, 81),
        )
        height = grid(of["objective"], u, v)
        levels = height.min() + np.ptp(height) * np.linspace(0, 1, 13)[1:-1] ** 2
        axes.contourf(
            u, v, height, levels=np.r_[height.min() - 1, levels, height.max() + 1], cmap="Blues", alpha=0.35
        )
        axes.contour(u, v, height, levels=levels, colors="#a9bacb", linewidths=0.6)
        axes.plot(*path[:400].T, color=colour, linewidth=1.2, marker="o", markersize=2.6)
        axes.plot(*best, "*", color=show.INK, markersize=11, markeredgecolor="white", zorder=5)
        axes.set_aspect("equal", adjustable="box")
        axes.grid(visible=False)
        show.caption(
            axes,
            f"{names[name]}: $\\kappa$ = {of['L'] / of['mu']:.3g}",
            "weight of body mass index",
            "weight of log triglycerides",
        )
        losses = of["losses"][of["losses"] > part / 10]
        panels[2].plot(losses, color=colour, linewidth=1.9, label=f"{names[name]}: {of['steps']} steps")
    panels[2].set(yscale="log", xlim=(0.8, None), ylim=(part / 1000, 3), xscale="log")
    panels[2].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panels[2].legend(loc="lower left", frameon=False, fontsize=9, labelcolor=show.INK)
    show.caption(panels[2], "loss above the least", "step", "parts of that at the start")
    return show.save_figure(figure, out)


def report(found: dict[str, Any]) -> list[Any]:
    """A row for each unit."""
    rows = [
        (
            name,
            f"{of['L']:.4g}",
            f"{of['mu']:.4g}",
            f"{of['L'] / of['mu']:.4g}",
            f"{of['eta']:.4g}",
            f"{of['steps']}",
        )
        for name, of in found.items()
    ]
    return [
        show.columns(("columns", "L", "mu", "L / mu", "eta = 2 / (L + mu)", "steps to a millionth"), rows)
    ]


if __name__ == "__main__":
    show.main(run, report)
