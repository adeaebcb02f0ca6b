"""Tables of the training step: one thread, all threads, and the short one for README.md."""

from __future__ import annotations

from typing import Any

from cases import PUBLISHED_US
from library import TITLES
from tables import digits, source, table


def fastest(row: dict[str, Any], keys: list[str], mine: str) -> tuple[str, float] | None:
    """(key, times as long as `mine`) of the fastest of these entries that is no fastnn."""
    others = [
        (row["entries"][key]["ratios"][mine], key)
        for key in keys
        if not key.startswith("fastnn@") and mine in row["entries"].get(key, {}).get("ratios", {})
    ]
    return (min(others)[1], min(others)[0]) if others else None


def tables(result: dict[str, Any]) -> str:
    """One table for one thread and one for all; where all may be used, a peer's better number of threads counts."""
    names = list(result["versions"])
    one, count = [f"{name}@1" for name in names], result["threads"]
    parts = ["One thread each, us a step:", _table(result, names, one, one)]
    if count > 1:
        everything = ["fastnn@auto", *(f"{name}@{count}" for name in names if name != "fastnn")]
        intro = (
            f"{count} threads allowed, us a step. fastnn chooses how many it takes (the column before the last forces {count});"
            f" the last column takes each peer with {count} threads or with one, whichever is faster:"
        )
        parts += [intro, _table(result, names, everything, [*everything, *one], scaling=count)]
    parts.append(_notes(result))
    return "\n\n".join(parts)


def short(result: dict[str, Any]) -> str:
    """One table: the libraries on one thread, and fastnn with all threads against the fastest peer."""
    names, count = list(result["versions"]), result["threads"]
    one, everything = [f"{name}@1" for name in names], [f"{name}@{count}" for name in names]
    head = ["network", "batch", "optimizer", *(TITLES[name] for name in names), "fastest peer / fastnn"]
    head += [f"fastnn, {count} threads", "fastest peer / fastnn"] if count > 1 else []
    lines = []
    for row in result["rows"]:
        line = [*_row(row, one), _best(row, one, "fastnn@1")]
        if count > 1:
            mine = row["entries"].get("fastnn@auto", {}).get("median_us")
            line += [digits(mine), _best(row, [*everything, *one], "fastnn@auto")]
        lines.append(line)
    more = f"; the last two columns with {count} threads allowed" if count > 1 else ""
    text = f"A training step, us, on one thread{more}."
    picture = "![Time of a step over fastnn's](benchmarks/figures/steps.png)"
    published = f"4-32-16-4 is SimpleChains.jl's example, an epoch a step: {PUBLISHED_US:.0f} us on 4 cores of an i7-1165G7 by its documentation."
    return "\n\n".join([table(head, lines, left=3), f"{text} {published}", *_marks(result), picture])


def _row(row: dict[str, Any], keys: list[str]) -> list[str]:
    line = [row["case"], f"{row['batch']:,}", row["optimizer"]]
    for key in keys:
        entry = row["entries"].get(key, {})
        line.append(digits(entry.get("median_us")) + "\\*" * bool(entry.get("note")))
    return line


def _best(row: dict[str, Any], keys: list[str], mine: str) -> str:
    best = fastest(row, keys, mine)
    return "-" if best is None else f"{digits(best[1])}x {TITLES[best[0].partition('@')[0]]}"


def _table(
    result: dict[str, Any], names: list[str], keys: list[str], against: list[str], scaling: int = 0
) -> str:
    head = ["network", "batch", "optimizer", *(TITLES[name] for name in names)]
    head += [f"fastnn, 1 thread / {scaling}"] * bool(scaling) + ["fastest peer / fastnn"]
    lines = []
    for row in result["rows"]:
        line = _row(row, keys)
        if scaling:
            both = row["entries"].get("fastnn@1", {}).get("ratios", {}).get(f"fastnn@{scaling}")
            line.append("-" if both is None else f"{digits(both)}x")
        lines.append([*line, _best(row, against, keys[0])])
    return table(head, lines, left=3)


def _notes(result: dict[str, Any]) -> str:
    rounds = f"Medians of {result['rounds']} rounds in which all of them take turns; a ratio is the median of the rounds' ratios."
    example = (
        "4-32-16-4 is the example of SimpleChains.jl (tanh, half the squared error, a step is an epoch of 10,000 samples);"
        f" its documentation gives {PUBLISHED_US:.0f} us on 4 cores of an i7-1165G7."
    )
    failed: dict[tuple[str, str], list[str]] = {}
    for row in result["rows"]:
        for key, entry in row["entries"].items():
            if "failed" in entry:
                failed.setdefault((TITLES[key.partition("@")[0]], entry["failed"]), []).append(row["case"])
    absent = [
        f"{name} has no figure for {', '.join(dict.fromkeys(where))}: {why}."
        for (name, why), where in failed.items()
    ]
    return "\n\n".join([f"{rounds} {source(result, 1)}", example, *_marks(result), *absent])


def _marks(result: dict[str, Any]) -> list[str]:
    """What the stars say."""
    notes = {
        (TITLES[key.partition("@")[0]], entry["note"])
        for row in result["rows"]
        for key, entry in row["entries"].items()
        if entry.get("note")
    }
    return [f"\\* {name}: {note}." for name, note in sorted(notes)]
