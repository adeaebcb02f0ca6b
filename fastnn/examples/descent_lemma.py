"""Taylor's promise: a step of gradient descent lowers the loss by at least eta (1 - eta L / 2) |g|^2.

    C(theta - eta g)  =  C - eta |g|^2 + 1/2 eta^2 g^T H g + ...          Taylor's series along -g
    C(theta - eta g) <=  C - eta (1 - eta L / 2) |g|^2                    the descent lemma, L the largest eigenvalue of H on the way

The first term says that a step downhill goes down, the second that it must be small: 0 < eta < 2 / L, and eta = 1 / L promises most. L is taken here as the
largest eigenvalue at points of the segment that the step crosses, by Lanczos on exact products (objective.curvature).
Source: the notes, Taylor and eta; Nesterov 2018, Lectures on convex optimization, lemma 1.2.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnn as fnn
from fastnn.examples import show

Array = NDArray[Any]


def objective(seed: int, activation: str, loss: str) -> tuple[fnn.Objective, Array]:
    """A small network on a small task, at its first weights."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((60, 4))
    y = X @ random.standard_normal(4) + np.sin(2 * X[:, 0])
    net = fnn.Network(4, [fnn.Dense(6, activation), fnn.Dense(1)], dtype="float64", seed=seed)
    return net.objective(
        X, y if loss == "squared_error" else (y > 0).astype(float), loss=loss
    ), net.theta.copy()


def largest_on_the_way(C: fnn.Objective, theta: Array, step: Array, points: int = 7) -> float:
    """The largest eigenvalue of H at points of the segment from theta to theta + step."""
    return max(C.curvature(theta + part * step).L for part in np.linspace(0, 1, points))


def check(C: fnn.Objective, theta: Array, eta: float, points: int = 7) -> dict[str, float]:
    """What the lemma promises of this step, and what the step does: both in parts of eta |g|^2."""
    g = C.gradient(theta)
    step = -eta * g
    L = largest_on_the_way(C, theta, step, points)
    fall = (C.value(theta) - C.value(theta + step)) / (eta * (g @ g))
    return {"eta": eta, "L": L, "promised": 1 - eta * L / 2, "fall": float(fall)}


def along(C: fnn.Objective, theta: Array, etas: Array) -> dict[str, Array]:
    """The loss after a step of eta, Taylor's line and parabola, and the lemma's bound with L over the whole way."""
    value, g = C.value(theta), C.gradient(theta)
    square, bend = g @ g, g @ C.hvp(theta, g)
    L = largest_on_the_way(C, theta, -etas[-1] * g, 15)
    return {
        "eta": etas,
        "loss": np.array([C.value(theta - eta * g) for eta in etas]),
        "line": value - etas * square,
        "parabola": value - etas * square + 0.5 * etas**2 * bend,
        "bound": value - etas * (1 - etas * L / 2) * square,
        "L": np.array(L),
    }


def run(*, seeds: int = 6, rates: int = 10, out: str | None = None) -> dict[str, Any]:
    """Check the lemma for several networks and learning rates; {"checks": one dict a step, "along": curves for one network}.

    seeds  networks of each kind
    rates  learning rates for each, up to 2.4 / L
    """
    checks = []
    for activation in ("tanh", "softplus"):
        for loss in ("squared_error", "binary_cross_entropy"):
            for seed in range(seeds):
                C, theta = objective(seed, activation, loss)
                L = C.curvature(theta).L
                for part in np.linspace(0.05, 2.4, rates):
                    checks.append(check(C, theta, part / L))
    C, theta = objective(1, "tanh", "squared_error")
    curves = along(C, theta, np.linspace(0, 2.6 / C.curvature(theta).L, 60))
    found = {"checks": checks, "along": curves}
    if out is not None:
        draw(found, out)
    return found


def draw(found: dict[str, Any], out: str) -> Any:
    """Left, one network: loss against the size of the step. Right, all steps against what was promised."""
    figure, (left, right) = show.panels(2, width=4.9, height=3.7)
    c = found["along"]
    eta, names = c["eta"], show.COLOURS
    left.plot(
        eta, c["bound"], color=names[1], linewidth=1.9, label=r"bound $J - \eta\,(1 - \eta L/2)\,|g|^2$"
    )
    left.plot(eta, c["loss"], color=names[0], linewidth=2.4, label=r"loss $J(w - \eta g)$")
    left.plot(
        eta, c["parabola"], color=names[2], linewidth=1.5, linestyle=(0, (5, 2)), label="Taylor, second order"
    )
    left.plot(
        eta, c["line"], color=names[5], linewidth=1.5, linestyle=(0, (1, 1.5)), label="Taylor, first order"
    )
    low, high = min(c["loss"].min(), c["parabola"].min()), c["loss"][0]
    left.axhline(high, color=show.FAINT, linewidth=1)
    left.set(xlim=(0, eta[-1]), ylim=(low - 0.35 * (high - low), high + 0.9 * (high - low)))
    left.axvline(2 / c["L"], color=names[1], linewidth=1, linestyle=(0, (4, 3)))
    show.label(left, 2 / float(c["L"]), left.get_ylim()[0], "$2/L$", names[1], va="bottom", xytext=(4, 3))
    left.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=show.INK)
    show.caption(left, "one step from the first weights", r"learning rate $\eta$", "loss")
    x = np.array([each["eta"] * each["L"] for each in found["checks"]])
    fall = np.array([each["fall"] for each in found["checks"]])
    right.plot([0, 2.6], [1, 1 - 1.3], color=names[1], linewidth=1.9)
    right.scatter(x, fall, s=13, color=names[0], alpha=0.65, linewidths=0)
    right.axhline(0, color=show.FAINT, linewidth=1)
    right.set(xlim=(0, 2.6), ylim=(-0.4, 1.1))
    show.label(
        right,
        1.75,
        1 - 1.75 / 2,
        "promised\n$1 - \\eta L / 2$",
        names[1],
        va="top",
        ha="right",
        xytext=(-8, -6),
    )
    show.caption(right, f"{len(x)} steps of other networks", r"$\eta L$", r"fall of the loss / $\eta\,|g|^2$")
    return show.save_figure(figure, out)


def report(found: dict[str, Any]) -> list[Any]:
    """How many steps there were, how many fell short of the promise, and by how much the nearest kept it."""
    checks = found["checks"]
    margin = [each["fall"] - each["promised"] for each in checks]
    inside = [each for each in checks if each["eta"] * each["L"] < 2]
    rows = [
        ("steps", f"{len(checks)}"),
        ("kept the promise", f"{sum(m >= -1e-9 for m in margin)}"),
        ("nearest to it", f"{min(margin):.2g} of eta |g|^2 above"),
        ("with eta < 2 / L", f"{len(inside)}, of which went down {sum(each['fall'] > 0 for each in inside)}"),
    ]
    return [show.facts(rows)]


if __name__ == "__main__":
    show.main(run, report)
