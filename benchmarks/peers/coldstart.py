"""From `python -c` to the end of the first epoch, in a new process:  python benchmarks/peers/coldstart.py [--repeat 3]

    first run      empty cache folder (FASTNN_CACHE_DIR): everything that the fit needs is compiled
    second run     another process, same cache folder
    imports        import numba, fastnn, torch, jax in a process of their own, as a scale

The clock starts before the interpreter is started and stops when the epoch is over. Files are in the system's page cache
and Python's own .pyc files exist.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe

FIT = """
import fastnn as fnn
from fastnn import datasets
digits = datasets.load("digits")
net = fnn.Network(64, [fnn.Dense(64, "relu"), fnn.Dense(10)], seed=0)
net.fit(digits.X / 16, digits.y, loss="cross_entropy", optimizer="adagrad", epochs=1, batch_size=32, verbose=False)
"""
IMPORTS = ("numpy", "numba", "fastnn", "torch", "jax")


def seconds(code: str, cache: str | None = None) -> float:
    """Wall seconds from starting Python to the end of `code`; NaN when it fails."""
    environment = dict(os.environ)
    if cache is not None:
        environment.update(FASTNN_CACHE_DIR=cache, NUMBA_CACHE_DIR=cache)
    run = [sys.executable, "-c", f"{code}\nimport time; print(time.time())"]
    begin = time.time()
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
        return float("nan")
    return float(done.stdout.split()[-1]) - begin


def measure(repeat: int) -> dict[str, Any]:
    """Medians of `repeat` first runs, each in its own empty folder, of as many second runs, and of the imports."""
    seconds("import fastnn, numba")  # writes .pyc files, fills the page cache
    first, second = [], []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            first.append(seconds(FIT, cache))
            second.append(seconds(FIT, cache))
    result = {"first_run": statistics.median(first), "second_run": statistics.median(second)}
    for name in IMPORTS:
        result[f"import_{name}"] = statistics.median(seconds(f"import {name}") for _ in range(repeat))
    return {"about": describe(), "repeat": repeat, "seconds": result}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = measure(options.repeat)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    print("| from `python -c` to the end of | seconds |\n| --- | ---: |")
    for name, value in result["seconds"].items():
        label = {
            "first_run": "the first epoch, first run (compiling)",
            "second_run": "the first epoch, second process",
        }
        print(f"| {label.get(name, '`' + name.replace('_', ' ') + '`')} | {value:.2f} |")
    about = result["about"]
    print(f"\n{about['cpu']}, Python {about['python']}, commit {about['commit']}, {about['date']}")


if __name__ == "__main__":
    main()
