"""Deep against wide: what depth can say with few parameters, and what training makes of it.

By hand: relu(x) and relu(x - 1/2) fold [0, 1] in the middle, 2 relu(x) - 4 relu(x - 1/2), and k such layers, one behind the other, make a sawtooth of 2^k pieces with 6 k + 1
parameters. One hidden layer bends at most once for each unit, so it needs 2^k units, 3 * 2^k + 1 parameters, for the same function.

By training, at equal numbers of parameters: cos(16 arccos x) is four foldings too, T_2(T_2(T_2(T_2(x)))) with T_2(x) = 2 x^2 - 1, and three or four layers learn it better than one
or eight (medians of ten starts: 0.15 with one, 0.02 with three and four, 0.12 with eight). For sin(3 pi x) exp(-x^2), which is no such composition, one hidden layer is as good as any.
So depth pays off where the function is made in steps; it is no gain by itself.
Source: Telgarsky 2016, Benefits of depth in neural networks, COLT; Montufar et al. 2014, On the number of linear regions of deep neural networks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.examples import show
from fastnn.examples.approximation import f as smooth
from fastnn.examples.show import Array

ROWS = np.linspace(-1, 1, 1024)[:, None]
FINE = np.linspace(-1, 1, 4001)[:, None]
SCALES = {"cos(16 arccos x)": (8.0, 16.0), "sin(3 pi x) exp(-x^2)": (8.0,)}
"""Of the first layer's weights; of several the one counts that serves a depth best."""


def folded(x: Array) -> Array:
    """T_16(x) = cos(16 arccos x), four foldings of [-1, 1]."""
    y: Array = np.cos(16 * np.arccos(np.clip(x, -1, 1)))
    return y


TARGETS = {"cos(16 arccos x)": folded, "sin(3 pi x) exp(-x^2)": smooth}


def sawtooth(x: Array, k: int) -> Array:
    """The function of 2^k pieces between 0 and 1, on [0, 1]."""
    for _ in range(k):
        x = 1 - np.abs(2 * x - 1)
    return x


def deep(k: int) -> fnn.Network:
    """k hidden layers of two relu units that are the sawtooth of 2^k pieces."""
    layers = [fnn.Dense(2, "relu") for _ in range(k)]
    net = fnn.Network(1, [*layers, fnn.Dense(1)], dtype="float64")
    fold = np.array([2.0, -4.0])
    for layer in range(k):
        net.parameters[f"{layer}/W"][:] = 1.0 if layer == 0 else fold
        net.parameters[f"{layer}/b"][:] = [0.0, -0.5]
    net.parameters[f"{k}/W"][:] = fold
    return net


def wide(k: int, units: int | None = None) -> fnn.Network:
    """One hidden layer of relu units, a bend each: the sawtooth of 2^k pieces with 2^k units; with fewer, its first pieces and then 1/2."""
    n = 2**k
    bends, slopes = np.arange(n) / n, n * (-1.0) ** np.arange(n)
    if units is not None and units < n:
        bends, slopes = bends[:units].copy(), slopes[:units].copy()
        bends[-1], slopes[-1] = bends[-1] - 0.5 / n, 0
    net = fnn.Network(1, [fnn.Dense(len(bends), "relu"), fnn.Dense(1)], dtype="float64")
    net.parameters["0/W"][:] = 1
    net.parameters["0/b"][:] = -bends
    net.parameters["1/W"][:] = np.diff(slopes, prepend=0.0)
    return net


def width(depth: int, parameters: int) -> int:
    """The most units a layer that `depth` equal layers between one input and one output may have within so many parameters."""
    n = 1
    while 2 * (n + 1) + (depth - 1) * ((n + 1) ** 2 + n + 1) + n + 2 <= parameters:
        n += 1
    return n


def trained(name: str, depth: int, parameters: int, scale: float, seed: int, epochs: int) -> fnn.Network:
    """A tanh network of so many equal layers, trained on a target by Adam."""
    n, first = width(depth, parameters), fnn.initializers.normal(scale=scale)
    spread = fnn.initializers.uniform(low=-scale, high=scale)
    layers = [fnn.Dense(n, "tanh", initializer=first, initializer_b=spread)]
    layers += [fnn.Dense(n, "tanh") for _ in range(depth - 1)]
    net = fnn.Network(1, [*layers, fnn.Dense(1)], seed=seed)
    adam = fnn.optimizers.adam(eta=0.01, schedule="cosine")
    y = TARGETS[name](ROWS)
    net.fit(
        ROWS, y, loss="squared_error", optimizer=adam, batch_size=64, epochs=epochs, threads=1, verbose=False
    )
    return net


def error(net: fnn.Network, name: str) -> float:
    """Root mean square of net - target over [-1, 1]."""
    return float(np.sqrt(((net(FINE) - TARGETS[name](FINE)) ** 2).mean()))


def typical(errors: Iterable[float]) -> float:
    """Their median."""
    return float(np.median(list(errors)))


