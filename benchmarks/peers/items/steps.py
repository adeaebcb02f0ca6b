"""A training step: every library, SGD and Adam, one thread and all of them, all in the same rounds.

A figure is the median of the rounds. Before that, each library trains from the same weights, and the results are compared: a
library that does other work is not a peer. Compilation, warm-up and the fixed cost of a `fit` call are not in it.
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
from cases import DEFAULT, Case, flat, rows, weights
from library import Failed, Libraries, Library, answer_of, cpus, entries
from machine import describe

from items.steps_tables import short, tables

__all__ = ["TITLE", "draw", "measure", "short", "tables", "wrong"]

TITLE = "Training step"
LIBRARIES = ("fastnn", "jax", "pytorch", "compiled", "sklearn", "numpy")
TOLERANCE = {"sgd": 1e-2, "adam": 5e-2, "adagrad": 1e-2}
"""Distance of the weights over the way travelled. Round-off gives 1e-6, and 1e-3 where it moves a sample over the edge of a
relu; scikit-learn's Adam, which adds epsilon before it corrects the bias, 3e-2."""


def measure(options: Namespace) -> dict[str, Any]:
    cores = len(cpus()) or 1
    threads: list[int | None] = [1] if cores == 1 or options.threads == 1 else [1, cores, None]
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    rounds = options.rounds or (3 if options.quick else 7)
    seconds = options.seconds or (0.05 if options.quick else 0.1)
    wanted = rows(options.rows or [], list(options.optimizers or DEFAULT))
    about = describe()
    with Libraries(entries(names, threads)) as libraries:
        measured = []
        for case, optimizer in wanted:
            measured.append(row(case, optimizer, libraries, rounds, seconds))
            print(line(measured[-1]), file=sys.stderr, flush=True)
        return {
            "about": {**about, "load_after": describe()["load_before"]},
            "rounds": rounds,
            "threads": cores if len(threads) > 1 else 1,
            "versions": libraries.versions,
            "absent": libraries.absent,
            "rows": measured,
        }


def row(case: Case, optimizer: str, libraries: Libraries, rounds: int, seconds: float) -> dict[str, Any]:
    """Medians, quartiles and samples of one row, and how far each library's weights are from fastnn's."""
    with tempfile.TemporaryDirectory() as folder:
        for library in libraries.present:
            library.send(
                do="prepare",
                case=asdict(case),
                optimizer=optimizer,
                theta=str(Path(folder, f"{library.key}.npy")),
            )
        ready = {library.key: answer_of(library) for library in libraries.present}
        thetas = {path.stem: np.load(path) for path in Path(folder).glob("*.npy")}
    able = [library for library in libraries.present if "failed" not in ready[library.key]]
    able = [library for library in able if _calibrated(library, seconds, ready[library.key])]
    samples = libraries.turns(able, rounds, do="sample")
    first = next((thetas[library.key] for library in able if library.key in thetas), None)
    start = flat(weights(case.sizes))
    found: dict[str, Any] = {}
    for library in libraries.present:
        answer = ready[library.key]
        if library in able:
            answer["apart"] = apart(thetas[library.key], first, start) if library.key in thetas else None
            for name in ("wall_us", "cpu_us"):
                answer[name] = [sample[name] for sample in samples[library.key]]
            low, middle, high = statistics.quantiles(answer["wall_us"], n=4, method="inclusive")
            answer.update(median_us=middle, quartiles_us=[low, high], ratios=ratios(samples, library.key))
        found[library.key] = answer
    return {
        "case": case.name,
        "batch": case.batch,
        "optimizer": optimizer,
        "steps": case.steps,
        "flops": case.flops,
        "entries": found,
    }


def _calibrated(library: Library, seconds: float, answer: dict[str, Any]) -> bool:
    try:
        answer.update(library.ask(do="calibrate", seconds=seconds))
    except Failed as error:
        answer["failed"] = str(error)
    return "failed" not in answer


def ratios(samples: dict[str, list[dict[str, Any]]], key: str) -> dict[str, float]:
    """Median, over the rounds, of this entry's time over that of each of fastnn's in the same round."""
    return {
        mine: statistics.median(
            theirs["wall_us"] / own["wall_us"] for theirs, own in zip(samples[key], taken, strict=True)
        )
        for mine, taken in samples.items()
        if mine.startswith("fastnn@")
    }


def apart(theta: np.ndarray, other: np.ndarray, start: np.ndarray) -> float:
    """Distance of two results, over the way travelled."""
    way = float(np.linalg.norm(other - start))
    return float(np.linalg.norm(theta - other)) / way


def line(row: dict[str, Any]) -> str:
    figures = [f"{key} {e['median_us']:.2f}" for key, e in row["entries"].items() if "median_us" in e]
    failed = [f"{key}: {e['failed']}" for key, e in row["entries"].items() if "failed" in e]
    distance = max((e["apart"] or 0.0 for e in row["entries"].values() if "apart" in e), default=0.0)
    return (
        f"{row['case']}/{row['optimizer']} us: {'  '.join(figures + failed)}  (weights apart: {distance:.0e})"
    )


def wrong(result: dict[str, Any]) -> list[str]:
    """Rows in which a library did not train the same network."""
    return [
        f"{row['case']}/{row['optimizer']}: {key}"
        for row in result["rows"]
        for key, entry in row["entries"].items()
        if (entry.get("apart") or 0.0) > TOLERANCE[row["optimizer"]]
    ]


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    from plots import steps

    return steps.draw(result, folder)
