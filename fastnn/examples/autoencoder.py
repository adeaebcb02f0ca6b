"""Deep autoencoder (2006): Boltzmann machines, trained layer by layer and unrolled, keep more of an image in 30 numbers than PCA does.

    784-1000-500-250-30-250-500-1000-784 on MNIST: logistic units, a code of 30 linear ones, fine-tuned by cross-entropy

The error is the paper's: the mean over the test images of the sum over pixels of (reconstruction - pixel)^2, pixels from 0 to 1. There PCA with 30
components has 13.87 and the autoencoder 3.00. Without --data, 8 x 8 digits of the package and a small network take a few seconds.
Source: Hinton and Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, Science 313.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.show import Array

MNIST = (784, 1000, 500, 250, 30)
DIGITS = (64, 100, 50, 8)
HELD_OUT = 297
"""Of the 1797 digits of the package."""
PAPER = {"PCA": 13.87, "autoencoder": 3.00}


class Errors(fnn.Callback):
    """The error on the test images after every epoch, and the seconds since the fit began."""

    def __init__(self, test: Array) -> None:
        self.test, self.errors, self.seconds = test, list[float](), list[float]()
        self._begun = time.perf_counter()

    def on_epoch_end(self, run: Any, row: Any) -> None:
        self.errors.append(error(run.net.predict, self.test))
        self.seconds.append(time.perf_counter() - self._begun)


def error(reconstruct: Callable[[Array], Array], images: Array) -> float:
    """Mean over the images of the sum over pixels of the squared difference."""
    return float(np.square(reconstruct(images).astype(np.float64) - images).sum(axis=1).mean())


def images(data: str | None) -> tuple[Array, Array, tuple[int, ...]]:
    """Training and test images with pixels from 0 to 1, and the units of the layers for them."""
    if data is not None:
        train, test = fnn.datasets.mnist(data)
        return train.X / 255, test.X / 255, MNIST
    X = fnn.datasets.load("digits").X / 16
    return X[:-HELD_OUT], X[-HELD_OUT:], DIGITS


def pca(X: Array, n: int) -> Callable[[Array], Array]:
    """The projection onto the n first principal components of X."""
    mean = X.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(np.cov(X.astype(np.float64), rowvar=False))
    first = vectors[:, -n:]
    return lambda rows: np.asarray((rows - mean) @ first @ first.T + mean)


def run(
    *,
    data: str | None = None,
    pretraining: int = 0,
    epochs: int = 0,
    compare: bool = True,
    seed: int = 0,
    device: str = "cpu",
    out: str | None = None,
) -> dict[str, Any]:
    """Train with and without pre-training, and compare with PCA; {"pca", "before", "after", "without": errors, "curves", "seconds", ...}.

    data         folder of MNIST's four files
    pretraining  epochs for each Boltzmann machine (0: 5 for MNIST, 40 for the digits)
    epochs       of fine-tuning (0: 20 for MNIST, 80 for the digits)
    compare      train the same network without pre-training, too
    device       "cpu" or "cuda"
    """
    X, test, sizes = images(data)
    pretraining, epochs = pretraining or (40 if data is None else 5), epochs or (80 if data is None else 20)
    project = pca(X, sizes[-1])
    start = time.perf_counter()
    belief = fnn.DeepBelief(sizes, code="gaussian", seed=seed)
    linear = 0.001 if data is not None else 0.01
    belief.fit(
        X, epochs=pretraining, eta=[0.1] * (len(sizes) - 2) + [linear], momentum=0.5, weight_decay=2e-4,
        mean_field=True, batch_size=100 if data is not None else 20, seed=seed, device=device, verbose=False,
    )  # fmt: skip
    seconds = {"pre-training": time.perf_counter() - start}
    found = {"pca": error(project, test), "before": error(belief.reconstruct, test)}
    networks = {"pre-trained": belief.unroll()}
    if compare:
        networks["without"] = fresh(networks["pre-trained"], seed)
    curves = {}
    for name, net in networks.items():
        errors = Errors(test)
        net.fit(
            X, X, loss="binary_cross_entropy", optimizer="adam", eta=0.001 if data is not None else 0.003,
            schedule="cosine", epochs=epochs, batch_size=200 if data is not None else 50, seed=seed, device=device,
            verbose=False, callbacks=[errors],
        )  # fmt: skip
        curves[name], seconds[name] = errors.errors, errors.seconds[-1]
    found["after"] = curves["pre-trained"][-1]
    if compare:
        found["without"] = curves["without"][-1]
    numbers = {**found, "curves": curves, "seconds": seconds, "sizes": sizes, "pretraining": pretraining, "epochs": epochs, "mnist": data is not None}  # fmt: skip
    if out is not None:
        shown = {"PCA": project} | {name: net.predict for name, net in networks.items()}
        draw(numbers, test, shown, belief.layers[0].W, out)
    return numbers


def fresh(net: fnn.Network, seed: int) -> fnn.Network:
    """A network of the same structure with first weights by Glorot's rule, as every network has them."""
    return fnn.Network.from_config({**net.config(), "seed": seed})


