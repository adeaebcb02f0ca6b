"""Convolution layers: GFLOP/s of the three products, one thread and all, beside PyTorch's better order of axes and what the processor does on registers alone.

Operations are those of the formula. Winograd's filtering needs fewer, so a figure may lie above the limit; fastnn transforms its weights in every call.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from images import LAYERS, PRODUCTS, QUICK, Layer
from library import Failed, Libraries, cpus
from machine import describe
from tables import digits, source, table

TITLE = "Convolution layers"
LIBRARIES = ("fastnn", "pytorch")
CALLS = 3
"""Calls of a round at least; the first ones of the process are not among them."""
TOLERANCE = 1e-4
"""Largest difference from PyTorch's result, over its largest number. float32 sums of 800,000 terms come to 1e-5."""


def measure(options: Namespace) -> dict[str, Any]:
    cores = len(cpus()) or 1
    counts = [1] if cores == 1 or options.threads == 1 else [1, cores]
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    rounds = options.rounds or (3 if options.quick else 7)
    seconds = options.seconds or (0.05 if options.quick else 0.2)
    layers = QUICK if options.quick else LAYERS
    about = describe()
    with Libraries([(name, count) for name in names for count in counts]) as libraries:
        ours = [library for library in libraries.present if library.name == "fastnn"]
        peaks = {str(library.threads): library.ask(do="peak")["gflops"] for library in ours}
        rows = []
        for layer in layers:
            rows.append(_row(layer, libraries, rounds, seconds))
            for library in ours:  # the clock moves with what the neighbours do: the best counts
                found = library.ask(do="peak")["gflops"]
                peaks[str(library.threads)] = max(peaks[str(library.threads)], found)
            print(line(rows[-1]), file=sys.stderr, flush=True)
        return {
            "about": about, "rounds": rounds, "threads": counts, "peaks": peaks, "versions": libraries.versions,
            "absent": libraries.absent, "rows": rows,
        }  # fmt: skip


def _row(layer: Layer, libraries: Libraries, rounds: int, seconds: float) -> dict[str, Any]:
    found: dict[str, Any] = {product: {} for product in PRODUCTS}
    failed = {}
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, list[str]] = {}
        for library in libraries.present:
            try:
                ways[library.key] = library.ask(do="layer", layer=asdict(layer), folder=folder)["ways"]
            except Failed as error:
                failed[library.key] = str(error)
        results = {
            (key, way): np.load(Path(folder, f"{key} {k}.npy"))
            for key, names in ways.items()
            for k, way in enumerate(names)
        }
    for product in PRODUCTS:
        chosen = [(key, way) for key, way in results if way.partition(" ")[0] == product]
        right = results[chosen[-1]]
        able = [library for library in libraries.present if library.key in ways]
        taken: dict[tuple[str, str], list[float]] = {pair: [] for pair in chosen}
        for turn in range(rounds):
            shift = turn % max(len(able), 1)
            for library in able[shift:] + able[:shift]:
                for key, way in chosen:
                    if key == library.key:
                        ns = library.ask(do="latencies", name=way, seconds=seconds, least=CALLS)["ns"]
                        taken[key, way].append(statistics.median(ns) / 1000)
        for key in ways:
            us, way = min((statistics.median(us), way) for (k, way), us in taken.items() if k == key)
            found[product][key] = {
                "us": us,
                "way": way,
                "each": taken[key, way],
                "gflops": layer.flops / us / 1000,
                "apart": float(abs(results[key, way] - right).max() / abs(right).max()),
            }
    return {
        "layer": layer.name,
        "batch": layer.batch,
        "flops": layer.flops,
        "bytes": layer.bytes,
        "products": found,
        "failed": failed,
    }


def ratio(row: dict[str, Any], product: str, count: int) -> float | None:
    """Median, over the rounds, of PyTorch's time over fastnn's."""
    entries = row["products"][product]
    ours, theirs = (entries.get(f"{name}@{count}") for name in LIBRARIES)
    if ours is None or theirs is None:
        return None
    return statistics.median(t / o for t, o in zip(theirs["each"], ours["each"], strict=True))


def line(row: dict[str, Any]) -> str:
    figures = [
        "  ".join([product, *(f"{key} {e['gflops']:.0f}" for key, e in entries.items())])
        for product, entries in row["products"].items()
    ]
    return f"{row['layer']}, batch {row['batch']}, GFLOP/s: {';  '.join(figures)}"


def wrong(result: dict[str, Any]) -> list[str]:
    apart = [
        f"convolution {row['layer']}, {product}: {key} is {entry['apart']:.0e} from PyTorch"
        for row in result["rows"]
        for product in PRODUCTS
        for key, entry in row["products"][product].items()
        if not entry["apart"] < TOLERANCE
    ]
    return apart + [
        f"convolution {row['layer']}: {key}: {why}"
        for row in result["rows"]
        for key, why in row["failed"].items()
    ]


def tables(result: dict[str, Any]) -> str:
    return f"{short(result)} {source(result, 7)}"


def short(result: dict[str, Any]) -> str:
    parts = []
    for count in result["threads"]:
        peak = result["peaks"].get(str(count))
        head = ["layer", "batch", *(f"{p}: fastnn" for p in PRODUCTS), *(f"{p}: PyTorch" for p in PRODUCTS)]
        head += ["at most", *(f"{p}: PyTorch / fastnn" for p in PRODUCTS)]
        lines = []
        for row in result["rows"]:
            speeds = [
                digits(row["products"][p].get(f"{name}@{count}", {}).get("gflops"))
                for name in LIBRARIES
                for p in PRODUCTS
            ]
            ratios = [ratio(row, p, count) for p in PRODUCTS]
            cells = [*speeds, digits(peak), *("-" if r is None else f"{digits(r)}x" for r in ratios)]
            lines.append([row["layer"], str(row["batch"]), *cells])
        words = "one thread" if count == 1 else f"{count} threads"
        parts += [f"Convolution layers, GFLOP/s, {words}:", table(head, lines)]
    parts.append(
        "forward z = W * a + b, backward dC/da, gradient dC/dW; float32; n in to n out channels, kernel (/ stride), image. PyTorch's is the better of"
        " contiguous and channels_last. At most: fused multiply-adds on registers alone; operations are counted by the formula, of whose multiplications Winograd's"
        " filtering leaves out more than half. The last columns are times, medians of the rounds' ratios."
    )
    return "\n\n".join(parts)


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    return []
