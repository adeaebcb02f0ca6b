"""Starting: first run and second process, imports beside them; peak memory of a fit; installed size.

The clock starts before the interpreter is started. Files are in the system's page cache, and Python's own .pyc files exist.
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

import installed
from library import HERE, TITLES, environment
from machine import describe
from tables import digits, source, table

TITLE = "Start, memory, size"
LIBRARIES = ("fastnn", "jax", "pytorch", "compiled", "sklearn", "numpy")
IMPORTS = ("numpy", "numba", "fastnn", "sklearn.neural_network", "jax", "torch", "onnxruntime")
LIMIT = 120
"""Seconds that one process may take."""
DISTRIBUTIONS = {
    "fastnn": "fastnn",
    "jax": "jax",
    "pytorch": "torch",
    "sklearn": "scikit-learn",
    "onnx": "onnxruntime",
    "numpy": "numpy",
}
FIT = """
import fastnn as fnn
from fastnn import datasets
digits = datasets.load("digits")
net = fnn.Network(64, [fnn.Dense(64, "relu"), fnn.Dense(10)], seed=0)
net.fit(digits.X / 16, digits.y, loss="cross_entropy", optimizer="adam", epochs=1, batch_size=32, verbose=False)
"""


def measure(options: Namespace) -> dict[str, Any]:
    repeat = 1 if options.quick else 3
    about = describe()
    result: dict[str, Any] = {"about": about, "repeat": repeat, "versions": {}, "absent": {}}
    seconds("import fastnn, numba")  # writes .pyc files, fills the page cache
    first, second = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            first.append(seconds(FIT, cache))
            second.append(seconds(FIT, cache))
    result["fit"] = {"first": middle(first), "second": middle(second)}
    imports = {name: [seconds(f"import {name}") for _ in range(repeat + 1)][1:] for name in IMPORTS}
    result["imports"] = {name: middle(taken) for name, taken in imports.items()}
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    result["processes"] = {}
    for name in names:
        runs = [footprint(name) for _ in range(repeat + 1)][1:]  # the first one fills caches
        failed = [run["absent"] for run in runs if "absent" in run]
        if failed:
            result["absent"][name] = failed[0]
            continue
        result["versions"][name] = runs[0].pop("version")
        result["processes"][name] = {
            key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "version"
        }
        print(f"{name}: {result['processes'][name]}", file=sys.stderr, flush=True)
    sizes = {name: installed.megabytes(distribution) for name, distribution in DISTRIBUTIONS.items()}
    result["sizes"] = {name: {"all": s[0], "parts": s[1]} for name, s in sizes.items() if s is not None}
    return result


def middle(values: list[float | None]) -> float | None:
    """Median of those that are there."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def seconds(code: str, cache: str | None = None) -> float | None:
    """Wall seconds from starting Python to the end of `code`; None when it fails."""
    environment = dict(os.environ)
    if cache is not None:
        environment.update(FASTNN_CACHE_DIR=cache, NUMBA_CACHE_DIR=cache)
    run = [sys.executable, "-c", f"{code}\nimport time; print(time.time())"]
    begin = time.time()
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) - begin if done.returncode == 0 else None


def footprint(name: str) -> dict[str, Any]:
    """What footprint.py says; {"absent": why} when it fails."""
    command = [sys.executable, str(HERE / "footprint.py"), name, repr(time.time())]
    try:
        done = subprocess.run(
            command, env=environment(1), capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"absent": f"not done after {LIMIT} s"}
    if done.returncode != 0:
        return {"absent": (done.stderr.strip().splitlines() or ["failed without a word"])[-1][:200]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def tables(result: dict[str, Any]) -> str:
    return f"{short(result)} {source(result, 6)}"


def short(result: dict[str, Any]) -> str:
    fit = result["fit"]
    lines = [
        ["fastnn: the first epoch of digits, first run ever (compiling)", digits(fit["first"])],
        ["fastnn: the first epoch of digits, second process", digits(fit["second"])],
        *(
            [f"`import {name}`", "absent" if t is None else digits(t)]
            for name, t in result["imports"].items()
        ),
    ]
    starts = table(["from `python -c` to the end of", "seconds"], lines)
    head = ["one fit in a fresh process", "first epoch after, s", "memory after import, MB", "at most, MB"]
    head += ["installed, MB", "of it"]
    lines = []
    for name in dict.fromkeys([*result["processes"], *result["sizes"]]):
        run, size = result["processes"].get(name, {}), result["sizes"].get(name)
        line = [TITLES[name], *(digits(run.get(key)) for key in ("first_epoch", "import_mb", "fit_mb"))]
        parts = list(size["parts"].items())[:3] if size else []
        line += [digits(size["all"] if size else None), ", ".join(f"{n} {digits(mb)}" for n, mb in parts)]
        lines.append(line)
    text = (
        f"Medians of {result['repeat']}. First epoch: 64-64-10, batch 32, 1,792 rows, Adam, one thread, from starting Python. Memory: the largest resident"
        f" set of a process that then trains 784-128-10 on 12,800 rows (40 MB of data). Installed: a library with all that it requires."
    )
    return "\n\n".join([starts, table(head, lines), text])


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    return []
