"""Markdown: tables, figures with three digits, and the line that says where they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from library import TITLES


def table(head: list[str], lines: Iterable[list[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns are words."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines])


def digits(value: float | None) -> str:
    """Three digits: 1.43, 10.5, 398; a dash where there is no figure."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f}"


def source(result: Mapping[str, Any], item: int) -> str:
    """Machine, versions, commit, date and command of one item's result."""
    about = result["about"]
    dated = {**result, "about": {**about, "commit": f"{about['commit']}, {about['date']}"}}
    return f"{origin(dated)} `python benchmarks/peers/run.py --items {item}`."


def origin(result: Mapping[str, Any]) -> str:
    """Machine, versions, commit, and which libraries are absent."""
    about = result["about"]
    versions = ", ".join(f"{TITLES.get(name, name)} {v}" for name, v in result["versions"].items())
    gone = "".join(f" {TITLES.get(name, name)} is absent: {why}." for name, why in result["absent"].items())
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['system']}, Python {about['python']}; {versions or 'no library'};"
        f" commit {about['commit']}.{gone}"
    )
