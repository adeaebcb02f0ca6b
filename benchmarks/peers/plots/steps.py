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
    panels = len(settings) + (result["threads"] > 1)
    figure, axes = plt.subplots(
        1,
        panels,
        figsize=(11, height),
        sharey=True,
        squeeze=False,
        width_ratios=(2, 2, 1)[:panels] if panels > 1 else None,
    )
    for ax, (mine, theirs, title) in zip(axes[0], settings, strict=False):
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
    if panels == 3:
        _scaling(axes[0][2], rows, result["threads"])
    labels = [f"{row['case']}, batch {row['batch']:,}, {row['optimizer']}" for row in rows]
    axes[0][0].set_yticks(range(len(rows)), labels)
    axes[0][0].invert_yaxis()
    handles = axes[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=len(result["versions"]))
    figure.supxlabel(caption(result), fontsize=7, color="#666666")
    return [save(figure, folder, "steps")]


def _scaling(ax: Any, rows: list[dict[str, Any]], threads: int) -> None:
    """How much faster fastnn is with its own choice of threads, and where all are forced."""
    settings = (
        (f"fastnn@{threads}", f"{threads} forced", "none"),
        ("fastnn@auto", "its choice", COLOURS["fastnn"]),
    )
    for key, label, face in settings:
        found = [row["entries"].get("fastnn@1", {}).get("ratios", {}).get(key) for row in rows]
        points = [(ratio, place) for place, ratio in enumerate(found) if ratio is not None and ratio > 0]
        if points:
            x, y = zip(*points, strict=True)
            ax.scatter(x, y, s=30, facecolors=face, edgecolors=COLOURS["fastnn"], label=label, zorder=3)
    ax.axvline(1, color="#444444", linewidth=1)
    ax.set_xlim(left=0)
    ax.set_title(f"fastnn, 1 thread / {threads}")
    ax.set_xlabel("times as fast")
    ax.legend(fontsize=7)
