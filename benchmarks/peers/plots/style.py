"""What all plots share: size, type, a colour-blind-safe palette (Okabe and Ito), and small files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib import ticker
from PIL import Image

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
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110)
    plt.close(figure)
    # 256 colours are enough for these, and a third of the bytes
    Image.open(drawn).convert("RGB").quantize(256).save(folder / f"{name}.png", optimize=True)
    return f"{name}.png"


def caption(result: dict[str, Any]) -> str:
    about = result["about"]
    return f"{about['cpu']}, {about['cores']} cores, {about['date']}"


def log_axis(axis: Any, suffix: str = "") -> None:
    """Logarithmic, with 1, 2, 5, 10, ... written out, or only powers of 10 where there are many; call it when all is drawn."""
    low, high = axis.get_data_interval()
    subs = (1,) if high / max(low, 1e-99) > 300 else (1, 2, 5)
    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    axis.set_major_locator(ticker.LogLocator(subs=subs, numticks=12))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(
        lambda value, _: f"{value:,g}{suffix}" if value < 1e5 else f"{value:.0e}{suffix}"
    )


def annotated(
    ax: Any,
    values: Any,
    rows: list[int],
    columns: list[int],
    form: str,
    clip: tuple[float, float] = (-1e99, 1e99),
    **colours: Any,
) -> Any:
    """A heat map with its figures written into the cells; the first row is at the bottom."""
    image = ax.imshow(values.clip(*clip), origin="lower", aspect="auto", **colours)
    size = 6 if len(columns) > 8 else 8
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            if not np.isnan(value):  # nothing was measured there
                red, green, blue, _ = image.cmap(image.norm(min(max(value, clip[0]), clip[1])))
                dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
                word = form.format(value)
                ax.text(
                    j, i, word, ha="center", va="center", fontsize=size, color="white" if dark else "black"
                )
    ax.set_xticks(range(len(columns)), [f"{n:,}" for n in columns], rotation=90 if len(columns) > 8 else 0)
    ax.set_yticks(range(len(rows)), [f"{n:,}" for n in rows])
    ax.grid(False)
    return image
