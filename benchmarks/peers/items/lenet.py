"""Training LeNet-5 (fastnn.zoo.lenet, 44,426 parameters, Adam) at batch 64 and 2048: microseconds a sample, and ten epochs of MNIST's 60,000 images.

An epoch of random images in memory, contiguous batches, everybody from the same weights; after an epoch the weights must agree. Compilation is not in it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from images import lenet_weights
from library import TITLES, Libraries, answer_of, cpus, entries
from machine import describe
from tables import digits, source, table

from items.steps import apart

TITLE = "LeNet-5"
LIBRARIES = ("fastnn", "jax", "pytorch", "compiled")
BATCHES = (64, 2048)
IMAGES, EPOCHS = 60_000, 10
PUBLISHED_S = 5.3
"""Ten epochs on four cores of a laptop, SimpleChains.jl (its announcement on julialang.org, 2022)."""
FLOPS = 2 * (3 * (16 * 64 * 150 + 256 * 120 + 120 * 84 + 84 * 10) + 2 * 6 * 576 * 25)
"""Of a training step for a sample: three products a layer, less the one of the first layer that nobody needs."""
TOLERANCE = 5e-2


def measure(options: Namespace) -> dict[str, Any]:
    cores = len(cpus()) or 1
    threads: list[int | None] = [1] if cores == 1 or options.threads == 1 else [1, cores, None]
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    rounds = options.rounds or (3 if options.quick else 7)
    samples = 4096 if options.quick else 16_384
    about = describe()
    with Libraries(entries(names, threads)) as libraries:
        ours = [library for library in libraries.present if library.name == "fastnn" and library.threads]
        peaks = {str(library.threads): library.ask(do="peak")["gflops"] for library in ours}
        rows = [_row(batch, samples, libraries, rounds) for batch in BATCHES]
        return {
            "about": about, "rounds": rounds, "images": samples, "threads": cores if len(threads) > 1 else 1, "peaks": peaks,
            "versions": libraries.versions, "absent": libraries.absent, "rows": rows,
        }  # fmt: skip


def _row(batch: int, samples: int, libraries: Libraries, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for library in libraries.present:  # one after the other: compiling takes all cores
            library.send(
                do="lenet", batch=batch, samples=samples, theta=str(Path(folder, f"{library.key}.npy"))
            )
            found[library.key] = answer_of(library)
        thetas = {path.stem: np.load(path) for path in Path(folder).glob("*.npy")}
    able = [library for library in libraries.present if "failed" not in found[library.key]]
    taken: dict[str, list[float]] = {library.key: [] for library in able}
    for turn in range(rounds):
        shift = turn % max(len(able), 1)
        for library in able[shift:] + able[:shift]:
            taken[library.key].append(1e6 * library.ask(do="epoch")["wall"] / samples)
    start = np.concatenate([part.ravel() for part in lenet_weights()])
    first = next(iter(thetas.values()), start)
    for key, us in taken.items():
        found[key] |= {"us": statistics.median(us), "each": us, "apart": apart(thetas[key], first, start)}
    figures = "  ".join(f"{key} {e.get('us', float('nan')):.1f}" for key, e in found.items())
    print(f"LeNet-5, batch {batch}, us a sample: {figures}", file=sys.stderr, flush=True)
    return {"batch": batch, "entries": found}


def wrong(result: dict[str, Any]) -> list[str]:
    """Libraries that trained another network."""
    return [
        f"lenet, batch {row['batch']}: {key} is {entry['apart']:.0e} from fastnn"
        for row in result["rows"]
        for key, entry in row["entries"].items()
        if not entry.get("apart", 0.0) <= TOLERANCE
    ]


def ratio(row: dict[str, Any], theirs: str, mine: str) -> float | None:
    """Median, over the rounds, of a peer's time over fastnn's."""
    both = [row["entries"].get(key, {}).get("each") for key in (theirs, mine)]
    if None in both:
        return None
    return statistics.median(t / m for t, m in zip(*both, strict=True))


def tables(result: dict[str, Any]) -> str:
    return f"{short(result)} {source(result, 8)}"


def short(result: dict[str, Any]) -> str:
    names, count = [n for n in LIBRARIES if n in result["versions"]], result["threads"]
    head = ["LeNet-5, us a sample", "threads", *(TITLES[name] for name in names), "at least"]
    head += [f"{TITLES[name]} / fastnn" for name in names if name != "fastnn"] + [
        "ten epochs of MNIST, s: fastnn"
    ]
    lines = []
    for row in result["rows"]:
        for threads in [1, count] if count > 1 else [1]:
            mine = "fastnn@1" if threads == 1 else "fastnn@auto"
            keys = {name: _better(row, name, threads) for name in names if name != "fastnn"}
            keys = {"fastnn": mine, **keys}
            us = {name: row["entries"].get(key, {}).get("us") for name, key in keys.items()}
            peak = result["peaks"].get(str(threads))
            least = FLOPS / peak / 1000 if peak else None
            ratios = [ratio(row, key, mine) for name, key in keys.items() if name != "fastnn"]
            ten = us["fastnn"] * IMAGES * EPOCHS / 1e6 if us["fastnn"] else None
            cells = [*(digits(us[name]) for name in names), digits(least)]
            cells += ["-" if r is None else f"{digits(r)}x" for r in ratios] + [digits(ten)]
            lines.append([f"batch {row['batch']:,}", str(threads), *cells])
    failed = [
        f"{key}: {e['failed']}"
        for row in result["rows"]
        for key, e in row["entries"].items()
        if "failed" in e
    ]
    text = (
        f"Training LeNet-5 with Adam; epochs of {result['images']:,} images, medians of {result['rounds']} rounds, ten epochs of {IMAGES:,} reckoned from them;"
        " with all threads each peer counts with all or with one, whichever is faster. At least: the operations at what the processor does on registers alone."
        f" SimpleChains.jl took {PUBLISHED_S} s for the ten epochs on a laptop with four cores. {'; '.join(failed)}"
    )
    return f"{table(head, lines, left=2)}\n\n{text.strip()}"


def _better(row: dict[str, Any], name: str, threads: int) -> str:
    """The entry that counts where so many threads are allowed."""
    keys = [f"{name}@{count}" for count in sorted({1, threads})]
    known = [key for key in keys if "us" in row["entries"].get(key, {})]
    return min(known, key=lambda key: row["entries"][key]["us"], default=keys[-1])


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    return []
