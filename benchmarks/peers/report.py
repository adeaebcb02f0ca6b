"""The Markdown table of a result, and its place in README.md:  python benchmarks/peers/report.py results.json [--embed]"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TITLES = {"fastnn": "fastnn", "jax": "JAX", "pytorch": "PyTorch"}
START, END = "<!-- peers:start -->", "<!-- peers:end -->"


def table(result: dict[str, Any]) -> str:
    """One line a row: microseconds a training step, and how many times longer the others take."""
    present = list(result["versions"])
    others = [name for name in present if name != "fastnn"] if "fastnn" in present else []
    head = ["network", "batch", "optimizer"]
    head += [f"{TITLES[name]}, us" for name in present]
    head += [f"{TITLES[name]} / fastnn" for name in others]
    lines = [head, ["---"] * 3 + ["---:"] * (len(head) - 3)]
    for row in result["rows"]:
        medians = {name: row["libraries"][name]["median_us"] for name in present}
        line = [row["case"], str(row["batch"]), row["optimizer"]]
        line += [_three_digits(medians[name]) for name in present]
        line += [f"{_three_digits(medians[name] / medians['fastnn'])}x" for name in others]
        lines.append(line)
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    about, threads = result["about"], result["threads"]
    versions = ", ".join(f"{TITLES[name]} {version}" for name, version in result["versions"].items())
    absent = "".join(f" {TITLES[name]} was not installed." for name in result["absent"])
    note = (
        f"One training step, microseconds, median of {result['rounds']} rounds, {threads} thread{'s' * (threads > 1)}"
        f" each; {about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}; {versions};"
        f" commit {about['commit']}, {about['date']}; `python benchmarks/peers/run.py --embed`.{absent}"
    )
    return f"{text}\n\n{note}"


def embed(result: dict[str, Any], readme: Path) -> None:
    """Put the table between the two markers of `readme`."""
    text = readme.read_text()
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(f"{readme.name} needs one {START} and one {END}")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{START}\n{table(result)}\n{END}{after}")


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


if __name__ == "__main__":
    stored = json.loads(Path(sys.argv[1]).read_text())
    print(table(stored))
    if "--embed" in sys.argv[2:]:
        embed(stored, Path(__file__).resolve().parents[2] / "README.md")
