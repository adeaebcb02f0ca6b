"""MNIST to 97.5 % of the test images: 784-128-10, Adam, batches of 100, a fresh process a run (see learning.py).

Every library begins with the same weights and sees the images in the same orders; three seeds. Time from the start of the process,
import and compilation included (compiled code of fastnn and torch.compile comes from their caches, a run before filled them), and
time of a second run in the same process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from learning import BATCH, ETA, GOAL
from library import HERE, TITLES, Failed, cpus, environment
from machine import describe
from tables import digits, source, table

TITLE = "MNIST to 97.5 %"
LIBRARIES = ("fastnn", "jax", "pytorch", "compiled", "sklearn", "numpy")
CACHED = ("fastnn", "compiled")
LIMIT = 120
"""Seconds that one run may take."""


def folder() -> Path:
    return Path(os.environ.get("FASTNN_MNIST") or HERE.parents[2] / "shared" / "data" / "mnist")


def measure(options: Namespace) -> dict[str, Any]:
    about = describe()
    result: dict[str, Any] = {"about": about, "versions": {}, "absent": {}, "runs": {}}
    if not folder().is_dir():
        result["absent"]["MNIST"] = "no folder with its files; FASTNN_MNIST names one"
        return result
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    cores = len(cpus()) or os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place:
        _write_arrays(Path(place))
        for name in names:
            try:
                if name in CACHED:
                    _run(name, place, 0, cores)
                result["runs"][name] = _runs(name, place, 1 if options.quick else 3)
            except Failed as error:
                result["absent"][name] = str(error)
            else:
                result["versions"][name] = result["runs"][name][0]["version"]
    return result


def _runs(name: str, place: str, seeds: int) -> list[dict[str, Any]]:
    """A run for each seed, with the number of threads that was better for the first one; fastnn chooses by itself."""
    cores = len(cpus()) or os.cpu_count() or 1
    choices = {cores} if name == "fastnn" else {1, cores}
    tried = [_run(name, place, 0, threads) for threads in choices]
    best = min(tried, key=lambda run: run["total"])
    return [best, *(_run(name, place, seed, best["threads"]) for seed in range(1, seeds))]


def _write_arrays(place: Path) -> None:
    """Images and labels as NumPy files of bytes, which every library reads alike."""
    from fastnn import datasets

    for name, images in zip(("train", "test"), datasets.mnist(folder()), strict=True):
        np.save(place / f"{name}_X.npy", images.X.reshape(len(images.X), -1).astype(np.uint8))
        np.save(place / f"{name}_y.npy", np.asarray(images.y).astype(np.uint8))


def _run(name: str, place: str, seed: int, threads: int) -> dict[str, Any]:
    """One process."""
    command = [sys.executable, str(HERE / "learning.py"), name, place, str(seed), repr(time.time())]
    try:
        done = subprocess.run(
            command,
            env=environment(threads),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {LIMIT} s") from None
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or ["failed without a word"])[-1][:200])
    run: dict[str, Any] = json.loads(done.stdout)
    print(
        f"{name}, seed {seed}, {threads} threads: {run['total']:.2f} s, again {run['warm']:.2f} s, {run['epochs']} epochs,"
        f" {100 * run['accuracy']:.2f} %",
        file=sys.stderr,
        flush=True,
    )
    return {**run, "threads": threads}


def wrong(result: dict[str, Any]) -> list[str]:
    return [
        f"mnist: {name} stayed at {100 * run['accuracy']:.2f} %"
        for name, runs in result["runs"].items()
        for run in runs
        if run["accuracy"] < GOAL
    ]


def tables(result: dict[str, Any]) -> str:
    return f"{short(result)} {source(result, 2)}"


def short(result: dict[str, Any]) -> str:
    if not result["runs"]:
        return "MNIST was not there."
    head = [
        "library",
        "from the start of the process, s",
        "of it import, s",
        "once more in the process, s",
        "epochs",
        "threads",
    ]
    lines = []
    for name, runs in result["runs"].items():
        middle = {key: statistics.median(run[key] for run in runs) for key in ("total", "import", "warm")}
        epochs = ", ".join(str(run["epochs"]) for run in runs)
        threads = "its choice" if name == "fastnn" else str(runs[0]["threads"])
        lines.append([TITLES[name], *(digits(value) for value in middle.values()), epochs, threads])
    text = (
        f"MNIST to {100 * GOAL:.1f} % of the test images: 784-128-10, relu, Adam (eta {ETA}), batch {BATCH}, float32, one thread or all (what was faster), the test images after every epoch; the same weights to begin"
        f" with and the same orders of the images for all. Medians over the seeds."
    )
    return f"{table(head, lines)}\n\n{text}"


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    return []
