"""Where small ends: the time of a training step over width and batch, fastnn against the fastest peer.

64-w-w-10, two hidden layers of width w, relu, cross-entropy, SGD, float32. fastnn chooses its number of threads; JAX and PyTorch run
with one thread and with all, and the better one counts.
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cases import Case
from library import TITLES, Failed, Libraries, Library, cpus
from machine import describe
from tables import digits, source, table

TITLE = "Where small ends"
PEERS = ("jax", "pytorch")
WIDTHS = tuple(8 * 2**k for k in range(10))
BATCHES = (1, 4, 16, 64, 256, 1024)
WORK, SAMPLES, STEPS = 2e9, 65_536, 1000
"""An epoch has so many flops, samples and steps at most, and at least one step."""


def case_of(width: int, batch: int) -> Case:
    sizes = (64, width, width, 10)
    most = min(WORK / Case(sizes, batch, 1).flops, SAMPLES / batch, STEPS)
    return Case(sizes, batch, max(1, int(most)))


def measure(options: Namespace) -> dict[str, Any]:
    widths, batches = (WIDTHS[:8:3], BATCHES[1::2]) if options.quick else (WIDTHS, BATCHES)
    seconds, rounds = 0.05, 3
    cores = len(cpus()) or 1
    peers = [name for name in PEERS if name in (options.libraries or PEERS)]
    about = describe()
    entries: list[tuple[str, int | None]] = [("fastnn", None)]
    entries += [(name, threads) for name in peers for threads in sorted({1, cores})]
    with Libraries(entries) as libraries:
        cells = [_cell(width, batch, libraries, seconds, rounds) for width in widths for batch in batches]
        return {
            "about": about,
            "versions": libraries.versions,
            "absent": libraries.absent,
            "cells": cells,
        }


def _cell(width: int, batch: int, libraries: Libraries, seconds: float, rounds: int) -> dict[str, Any]:
    case = case_of(width, batch)
    cell: dict[str, Any] = {"width": width, "batch": batch, "us": {}}
    ready = []
    for library in libraries.present:
        library.send(do="prepare", case=asdict(case), optimizer="sgd")
    for library in libraries.present:  # all of them, or one would answer the next question with this
        try:
            library.answer()
            ready.append(library)
        except Failed as error:
            print(f"{width} x {batch}: {library.key} failed: {error}", file=sys.stderr)
    estimates = {library: library.ask(do="calibrate", seconds=seconds)["estimate_us"] for library in ready}
    chosen = [library for library in estimates if _worth(library, estimates)]
    taken = libraries.turns(chosen, rounds, do="sample")
    cell["us"] = {key: statistics.median(s["wall_us"] for s in samples) for key, samples in taken.items()}
    figures = "  ".join(f"{key} {us:.1f}" for key, us in cell["us"].items())
    print(f"width {width}, batch {batch}, us: {figures}", file=sys.stderr, flush=True)
    return cell


def _worth(library: Library, estimates: dict[Library, float]) -> bool:
    """Whether this number of threads may be the library's better one: a team on busy cores can be a hundred times slower."""
    own = [us for other, us in estimates.items() if other.name == library.name]
    return estimates[library] <= 4 * min(own)


def best(cell: dict[str, Any], names: tuple[str, ...] = PEERS) -> float | None:
    """Microseconds of the fastest of these libraries."""
    found = [us for key, us in cell["us"].items() if key.partition("@")[0] in names]
    return min(found, default=None)


def ratio(cell: dict[str, Any]) -> float | None:
    """Time of the fastest peer over fastnn's."""
    ours, theirs = best(cell, ("fastnn",)), best(cell)
    return theirs / ours if ours and theirs else None


def grid(result: dict[str, Any]) -> tuple[list[int], list[int], dict[tuple[int, int], dict[str, Any]]]:
    """(batches, widths, cells by (batch, width))."""
    cells = {(cell["batch"], cell["width"]): cell for cell in result["cells"]}
    return sorted({b for b, _ in cells}), sorted({w for _, w in cells}), cells


def tables(result: dict[str, Any]) -> str:
    return f"{_table(result)} {source(result, 5)}"


def short(result: dict[str, Any]) -> str:
    return f"{_table(result)}\n\n![Time of a step over width and batch](benchmarks/figures/crossover.png)"


def _table(result: dict[str, Any]) -> str:
    batches, widths, cells = grid(result)
    head = ["fastest peer / fastnn", *(f"width {width:,}" for width in widths)]
    lines = [
        [
            f"batch {batch:,}",
            *(
                f"{digits(ratio(cells[batch, width]))}x" if (batch, width) in cells else "-"
                for width in widths
            ),
        ]
        for batch in batches
    ]
    names = " and ".join(TITLES[name] for name in PEERS if name in result["versions"])
    text = (
        f"A training step of 64-w-w-10 (two hidden layers), SGD: time of the faster of {names}, each with one thread or with all,"
        " over that of fastnn."
    )
    return f"{table(head, lines)}\n\n{text}"


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    from plots import crossover

    return crossover.draw(result, folder)
