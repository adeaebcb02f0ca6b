"""Draw every figure of these pages: each is the picture of an example, run with small settings.

    python docs/build.py                     all of them, into docs/figures
    python docs/build.py perceptron xor      some of them
    python docs/build.py --out FOLDER        elsewhere, as continuous integration does

Needs fastnn[plot]. Pictures are committed, so that pages show them wherever they are read; each is kept under 60 KB.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import time
from pathlib import Path
from typing import Any

from fastnn.plot import COLOURS, INK

FIGURES: dict[str, dict[str, Any]] = {
    "perceptron": {"seeds": 3},
    "xor": {"seeds": 12, "widths": (2, 8), "steps": 100_000},
    "approximation": {"seeds": 2, "epochs": 1500},
    "depth": {"seeds": 1, "epochs": 600},
    "autoencoder": {},
    "three_steps": {},
    "residual": {"size": 16, "n": 320, "epochs": 8},
    "surfaces": {},
    "scaling_features": {},
    "stationary": {},
    "backpropagation": {"seeds": 5},
    "best_step": {},
    "learning_rate": {"rates": 31},
    "descent_lemma": {"seeds": 4, "rates": 8},
}
"""Names of figures, which are those of examples, and the settings with which these are run."""

FOLDER = Path(__file__).parent / "figures"
WIDTH = 1280  # pixels across
SHADES = (1.0, 0.8, 0.6, 0.4, 0.2)  # of a colour on white
OTHERS = 48  # colours beside them


def draw(name: str, folder: Path = FOLDER) -> Path:
    """Run an example and keep its picture; the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    importlib.import_module(f"fastnn.examples.{name}").run(**FIGURES[name], out=str(path))
    shrink(path)
    return path


def shrink(path: Path) -> None:
    """Fewer pixels and a palette, a quarter of the size: the house's colours and their shades, and what else the picture has most of."""
    from PIL import Image, ImageColor  # matplotlib brings it

    image = Image.open(path).convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    own = [ImageColor.getrgb(colour) for colour in (*COLOURS, INK)]
    shades = [round(255 - part * (255 - c)) for rgb in own for part in SHADES for c in rgb]
    most = image.quantize(OTHERS, dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    others = [
        rgb for rgb in zip(*[iter(most[: 3 * OTHERS])] * 3, strict=True) if min(rgb) < 248
    ]  # white is white
    palette.putpalette([255, 255, 255, *shades, *itertools.chain(*others)])
    image.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Draw what the command line names, and say how long each took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", nargs="*", default=list(FIGURES), metavar="figure")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    unknown = set(arguments.figures) - set(FIGURES)
    if unknown:
        parser.error(f"unknown figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    for name in arguments.figures:
        start = time.perf_counter()
        path = draw(name, arguments.out)
        print(f"{path.name:<24} {path.stat().st_size / 1000:5.1f} KB  {time.perf_counter() - start:5.1f} s")


if __name__ == "__main__":
    main()