def by_hand(foldings: int) -> list[dict[str, Any]]:
    """For k = 1, 2, ...: pieces, parameters deep and wide, and the larger error of the two networks."""
    x = np.linspace(0, 1, 10_001)[:, None]
    rows = []
    for k in range(1, foldings + 1):
        nets = (deep(k), wide(k))
        wrong = max(float(np.abs(net(x) - sawtooth(x, k)).max()) for net in nets)
        rows.append({"pieces": 2**k, "deep": nets[0].theta.size, "wide": nets[1].theta.size, "error": wrong})
    return rows


def run(
    *,
    foldings: int = 10,
    depths: tuple[int, ...] = (1, 2, 3, 4, 6, 8),
    parameters: int = 300,
    seeds: int = 3,
    epochs: int = 1000,
    out: str | None = None,
) -> dict[str, Any]:
    """Parameters of exact sawteeth, deep and wide, and errors of trained networks by depth; {"by hand", "trained"}.

    foldings    the most folding layers of a sawtooth made by hand
    depths      numbers of hidden layers that are trained
    parameters  of each trained network, at most
    seeds       random starts for each
    epochs      of training
    """
    errors: dict[str, dict[int, list[float]]] = {}
    for name in TARGETS:
        errors[name] = {}
        for depth in depths:
            tries = [
                [error(trained(name, depth, parameters, scale, seed, epochs), name) for seed in range(seeds)]
                for scale in SCALES[name]
            ]
            errors[name][depth] = sorted(min(tries, key=typical))
    numbers = {"by hand": by_hand(foldings), "trained": errors, "parameters": parameters}
    if out is not None:
        draw(numbers, out)
    return numbers


def draw(numbers: dict[str, Any], out: str) -> Any:
    """A sawtooth at equal parameters; parameters against pieces; errors after training against depth."""
    figure, (left, middle, right) = show.panels(3, height=3.7, widths=[4.4, 4.4, 4.6])
    x, blue, red = np.linspace(0, 1, 2001)[:, None], show.COLOURS[0], show.COLOURS[1]
    few = deep(4)
    same = wide(4, units=(few.theta.size - 1) // 3)
    left.plot(x, few(x), color=blue, linewidth=1.5)
    left.plot(x, same(x), color=red, linewidth=2.2)
    left.set(ylim=(-0.05, 1.32), xlim=(0, 1), yticks=[0, 0.5, 1])
    left.text(0.02, 1.22, f"4 layers of 2 units: {few.theta.size} parameters", fontsize=9, color=blue)
    left.text(0.02, 1.1, f"1 layer of 8 units: {same.theta.size} parameters, 7 bends", fontsize=9, color=red)
    show.caption(left, "16 pieces, relu, weights set by hand", "$x$", "")
    rows = numbers["by hand"]
    pieces = [row["pieces"] for row in rows]
    for way, colour, marker, name in (
        ("deep", blue, "o", "deep: $6k + 1$"),
        ("wide", red, "s", r"wide: $3 \cdot 2^k + 1$"),
    ):
        sizes = [row[way] for row in rows]
        middle.plot(pieces, sizes, color=colour, linewidth=1.9, marker=marker, markersize=4.5)
        show.label(middle, pieces[-1], sizes[-1], name, colour, xytext=(-4, 10), ha="right")
    middle.set(xscale="log", yscale="log", ylim=(5, max(pieces) * 8))
    middle.set_xscale("log", base=2)
    show.caption(middle, "parameters of an exact sawtooth", "pieces $2^k$", "")
    for k, errors in enumerate(numbers["trained"].values()):
        colour, depths = show.COLOURS[(0, 3)[k]], list(errors)
        median = [typical(errors[depth]) for depth in depths]
        low, high = ([pick(errors[depth]) for depth in depths] for pick in (min, max))
        right.fill_between(depths, low, high, color=colour, alpha=0.18, linewidth=0)
        right.plot(depths, median, color=colour, linewidth=1.9, marker="oD"[k], markersize=4.5)
        pretty = (r"$\cos(16\,\arccos x)$", r"$\sin(3 \pi x)\,e^{-x^2}$")[k]
        show.label(right, depths[-1], max(high[-2:]), pretty, colour, xytext=(0, 9), ha="right")
    right.set(yscale="log", ylim=(6e-4, 1.2), xticks=depths)
    show.caption(right, f"error after training, {numbers['parameters']} parameters", "hidden layers", "")
    return show.save_figure(figure, out)


def report(numbers: dict[str, Any]) -> list[Any]:
    """Sizes of exact sawteeth, and errors after training."""
    made = [
        (f"{row['pieces']:,}", f"{row['deep']:,}", f"{row['wide']:,}", f"{row['error']:.0e}")
        for row in numbers["by hand"]
    ]
    learnt = [
        (
            name,
            str(depth),
            str(width(depth, numbers["parameters"])),
            f"{typical(errors):.4f}",
            f"{errors[0]:.4f}",
            f"{errors[-1]:.4f}",
        )
        for name, by_depth in numbers["trained"].items()
        for depth, errors in by_depth.items()
    ]
    return [
        show.columns(("pieces of a sawtooth", "parameters, deep", "parameters, wide", "error of both"), made),
        "",
        show.columns(("trained on", "hidden layers", "units", "error, median", "least", "most"), learnt),
    ]


if __name__ == "__main__":
    show.main(run, report)
