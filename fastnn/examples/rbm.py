"""Boltzmann machine (2002, 2008): what contrastive divergence gains of the likelihood, counted exactly over all images of 4 x 4 pixels.

Bars and stripes: the 30 images whose rows, or whose columns, are each of one colour. The best that a machine can do is to give each of them
p = 1/30, a log-likelihood of -log 30 = -3.40; all images alike have -16 log 2 = -11.09. With 16 pixels the sum over all images, Z, is counted, so that
log p(v) = -F(v) - log Z is exact, which it never is for machines of real size.

    CD-k         Gibbs sampling begins at the data, and stops after k steps
    persistent   it goes on from where it was at the last step: as far from the data as it gets
Source: Hinton 2002, Training products of experts by minimizing contrastive divergence; Tieleman 2008, Training restricted Boltzmann machines using
approximations to the likelihood gradient; MacKay 2003 for the images.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.autoencoder import tiles
from fastnn.examples.show import Array

SIDE = 4
WAYS: dict[str, dict[str, Any]] = {
    "CD-1": {"k": 1},
    "CD-10": {"k": 10},
    "persistent": {"persistent": True},
}


def bars_and_stripes(side: int = SIDE) -> Array:
    """All of them, a row each.

    >>> bars_and_stripes().shape
    (30, 16)
    """
    lines = np.array(list(product((0.0, 1.0), repeat=side)))
    across = np.repeat(lines, side, axis=1)
    down = np.tile(lines, (1, side))
    return np.unique(np.concatenate([across, down]), axis=0)


def log_likelihood(rbm: fnn.RBM, X: Array, everything: Array) -> float:
    """Mean of log p over the rows of X, with Z summed over all images."""
    energies = rbm.free_energy(everything)
    lowest = energies.min()
    log_Z = float(np.log(np.exp(lowest - energies).sum()) - lowest)
    return float(-rbm.free_energy(X).mean() - log_Z)


def run(
    *, hidden: int = 24, epochs: int = 2000, eta: float = 0.2, seed: int = 0, out: str | None = None
) -> dict[str, Any]:
    """Train a machine in each way; {"curves": {way: [(epoch, log-likelihood), ...]}, "best", "alike"}.

    hidden   hidden units
    epochs   of all 30 images in one batch
    eta      learning rate, of which the last third of the epochs has a fifth
    """
    X = bars_and_stripes()
    everything = np.array(list(product((0.0, 1.0), repeat=SIDE * SIDE)))
    stops = np.unique(np.geomspace(10, epochs, 18).round().astype(int))
    curves, drawn = {}, {}
    for name, how in WAYS.items():
        rbm = fnn.RBM(SIDE * SIDE, hidden, scale=0.1, seed=seed, dtype="float64")
        curve, done = [(0, log_likelihood(rbm, X, everything))], 0
        for stop in stops:
            slower = 0.2 if done >= 2 * epochs // 3 else 1.0
            rows = np.tile(X, (10, 1))  # 300 chains, or 300 draws for each image ten times
            rbm.fit(rows, epochs=int(stop) - done, batch_size=300, eta=eta * slower, seed=seed + done, verbose=False, **how)  # fmt: skip
            done = int(stop)
            curve.append((done, log_likelihood(rbm, X, everything)))
        curves[name] = curve
        drawn[name] = rbm.sample(300, steps=300, seed=seed)
    share = {name: float((V[:, None] == X).all(axis=2).any(axis=1).mean()) for name, V in drawn.items()}
    best, alike = -float(np.log(len(X))), -float(np.log(len(everything)))
    numbers = {"curves": curves, "samples": share, "best": best, "alike": alike, "hidden": hidden}
    if out is not None:
        draw(numbers, X, drawn, out)
    return numbers


def draw(numbers: dict[str, Any], X: Array, drawn: dict[str, Array], out: str) -> Any:
    """Log-likelihood by epoch, and images that each machine draws."""
    figure, (left, right) = show.panels(2, 4.6, 3.7)
    ends: dict[str, tuple[float, str]] = {}
    for colour, (name, curve) in zip(show.COLOURS, numbers["curves"].items(), strict=False):
        epochs, values = zip(*curve[1:], strict=True)
        left.plot(epochs, values, color=colour, linewidth=1.8)
        ends[name] = values[-1], colour
    lowest = -np.inf
    for name, (value, colour) in sorted(ends.items(), key=lambda end: end[1][0]):
        lowest = max(value, lowest + 0.5)  # words do not lie on each other
        show.label(left, epochs[-1], lowest, f"{name} {value:.2f}", colour)
    left.axhline(numbers["best"], color=show.INK, linewidth=1, linestyle="--")
    left.text(epochs[0], numbers["best"] + 0.15, f"the best, -log 30 = {numbers['best']:.2f}", fontsize=9, color=show.INK)  # fmt: skip
    left.set(xscale="log", ylim=(numbers["alike"], numbers["best"] + 1))
    show.caption(left, "log-likelihood of bars and stripes, exact", "epochs", "mean of log p")
    rows = {"data": X[:: len(X) // 10]} | {name: V[:10] for name, V in drawn.items()}
    tiles(right, np.concatenate(list(rows.values())), 10, SIDE, "gray_r", (-0.15, 1))
    for place, name in enumerate(rows):
        right.text(-0.2, place + 0.5, name, ha="right", va="center", fontsize=9, color=show.INK)
    show.caption(right, "images of the data, and drawn by each machine")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """The exact log-likelihood at the end of each way."""
    rows = [
        (
            name,
            f"{curve[-1][1]:.2f}",
            f"{max(value for _, value in curve):.2f}",
            f"{numbers['samples'][name]:.0%}",
        )
        for name, curve in numbers["curves"].items()
    ]
    return [
        show.columns(
            ("trained by", "log-likelihood", "best on the way", "samples that are bars or stripes"), rows
        ),
        f"\nmean of log p over the 30 images, exact; the best possible is {numbers['best']:.2f}, all images alike have {numbers['alike']:.2f}",
    ]


if __name__ == "__main__":
    show.main(run, report)
