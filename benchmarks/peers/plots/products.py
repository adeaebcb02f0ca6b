"""Products: share of the measured peak, and fastnn over BLAS, a cell for each batch and width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from items.products import PRODUCTS, cell
from matplotlib.colors import LogNorm

from plots.style import annotated, caption, plt, save


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    sizes = sorted({c["width"] for c in result["cells"]})
    figure, axes = plt.subplots(2, len(PRODUCTS), figsize=(11, 7), sharex=True, sharey=True)
    for column, (product, formula) in zip(axes.T, PRODUCTS.items(), strict=True):
        grid = [[cell(result, product, batch, width) for width in sizes] for batch in sizes]
        ours = np.array([[c["fastnn"] if c else np.nan for c in row] for row in grid])
        blas = np.array([[c["blas"] if c else np.nan for c in row] for row in grid])
        share, ratio = 100 * ours / result["peak"], ours / blas
        first = annotated(column[0], share, sizes, sizes, "{:.0f}", cmap="cividis", vmin=0, vmax=100)
        second = annotated(
            column[1], ratio, sizes, sizes, "{:.1f}", cmap="PuOr_r", norm=LogNorm(1 / 4, 4), clip=(0.25, 4)
        )
        column[0].set_title(f"{product}: {formula}")
        column[1].set_xlabel("width")
    for ax in axes[:, 0]:
        ax.set_ylabel("batch")
    figure.colorbar(first, ax=axes[0], label="fastnn, % of the peak")
    bar = figure.colorbar(second, ax=axes[1], label="fastnn's speed over BLAS's", extend="both")
    bar.set_ticks([0.25, 0.5, 1, 2, 4], labels=["1/4", "1/2", "1", "2", "4"])
    bar.minorticks_off()
    figure.supxlabel(
        f"one thread, float32, peak {result['peak']:.0f} GFLOP/s; {caption(result)}",
        fontsize=7,
        color="#666666",
    )
    return [save(figure, folder, "products")]
