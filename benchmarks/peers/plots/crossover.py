"""Crossover: the fastest peer's time over fastnn's for each width and batch, and the times themselves for three batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from items.crossover import best, grid, ratio
from library import TITLES
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D

from plots.style import COLOURS, MARKERS, annotated, caption, log_axis, plt, save

LIMIT = 16
STROKES = ("-", "--", ":")


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    batches, widths, cells = grid(result)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), width_ratios=(1.25, 1))
    values = np.array([[ratio(cells[b, w]) or np.nan for w in widths] for b in batches])
    image = annotated(
        left,
        values,
        batches,
        widths,
        "{:.2g}" if len(widths) > 8 else "{:.3g}",
        cmap="PuOr_r",
        norm=LogNorm(1 / LIMIT, LIMIT),
        clip=(1 / LIMIT, LIMIT),
    )
    left.set(xlabel="width", ylabel="batch", title="time of the fastest peer over fastnn's")
    bar = figure.colorbar(image, ax=left, extend="both")
    bar.set_ticks([1 / 16, 1 / 4, 1, 4, 16], labels=["1/16", "1/4", "1", "4", "16"])
    bar.minorticks_off()
    shown = [batches[0], batches[len(batches) // 2], batches[-1]]
    for name in result["versions"]:
        for batch, stroke in zip(shown, STROKES, strict=True):
            times = [best(cells[batch, width], (name,)) for width in widths]
            style = {"color": COLOURS[name], "marker": MARKERS[name], "markersize": 4, "linestyle": stroke}
            right.plot(widths, times, **style)
    log_axis(right.xaxis)
    right.set_xticks(widths, [f"{w:,}" for w in widths], rotation=90 if len(widths) > 8 else 0)
    right.set_yscale("log")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    right.set(xlabel="width", ylabel="microseconds a step", title="time of a step of 64-w-w-10, SGD")
    colours = [
        Line2D([], [], color=COLOURS[name], marker=MARKERS[name], label=TITLES[name])
        for name in result["versions"]
    ]
    strokes = [
        Line2D([], [], color="#444444", linestyle=stroke, label=f"batch {batch:,}")
        for batch, stroke in zip(shown, STROKES, strict=True)
    ]
    right.legend(handles=[*colours, *strokes], fontsize=8)
    figure.supxlabel(caption(result), fontsize=7, color="#666666")
    return [save(figure, folder, "crossover")]
