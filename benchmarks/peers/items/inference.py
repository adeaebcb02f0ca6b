"""Inference from Python: one sample, and 1000 at once, on one thread; every call is timed, so that there is a distribution.

Input and output are of the library's own array type and there before the call (NumPy's for fastnn, onnxruntime's `run`,
scikit-learn and NumPy; tensors, JAX's arrays, bound memory for the others), and the result is ready when a call ends.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from library import TITLES, Failed, Libraries
from machine import describe
from tables import digits, source, table

TITLE = "Inference"
LIBRARIES = ("fastnn", "onnx", "jax", "pytorch", "compiled", "sklearn", "numpy")
SETTINGS = (((8, 32, 32, 2), 1), ((784, 128, 10), 1), ((8, 32, 32, 2), 1000), ((784, 128, 10), 1000))
TOLERANCE = 1e-4
OURS = "fastnn net(x)"


def measure(options: Namespace) -> dict[str, Any]:
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    rounds = options.rounds or (3 if options.quick else 7)
    seconds = options.seconds or (0.02 if options.quick else 0.05)
    about = describe()
    with Libraries([(name, 1) for name in names]) as libraries:
        rows = [_row(sizes, batch, libraries, rounds, seconds) for sizes, batch in SETTINGS]
        return {
            "about": about,
            "rounds": rounds,
            "versions": libraries.versions,
            "absent": libraries.absent,
            "rows": rows,
        }


def _row(
    sizes: tuple[int, ...], batch: int, libraries: Libraries, rounds: int, seconds: float
) -> dict[str, Any]:
    name = "-".join(map(str, sizes))
    ways, entries, failed = [], {}, {}
    for library in libraries.present:
        try:
            answer = library.ask(do="predictors", sizes=sizes, batch=batch)
        except Failed as error:
            failed[library.name] = str(error)
            continue
        for way, apart in answer["apart"].items():
            ways.append((library, way))
            entries[f"{library.name} {way}"] = {"apart": apart, "samples": []}
    for turn in range(rounds):
        shift = turn % len(ways)
        for library, way in ways[shift:] + ways[:shift]:
            taken = library.ask(do="latencies", name=way, seconds=seconds)["ns"]
            entries[f"{library.name} {way}"]["samples"] += taken
    for entry in entries.values():
        entry["percentiles_us"] = (np.percentile(entry["samples"], range(101)) / 1000).tolist()
        entry["calls"] = len(entry.pop("samples"))
    figures = "  ".join(f"{key} {entry['percentiles_us'][50]:.2f}" for key, entry in entries.items())
    print(f"{name}, batch {batch}, us: {figures}", file=sys.stderr, flush=True)
    return {"case": name, "batch": batch, "entries": entries, "failed": failed}


def wrong(result: dict[str, Any]) -> list[str]:
    """Answers that are not those of the network."""
    return [
        f"inference {row['case']}: {key} is {entry['apart']:.1e} from the exact outputs"
        for row in result["rows"]
        for key, entry in row["entries"].items()
        if not entry["apart"] < TOLERANCE
    ]


def title(key: str) -> str:
    library, _, way = key.partition(" ")
    return TITLES[library] if library == "compiled" else f"{TITLES[library]}, `{way}`"


def tables(result: dict[str, Any]) -> str:
    parts = ["One thread, us a call: half, 90 % and 99 % of the calls took no longer."]
    for row in result["rows"]:
        ours = row["entries"].get(OURS, {}).get("percentiles_us")
        lines = []
        for key, entry in sorted(row["entries"].items(), key=lambda pair: pair[1]["percentiles_us"][50]):
            p = entry["percentiles_us"]
            over = "-" if ours is None else f"{digits(p[50] / ours[50])}x"
            lines.append([title(key), digits(p[50]), digits(p[90]), digits(p[99]), over])
        head = [f"{row['case']}, batch {row['batch']:,}", "p50", "p90", "p99", "p50 over `net(x)`"]
        parts.append(table(head, lines))
        parts += [f"{TITLES[name]} has no figure: {why}." for name, why in row["failed"].items()]
    parts.append(f"Every call timed, {result['rounds']} rounds. {source(result, 3)}")
    return "\n\n".join(parts)


def best(row: dict[str, Any], library: str) -> tuple[str, list[float]] | None:
    """(key, percentiles) of the library's fastest way."""
    found = [
        (e["percentiles_us"][50], k) for k, e in row["entries"].items() if k.partition(" ")[0] == library
    ]
    return (min(found)[1], row["entries"][min(found)[1]]["percentiles_us"]) if found else None


def short(result: dict[str, Any]) -> str:
    """Medians of `net(x)` and of every peer's fastest way."""
    names = [name for name in result["versions"] if name != "fastnn"]
    head = ["inference, us", "batch", "fastnn `net(x)`", *(TITLES[name] for name in names)]
    lines = []
    for row in result["rows"]:
        ours = row["entries"].get(OURS, {}).get("percentiles_us")
        line = [row["case"], f"{row['batch']:,}", digits(ours[50] if ours else None)]
        for name in names:
            found = best(row, name)
            line.append(digits(found[1][50] if found else None))
        lines.append(line)
    return f"{table(head, lines, left=2)}\n\nInference from Python: median of the calls, one thread, each library's fastest way."


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    from plots import latency

    return latency.draw(result, folder)
