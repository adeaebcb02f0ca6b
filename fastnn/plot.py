"""Pictures: the learning curve, the confusion table, and a report of a fit that has both sides of it.

Every function returns a matplotlib Figure and, given a path, saves it (.png, .svg or .pdf by its ending). Needs
fastnn[plot]. pyplot is never touched: no window opens, no state is left behind, threads may draw.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.errors import DataError, SettingError, need_extra

Array = NDArray[Any]

TRAINING, HELD_OUT, INK, FAINT = "#8c9bb0", "#d1495b", "#2e3440", "#d8dee6"
COLOURS = ("#1b6ca8", "#d1495b", "#e8a33d", "#3a9e8f", "#7d5ba6", "#6b7686")  # of several curves
LABEL = 0.15  # height of a curve's name, of the panel's
SHOWN = 12  # misread images, at most

__all__ = [
    "COLOURS",
    "FAINT",
    "HELD_OUT",
    "INK",
    "TRAINING",
    "Mistakes",
    "Predictions",
    "check_ending",
    "confusion",
    "dress",
    "learning_curve",
    "new_figure",
    "report",
    "save_figure",
]


@dataclass(frozen=True)
class Mistakes:
    """Held-out images that were taken for something else: images (n, height, width), what is and what was said."""

    images: Array
    true: Sequence[str]
    said: Sequence[str]
    held_out: int


@dataclass(frozen=True)
class Predictions:
    """Held-out values and what was predicted for them."""

    true: Array
    said: Array


def learning_curve(history: Any, path: Any = None) -> Any:
    """Loss and, where there is one, accuracy by epoch: training and held-out."""
    _check(history)
    panels = 1 + _has_accuracy(history)
    figure = new_figure(4.6 * panels, 3.6)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw_loss(axes[0], history)
    if panels == 2:
        _draw_accuracy(axes[1], history)
    return save_figure(figure, path)


def report(
    history: Any,
    path: Any = None,
    title: str = "",
    mistakes: Mistakes | None = None,
    predictions: Predictions | None = None,
) -> Any:
    """The learning curve beside what the network gets wrong: misread images, or predicted against true values."""
    _check(history)
    accuracy = _has_accuracy(history)
    side = mistakes is not None and len(mistakes.images) > 0
    widths = [4.6] + [4.6] * accuracy + [3.6] * (predictions is not None) + [3.0] * side
    figure = new_figure(sum(widths), 3.9)
    grid = figure.add_gridspec(1, len(widths), width_ratios=widths)
    _draw_loss(figure.add_subplot(grid[0]), history)
    if accuracy:
        _draw_accuracy(figure.add_subplot(grid[1]), history)
    if predictions is not None:
        _draw_predictions(figure.add_subplot(grid[1 + accuracy]), predictions)
    if mistakes is not None and side:
        _draw_mistakes(figure.add_subplot(grid[-1]), mistakes)
    if title:
        figure.suptitle(title, x=0.012, ha="left", fontsize=12.5, color=INK, fontweight="bold")
    return save_figure(figure, path)


def confusion(table: ArrayLike, classes: Sequence[str], path: Any = None) -> Any:
    """The confusion table as a picture: rows are true classes, columns what was said, numbers are counts."""
    counts = np.asarray(table)
    n = len(classes)
    if counts.shape != (n, n):
        raise DataError("the confusion table does not fit", got=f"{counts.shape}", expected=f"({n}, {n})")
    size = min(2.0 + 0.5 * n, 14)
    figure = new_figure(size, size - 0.3)
    axes = figure.subplots()
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.25)
    long = max(len(name) for name in classes) > 3
    axes.set_xticks(range(n), classes, rotation=45 if long else 0, ha="right" if long else "center")
    axes.set_yticks(range(n), classes)
    if n <= 25:
        for i, j in np.argwhere(counts > 0):
            colour = HELD_OUT if i != j else ("white" if shares[i, j] > 0.6 else INK)
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=9, color=colour)
    axes.set_xlabel("said", color=INK)
    axes.set_ylabel("true", color=INK)
    axes.tick_params(length=0, colors=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return save_figure(figure, path)


def _draw_loss(axes: Any, history: Any) -> None:
    curves = _curves(history, "loss")
    values = np.concatenate([curve for _, curve, _ in curves])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 15 * values.min():
        axes.set_yscale("log")
    _draw_curves(axes, history, curves, "loss", lambda value: f"{value:.3g}")


def _draw_accuracy(axes: Any, history: Any) -> None:
    curves = _curves(history, "accuracy")
    values = np.concatenate([curve[np.isfinite(curve)] for _, curve, _ in curves])
    low = float(np.quantile(values, 0.08)) if len(values) else 0.0
    low = min(max(0.0, low - 0.15 * (1 - low)), 0.95)
    axes.set_ylim(low, 1 + 0.04 * (1 - low))
    _draw_curves(axes, history, curves, "accuracy", lambda value: f"{100 * value:.1f} %")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %" if value <= 1 else "")


def _has_accuracy(history: Any) -> bool:
    return not {"accuracy", "validation_accuracy"}.isdisjoint(history.columns)


def _curves(history: Any, name: str) -> list[tuple[str, Array, str]]:
    curves = [("training", name, TRAINING), ("held out", f"validation_{name}", HELD_OUT)]
    return [(word, history.column(key), colour) for word, key, colour in curves if key in history.columns]


def _draw_curves(axes: Any, history: Any, curves: Any, title: str, words: Any) -> None:
    """Curves over the epochs, each named at its end."""
    from matplotlib.ticker import MaxNLocator

    epochs = history.column("epoch")
    marker = "o" if len(epochs) <= 3 else None
    for _, values, colour in curves:
        axes.plot(
            epochs, values, color=colour, linewidth=1.9, marker=marker, markersize=4, solid_capstyle="round"
        )
    dress(axes)
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel("epoch", fontsize=9.5, color=INK)
    if len(epochs) <= 7:
        axes.set_xticks(epochs, [f"{epoch:g}" for epoch in epochs])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda *_: "")
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
    axes.autoscale_view()
    to_fraction = axes.transScale + axes.transLimits  # known before the layout is
    ends = []
    for name, values, colour in curves:
        there = np.flatnonzero(np.isfinite(values))
        if len(there):
            x, y = epochs[there[-1]], values[there[-1]]
            axes.plot([x], [y], "o", color=colour, markersize=4.5, clip_on=False, zorder=3)
            ends.append([to_fraction.transform((x, y))[1], f"{name}\n{words(y)}", colour])
    ends.sort(key=lambda end: end[0])
    heights = np.array([height for height, *_ in ends])
    if len(ends) == 2 and heights[1] - heights[0] < LABEL:  # push them apart
        heights = heights.mean() + LABEL * np.array([-0.5, 0.5])
    if len(ends):
        heights += max(0.0, -heights.min())
    for height, (_, text, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            text,
            (1, float(height)),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
            annotation_clip=False,
        )


def _draw_predictions(axes: Any, predictions: Predictions) -> None:
    true, said = np.ravel(predictions.true), np.ravel(predictions.said)
    low, high = min(true.min(), said.min()), max(true.max(), said.max())
    margin = 0.05 * (high - low or 1)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=TRAINING, linewidth=1, zorder=1)
    axes.scatter(true, said, s=14, color=HELD_OUT, alpha=0.65, linewidths=0, zorder=2)
    axes.set(xlim=ends, ylim=ends)
    axes.set_aspect("equal", adjustable="box")
    dress(axes)
    axes.set_title("held out: predicted against true", loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel("true", fontsize=9.5, color=INK)
    axes.set_ylabel("predicted", fontsize=9.5, color=INK)


def _draw_mistakes(axes: Any, mistakes: Mistakes) -> None:
    """A grid of images in one panel, each with what it is and what was said."""
    n = min(SHOWN, len(mistakes.images))
    across = 3 if n > 4 else 2
    down = max(2, -(-n // across))
    for i in range(n):
        left, top = i % across, i // across
        image = mistakes.images[i]
        axes.imshow(image, cmap="gray_r", extent=(left + 0.12, left + 0.88, top + 0.98, top + 0.22))
        said = f"{mistakes.true[i]} as {mistakes.said[i]}"
        axes.text(left + 0.5, top + 0.17, said, ha="center", fontsize=9, color=HELD_OUT)
    axes.set(xlim=(0, across), ylim=(down, 0), aspect="equal", anchor="NW")
    axes.set_axis_off()
    title = f"misread: {len(mistakes.images)} of {mistakes.held_out} held out"
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)


def _check(history: Any) -> None:
    if not len(history):
        raise DataError("the history has no epochs to draw")


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib Figure of so many inches, which pyplot does not know and notebooks show."""
    need_extra("matplotlib", "plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that notebooks show, though pyplot does not know it."""

        def _repr_png_(self) -> bytes:
            self.savefig(data := io.BytesIO(), format="png", dpi=110)
            return data.getvalue()

    figure = Picture(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Any) -> None:
    """The house style: faint axes below and to the left, faint lines across, no ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, which="both")


def check_ending(path: Any) -> None:
    """Refuse a path that no picture can be written to; MissingExtraError without matplotlib."""
    _check_ending(new_figure(1, 1), path)


def save_figure(figure: Any, path: Any) -> Any:
    """Write the figure to `path`, unless that is None; the figure."""
    if path is not None:
        _check_ending(figure, path)
        figure.savefig(path, dpi=160)
    return figure


def _check_ending(figure: Any, path: Any) -> None:
    if Path(path).suffix[1:].lower() not in figure.canvas.get_supported_filetypes():
        raise SettingError(
            f"no picture can be written to {str(path)!r}", expected="a name that ends in .png, .svg or .pdf"
        )
