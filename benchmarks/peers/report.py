"""All tables of a result, the plots, and their place in the repository:  python benchmarks/peers/report.py results.json [--embed]

`--embed` writes benchmarks/figures/results.md (every table), results.json (figures without the single samples), the plots, and the
summary between two markers of README.md.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from tables import origin

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIGURES = ROOT / "benchmarks" / "figures"
START, END = "<!-- peers:start -->", "<!-- peers:end -->"
ITEMS = ("steps", "mnist", "inference", "products", "crossover", "start", "convolutions", "lenet", "resnet")
SAMPLES = ("wall_us", "cpu_us", "samples", "each")
"""Left out of the file that is kept in the repository."""


def present(result: dict[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """(module, its result) of every item that was measured, in order."""
    return [(importlib.import_module(f"items.{name}"), result[name]) for name in ITEMS if name in result]


def everything(result: dict[str, Any], pictures: dict[str, list[str]] | None = None) -> str:
    """Every table, and the pictures drawn."""
    parts = []
    for item, found in present(result):
        name = item.__name__.rpartition(".")[2]
        images = [f"![{item.TITLE}]({file})" for file in (pictures or {}).get(name, [])]
        parts.append("\n\n".join([f"## {item.TITLE}", item.tables(found), *images]))
    return "\n\n".join(parts)


def summary(result: dict[str, Any]) -> str:
    """What README.md shows: the short form of every item, and once where the figures come from."""
    items = present(result)
    versions = {name: version for _, found in items for name, version in found["versions"].items()}
    absent = {name: why for _, found in items for name, why in found["absent"].items()}
    about = [found["about"] for _, found in items]
    commits = ", ".join(dict.fromkeys(f"{a['commit']} ({a['date']})" for a in about))
    merged = {"about": {**about[0], "commit": commits}, "versions": versions, "absent": absent}
    return "\n\n".join([*(item.short(found) for item, found in items), origin(merged)])


def embed(result: dict[str, Any]) -> None:
    """Plots and tables into benchmarks/figures, the summary between the two markers of README.md."""
    pictures = {
        item.__name__.rpartition(".")[2]: item.draw(found, FIGURES) for item, found in present(result)
    }
    text = f"# fastnn beside its peers\n\nWritten by `python benchmarks/peers/run.py --embed`.\n\n{everything(result, pictures)}\n"
    (FIGURES / "results.md").write_text(text)
    (FIGURES / "results.json").write_text(json.dumps(without_samples(result), separators=(",", ":")) + "\n")
    readme = ROOT / "README.md"
    readme.write_text(between_markers(readme.read_text(), summary(result)))


def without_samples(thing: Any) -> Any:
    """A copy without the single samples."""
    if isinstance(thing, dict):
        return {key: without_samples(value) for key, value in thing.items() if key not in SAMPLES}
    if isinstance(thing, list):
        return [without_samples(value) for value in thing]
    return float(f"{thing:.4g}") if isinstance(thing, float) else thing


def between_markers(text: str, new: str) -> str:
    """`text` with `new` between the two markers."""
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(f"README.md needs one {START} and one {END}")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{new}\n{END}{after}"


if __name__ == "__main__":
    stored = json.loads(Path(sys.argv[1]).read_text())
    print(everything(stored))
    if "--embed" in sys.argv[2:]:
        embed(stored)
