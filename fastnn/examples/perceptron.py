"""Perceptron (1958): its rule ends on data that a line separates, after at most (R / gamma)^2 mistakes.

The rule: where s = +1 or -1 is read wrongly, w <- w + s x. With x = (features, 1), so that the bias is one of the weights, R the length of the longest x
and gamma the distance of the nearest x from the best plane through 0, after k mistakes

    w . u >= k gamma     each mistake moves w along u, the best plane's unit normal, by s x . u >= gamma
    |w|^2 <= k R^2       each mistake adds 2 s x . w + |x|^2, and s x . w <= 0 where x was read wrongly

so k gamma <= |w| <= sqrt(k) R, and k <= (R / gamma)^2, whatever the number of points, their order and the number of features.
Source: Rosenblatt 1958, The perceptron, Psychological Review 65; the bound: Novikoff 1962, On convergence proofs for perceptrons.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.show import Array

MARGINS = (0.3, 0.1, 0.03, 0.01)
FEATURES = (2, 20)


def update(w, g, mistakes, eta):  # type: ignore[no-untyped-def]  # compiled by Numba
    """Plain SGD that counts its steps: the gradient of the bias is -s at a mistake, else 0."""
    return w - eta * g, mistakes + (1 if g != 0 else 0)


COUNTED = fnn.Rule("counted_perceptron_rule", update, state=("mistakes",), defaults={"eta": 1.0})


class UntilNone(fnn.Callback):
    """Ends the fit after an epoch without a mistake, and keeps the number of all mistakes."""

    mistakes = 0

    def on_epoch_end(self, run: Any, row: Any) -> None:
        before, self.mistakes = self.mistakes, int(run.state()[0]["optimizer/mistakes"][-1])
        if self.mistakes == before:
            run.stop("an epoch without a mistake")


def separable(n: int, features: int, margin: float, seed: int) -> tuple[Array, Array]:
    """n points in [-1, 1]^features of two classes, none nearer than `margin` to a plane that goes past 0."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=features)
    normal /= np.linalg.norm(normal)
    X = np.empty((0, features))
    while len(X) < n:
        some = rng.uniform(-1, 1, (4 * n, features))
        X = np.concatenate([X, some[np.abs(some @ normal + 0.2) > margin]])
    return X[:n], (X[:n] @ normal + 0.2 > 0).astype(int)


def orthogonal(n: int) -> tuple[Array, Array]:
    """n points, each along an axis of its own, in two classes by turns: no point helps with another, and the bound is almost reached."""
    return 10.0 * np.eye(n), np.arange(n) % 2


def best_margin(X: Array, y: Array, steps: int = 2000) -> float:
    """gamma, from below: the distance from 0 of the convex hull of s x, approached by Gilbert's algorithm (1966)."""
    points = (2 * y - 1)[:, None] * np.column_stack([X, np.ones(len(X))])
    w = points.mean(axis=0)
    best = -np.inf
    for _ in range(steps):
        along = points @ w
        nearest = points[along.argmin()]
        best = max(best, along.min() / np.linalg.norm(w))
        back = w - nearest
        length = back @ back
        if length == 0:
            break
        w = w - np.clip(w @ back / length, 0, 1) * back
    return float(best)


def learn(X: Array, y: Array, seed: int = 0, epochs: int = 100_000) -> tuple[fnn.Network, int, int]:
    """(network, mistakes, epochs) of Rosenblatt's rule, from weights 0 to the first epoch without a mistake."""
    net = fnn.Network(X.shape[1], [fnn.Dense(1, initializer="zeros")], dtype="float64")
    count = UntilNone()
    history = net.fit(
        X, y, loss="perceptron", optimizer=COUNTED, batch_size=1, epochs=epochs, seed=seed, threads=1, callbacks=count, verbose=False
    )  # fmt: skip
    return net, count.mistakes, len(history)


