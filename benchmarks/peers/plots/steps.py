"""Training step: how many times longer than fastnn each library takes, a line a network, one panel a number of threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from library import TITLES

from plots.style import COLOURS, MARKERS, caption, log_axis, plt, save


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    settings = [("1", "1", "one thread")]
    if result["threads"] > 1:
        settings.append(("auto", str(result["threads"]), f"{result['threads']} threads allowed"))
    rows = result["rows"]
    height = 1.3 + 0.27 * len(rows)
    figure, axes = plt.subplots(1, len(settings), figsize=(9.5, height), sharey=True, squeeze=False)
    for ax, (mine, theirs, title) in zip(axes[0], settings, strict=True):
        for name in result["versions"]:
            key = f"{name}@{mine if name == 'fastnn' else theirs}"
            found = [row["entries"].get(key, {}).get("ratios", {}).get(f"fastnn@{mine}") for row in rows]
            points = [(ratio, place) for place, ratio in enumerate(found) if ratio is not None]
            if points:
                x, y = zip(*points, strict=True)
                style = {"color": COLOURS[name], "marker": MARKERS[name], "label": TITLES[name]}
                ax.scatter(x, y, s=34, zorder=4 if name == "fastnn" else 3, **style)
        ax.axvline(1, color=COLOURS["fastnn"], linewidth=1)
        log_axis(ax.xaxis, "x")
        ax.set_title(title)
        ax.set_xlabel("time of a step over fastnn's")
    labels = [f"{row['case']}, batch {row['batch']:,}, {row['optimizer']}" for row in rows]
    axes[0][0].set_yticks(range(len(rows)), labels)
    axes[0][0].invert_yaxis()
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=len(result["versions"]))
    figure.supxlabel(caption(result), fontsize=7, color="#666666")
    return [save(figure, folder, "steps")]
