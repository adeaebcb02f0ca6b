"""Latency: what share of the calls took no longer than so many microseconds, each library's fastest way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from items.inference import best
from library import TITLES

from plots.style import COLOURS, caption, log_axis, plt, save


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    rows = result["rows"]
    figure, axes = plt.subplots(2, 2, figsize=(9.5, 5.6), sharey=True)
    for ax, row in zip(axes.flat, rows, strict=True):
        for name in result["versions"]:
            found = best(row, name)
            if found is not None:
                width = 2.4 if name == "fastnn" else 1.4
                # the slowest call of all is the system's, not the library's
                ax.plot(found[1][:100], range(100), color=COLOURS[name], linewidth=width, label=TITLES[name])
        log_axis(ax.xaxis)
        ax.set_title(f"{row['case']}, batch {row['batch']:,}")
    for ax in axes[:, 0]:
        ax.set_ylabel("% of calls within")
    for ax in axes[1]:
        ax.set_xlabel("microseconds")
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=len(result["versions"])
    )
    figure.supxlabel(caption(result), fontsize=7, color="#666666")
    return [save(figure, folder, "latency")]