def measure(X: Array, y: Array, seed: int) -> dict[str, Any]:
    """R, gamma, the bound, and what learning took."""
    R, gamma = float(np.sqrt((X**2).sum(axis=1).max() + 1)), best_margin(X, y)
    net, mistakes, epochs = learn(X, y, seed)
    accuracy = net.evaluate(X, y)["accuracy"]
    return {
        "R": R,
        "gamma": gamma,
        "bound": (R / gamma) ** 2,
        "mistakes": mistakes,
        "epochs": epochs,
        "accuracy": accuracy,
    }


def run(
    *,
    points: int = 100,
    margins: tuple[float, ...] = MARGINS,
    features: tuple[int, ...] = FEATURES,
    seeds: int = 5,
    out: str | None = None,
) -> dict[str, Any]:
    """Learn separable data sets and compare the mistakes with the bound; {"rows": one for each data set}.

    points    of a data set
    margins   how near points may lie to the plane that classes them
    features  numbers of features
    seeds     data sets for each margin and number of features
    """
    rows = []
    for width in features:
        for margin in margins:
            for seed in range(seeds):
                data = separable(points, width, margin, seed)
                rows.append(
                    {"data": f"{width} features, margin {margin:g}", "kind": f"{width} features"}
                    | measure(*data, seed)
                )
    for n in (10, 30, 100, 300):
        kind = "orthogonal points"
        rows.append({"data": f"{n} {kind}", "kind": kind} | measure(*orthogonal(n), 0))
    if out is not None:
        draw(rows, points, out)
    return {"rows": rows}


def draw(rows: list[dict[str, Any]], points: int, out: str) -> Any:
    """A learned line on the left; mistakes against the bound on the right, every data set a point."""
    figure, (left, right) = show.panels(2, 4.3, 4.0)
    X, y = separable(points, 2, 0.1, 0)
    net, mistakes, epochs = learn(X, y)
    show.regions(left, net, X, y, margin=0.1)
    show.caption(left, f"learned after {mistakes} mistakes in {epochs} epochs", "$x_1$", "$x_2$")
    bounds = np.array([row["bound"] for row in rows])
    ends = np.array([bounds.min() / 2, bounds.max() * 2])
    right.plot(ends, ends, color=show.INK, linewidth=1.2)
    right.fill_between(ends, ends, ends[1] * 3, color=show.FAINT, alpha=0.5, linewidth=0)
    right.text(ends[0] * 1.2, ends[1] * 1.2, "more than the theorem allows", fontsize=9, color=show.INK, va="center")  # fmt: skip
    for k, kind in enumerate(dict.fromkeys(row["kind"] for row in rows)):
        mine = [(row["bound"], row["mistakes"]) for row in rows if row["kind"] == kind]
        style = {"marker": "os^Dv"[k % 5], "color": show.COLOURS[(0, 1, 3, 4, 2)[k % 5]], "label": kind}
        right.scatter(*zip(*mine, strict=True), s=30, alpha=0.85, linewidths=0, zorder=3, **style)
    right.set(xscale="log", yscale="log", xlim=ends, ylim=(0.7, ends[1] * 3))
    right.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=show.INK)
    show.caption(right, "mistakes against the bound", r"bound $(R/\gamma)^2$", "mistakes")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """A line for each kind of data; of several sets, the one that came nearest to its bound."""
    lines = []
    rows = numbers["rows"]
    for data in dict.fromkeys(row["data"] for row in rows):
        mine = [row for row in rows if row["data"] == data]
        worst = max(mine, key=lambda row: row["mistakes"] / row["bound"])
        cells = [data, str(len(mine)), f"{worst['R']:.2f}", f"{worst['gamma']:.3f}", f"{worst['bound']:,.0f}"]
        cells += [f"{worst['mistakes']:,}", f"{worst['epochs']:,}"]
        lines.append([*cells, f"{100 * min(row['accuracy'] for row in mine):.0f} %"])
    names = ("data", "sets", "R", "gamma", "(R / gamma)^2", "mistakes", "epochs", "read rightly")
    kept = sum(row["mistakes"] <= row["bound"] for row in rows)
    return [
        show.columns(names, lines),
        f"\nmistakes <= (R / gamma)^2 in {kept} of {len(rows)} data sets; each line shows the one that came nearest to its bound",
    ]


if __name__ == "__main__":
    show.main(run, report)
