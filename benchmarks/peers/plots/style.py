"""What all plots share: size, type, a colour-blind-safe palette (Okabe and Ito), and small files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib import ticker

COLOURS = {
    "fastnn": "#D55E00",
    "jax": "#0072B2",
    "pytorch": "#009E73",
    "compiled": "#56B4E9",
    "sklearn": "#E69F00",
    "numpy": "#666666",
    "onnx": "#CC79A7",
}
MARKERS = {
    "fastnn": "o",
    "jax": "s",
    "pytorch": "^",
    "compiled": "v",
    "sklearn": "D",
    "numpy": "X",
    "onnx": "P",
}

plt.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)


def save(figure: Any, folder: Path, name: str) -> str:
    """Write the picture and give its file name."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=110)
    plt.close(figure)
    return f"{name}.png"


def caption(result: dict[str, Any]) -> str:
    about = result["about"]
    return f"{about['cpu']}, {about['cores']} cores, {about['date']}"


def log_axis(axis: Any, suffix: str = "") -> None:
    """Logarithmic, with 1, 2, 5, 10, ... written out."""
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5), numticks=12))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(
        lambda value, _: f"{value:,g}{suffix}" if value < 1e5 else f"{value:.0e}{suffix}"
    )
