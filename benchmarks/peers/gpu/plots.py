"""Pictures of what was measured on the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plots.style import COLOURS, MARKERS, log_axis, plt, save

from gpu import narrow, steps
from gpu.peers import LIBRARIES, TITLES, WAYS

COLOUR = {
    **COLOURS,
    "graphs": COLOURS["compiled"],
    "block": "#D55E00",
    "grid": "#0072B2",
    "graph": "#009E73",
    "direct": "#666666",
}
MARKER = {**MARKERS, "graphs": MARKERS["compiled"], "block": "o", "grid": "s", "graph": "^", "direct": "X"}
LINE = {"float32": "-", "tf32": "--", "bf16": ":"}


def draw(result: dict[str, Any], folder: Path) -> dict[str, list[str]]:
    """File names by item."""
    drawers = {"steps": draw_steps, "ways": draw_ways, "narrow": draw_narrow, "products": draw_products}
    caption = f"{result['about']['card']}, {result['about']['date']}"
    return {
        name: drawer(result[name], folder, caption) for name, drawer in drawers.items() if result.get(name)
    }


def finish(figure: Any, folder: Path, name: str, caption: str) -> list[str]:
    figure.supxlabel(caption, fontsize=7, color="#666666")
    return [save(figure, folder, name)]


def draw_steps(result: dict[str, Any], folder: Path, caption: str) -> list[str]:
    """Time of a step over fastnn's, a panel a precision."""
    most = max(len(found["rows"]) for found in result.values())
    figure, axes = plt.subplots(1, len(result), figsize=(11, 1.5 + 0.27 * most), squeeze=False, sharey=True)
    for ax, (precision, found) in zip(axes[0], result.items(), strict=True):
        for name in LIBRARIES:
            ratios = [
                row["entries"].get(f"{name}@{precision}", {}).get("ratios", {}).get(f"fastnn@{precision}")
                for row in found["rows"]
            ]
            points = [(ratio, place) for place, ratio in enumerate(ratios) if ratio]
            if points:
                style = {"color": COLOUR[name], "marker": MARKER[name], "label": TITLES[name]}
                ax.scatter(*zip(*points, strict=True), s=34, zorder=3, **style)
        labels = [f"{row['case']}, batch {row['batch']:,}, {row['optimizer']}" for row in found["rows"]]
        ax.set_yticks(range(len(labels)), labels)
        ax.axvline(1, color=COLOUR["fastnn"], linewidth=1)
        log_axis(ax.xaxis, "x")
        ax.set_title({"float32": "TF32 off", "tf32": "TF32 on"}[precision])
        ax.set_xlabel("time of a step over fastnn's")
    axes[0][0].invert_yaxis()
    handles = axes[0][0].get_legend_handles_labels()
    if handles[0]:
        figure.legend(*handles, loc="outside upper center", ncols=len(LIBRARIES))
    return finish(figure, folder, "gpu_steps", caption)


def draw_ways(result: dict[str, Any], folder: Path, caption: str) -> list[str]:
    """Time of a step over the width, a panel a batch, a line a way."""
    rows = [row for row in result["rows"] if (row["case"], row["batch"]) not in
            {(case.name, case.batch) for case in (*steps.CASES, steps.LARGE, *steps.SMOKE)}]  # fmt: skip
    sizes = sorted({row["batch"] for row in rows})
    if not sizes:
        return []
    figure, axes = plt.subplots(1, len(sizes), figsize=(11, 3.2), squeeze=False, sharey=True)
    for ax, batch in zip(axes[0], sizes, strict=True):
        for how in WAYS:
            times = [
                (int(row["case"].split("-")[1]), row["entries"].get(f"fastnn@{how}", {}).get("median_us"))
                for row in rows
                if row["batch"] == batch
            ]
            points = [point for point in times if point[1]]
            if points:
                ax.plot(*zip(*points, strict=True), color=COLOUR[how], marker=MARKER[how], label=how)
        ax.set_title(f"batch {batch:,}")
        ax.set_xlabel("width of 64-w-w-10")
        log_axis(ax.xaxis)
        log_axis(ax.yaxis)
    axes[0][0].set_ylabel("us a step")
    axes[0][0].legend()
    return finish(figure, folder, "gpu_ways", caption)


def draw_narrow(result: dict[str, Any], folder: Path, caption: str) -> list[str]:
    """Samples a second over the batch, training and inference, beside the published curve."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), squeeze=False)
    for ax, what in zip(axes[0], ("training", "inference"), strict=True):
        for key, curve in narrow.curves(result, what).items():
            name, _, rest = key.partition("@")
            precision, _, place = rest.partition(" ")
            style = {"color": COLOUR[name], "marker": MARKER[name], "linestyle": LINE[precision]}
            ax.plot(
                list(curve),
                list(curve.values()),
                label=narrow.title(key),
                alpha=0.5 if place == "host" else 1,
                **style,
            )
        published = narrow.PUBLISHED[what]
        label = "tiny-cuda-nn, fp16, RTX 3090 (published)"
        ax.plot(list(published), list(published.values()), color="black", marker="*", label=label)
        log_axis(ax.yaxis)
        ax.set_xscale("log", base=2)
        ax.set_title(what)
        ax.set_xlabel("batch")
        ax.legend(fontsize=6)
    axes[0][0].set_ylabel("samples a second")
    return finish(figure, folder, "gpu_narrow", caption)


def draw_products(result: dict[str, Any], folder: Path, caption: str) -> list[str]:
    """fastnn's speed as a share of cuBLAS's, a panel a product."""
    from items.products import PRODUCTS

    figure, axes = plt.subplots(1, len(PRODUCTS), figsize=(11, 3.4), squeeze=False, sharey=True)
    for ax, product in zip(axes[0], PRODUCTS, strict=True):
        for precision, style in LINE.items():
            points = [
                (cell["n"], 100 * cell["entries"][f"fastnn@{precision}"]["share"])
                for found in result.values()
                for cell in found["cells"]
                if cell["product"] == product and "share" in cell["entries"].get(f"fastnn@{precision}", {})
            ]
            if points:
                own = {"linestyle": style, "color": COLOUR["fastnn"], "marker": "o", "label": precision}
                ax.plot(*zip(*points, strict=True), **own)
        ax.axhline(70, color="#444444", linewidth=1)
        ax.set_xscale("log", base=2)
        ax.set_title(f"{product}: {PRODUCTS[product]}")
        ax.set_xlabel("n")
    axes[0][0].set_ylabel("% of cuBLAS")
    axes[0][0].set_ylim(bottom=0)
    if axes[0][0].get_legend_handles_labels()[0]:
        axes[0][0].legend()
    return finish(figure, folder, "gpu_products", caption)