def draw(
    numbers: dict[str, Any], test: Array, shown: dict[str, Callable[[Array], Array]], W: Array, out: str
) -> Any:
    """Images and their reconstructions, error by epoch, and weights of hidden units of the first machine."""
    figure, (left, middle, right) = show.panels(3, 4.2, 3.7, (5.0, 4.4, 3.7))
    side = round(test.shape[1] ** 0.5)
    some = test[:: len(test) // 8][:8]
    rows = {"image": some} | {name: reconstruct(some) for name, reconstruct in shown.items()}
    tiles(left, np.concatenate(list(rows.values())), len(some), side, "gray_r", (0, 1))
    for place, name in enumerate(rows):
        left.text(-0.15, place + 0.5, name, ha="right", va="center", fontsize=9, color=show.INK)
    code = numbers["sizes"][-1]
    show.caption(left, f"test images and what {code} numbers keep of them")
    for colour, (name, errors) in zip(show.COLOURS, numbers["curves"].items(), strict=False):
        middle.plot(range(1, len(errors) + 1), errors, color=colour, linewidth=1.8)
        show.label(middle, len(errors), errors[-1], f"{name}\n{errors[-1]:.2f}", colour)
    middle.axhline(numbers["pca"], color=show.INK, linewidth=1, linestyle="--")
    below: dict[str, Any] = {"xytext": (0, -3), "ha": "right", "va": "top"}
    show.label(middle, numbers["epochs"], numbers["pca"], f"PCA {numbers['pca']:.2f}", **below)
    middle.set(ylim=(0, None), xlim=(0, numbers["epochs"] * 1.02))
    show.caption(middle, "error on the test images", "epochs of fine-tuning", "squared error of an image")
    strongest = np.argsort(-np.square(W).sum(axis=1))[: 8 * 8]
    most = np.abs(W[strongest]).max(axis=1, keepdims=True)
    tiles(right, W[strongest] / most, 8, side, "RdBu_r", (-1, 1))
    show.caption(right, "weights of 64 units of the first layer")
    return show.save_figure(figure, out)


def tiles(
    axes: Any, pictures: Array, across: int, side: int, colours: str, limits: tuple[float, float]
) -> None:
    """Square pictures in rows of `across`."""
    for place, picture in enumerate(pictures):
        x, y = place % across, place // across
        box = (x + 0.04, x + 0.96, y + 0.96, y + 0.04)
        axes.imshow(picture.reshape(side, side), cmap=colours, vmin=limits[0], vmax=limits[1], extent=box)
    axes.set(xlim=(0, across), ylim=(-(-len(pictures) // across), 0), aspect="equal")
    axes.set_axis_off()


def report(numbers: dict[str, Any]) -> list[Any]:
    """Errors, and what they took."""
    seconds, code = numbers["seconds"], numbers["sizes"][-1]
    chain = "-".join(map(str, numbers["sizes"]))
    rows = [
        (f"PCA, {code} components", f"{numbers['pca']:.2f}", "13.87" if numbers["mnist"] else "", ""),
        (f"{chain}, {numbers['pretraining']} epochs of pre-training", f"{numbers['before']:.2f}", "", f"{seconds['pre-training']:.1f} s"),
        (f"and {numbers['epochs']} epochs of fine-tuning", f"{numbers['after']:.2f}", "3.00" if numbers["mnist"] else "", f"{seconds['pre-trained']:.1f} s"),
    ]  # fmt: skip
    if "without" in numbers:
        rows.append(
            (f"{numbers['epochs']} epochs without pre-training", f"{numbers['without']:.2f}", "", f"{seconds['without']:.1f} s")
        )  # fmt: skip
    images = "MNIST's 10,000 test images" if numbers["mnist"] else f"{HELD_OUT} digits of the package that were held out; --data FOLDER for MNIST"  # fmt: skip
    return [
        show.columns(("error of an image", "here", "paper", "time"), rows),
        f"\nsum over pixels of (reconstruction - pixel)^2, mean over {images}",
    ]


if __name__ == "__main__":
    show.main(run, report)
