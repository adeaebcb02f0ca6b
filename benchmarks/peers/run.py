"""Measures a training step of fastnn beside PyTorch and JAX:  python benchmarks/peers/run.py [--rows 2-8-2 ...] [--embed]

Each library runs in its own process with its threads limited before it is imported; the libraries take turns within each
round, so that a slow minute of the machine hits all of them; a row's figure is the median of its rounds. Compilation,
warm-up and the fixed cost of a `fit` call are not in it. Before that, each library trains one epoch from the same
weights, and the results are compared: a library that does other work is not a peer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import report
from cases import Case, flat, rows, weights
from machine import describe

HERE = Path(__file__).resolve().parent
LIBRARIES = ("fastnn", "jax", "pytorch")
TOLERANCE = 1e-3  # of the way travelled in one epoch; float32 round-off stays below 2e-5
BUSY = 1.1  # above this ratio of wall to processor time somebody else was running
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",
)


class Library:
    """The parent's end of one worker process."""

    def __init__(self, name: str, threads: int, cpus: list[int]) -> None:
        self.name = name
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), name, json.dumps(cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        hello = self._answer()
        self.version, self.absent = hello.get("version"), hello.get("absent")

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps(command), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} died with exit status {self.process.wait()}; its error is above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()


def measure_row(
    case: Case, optimizer: str, libraries: list[Library], options: argparse.Namespace
) -> dict[str, Any]:
    """Medians, quartiles and all samples of one row, and how far the libraries' weights are apart."""
    start = flat(weights(case))
    thetas, row = {}, {"case": case.name, "batch": case.batch, "optimizer": optimizer, "steps": case.steps}
    results: dict[str, Any] = {}
    for library in libraries:
        ready = library.ask(
            do="prepare",
            case=case.name,
            optimizer=optimizer,
            seconds=options.seconds,
            threads=options.threads,
        )
        thetas[library.name] = np.array(ready.pop("theta"), np.float32)
        results[library.name] = {**ready, "wall_us": [], "cpu_us": []}
    for turn in range(options.rounds):
        shift = turn % len(libraries)
        for library in libraries[shift:] + libraries[:shift]:
            for key, value in library.ask(do="sample").items():
                results[library.name][key].append(value)
    for result in results.values():
        low, middle, high = statistics.quantiles(result["wall_us"], n=4, method="inclusive")
        result.update(
            median_us=middle, quartiles_us=[low, high], cpu_median_us=statistics.median(result["cpu_us"])
        )
    first = next(iter(thetas.values()))
    way = float(np.abs(first - start).max())
    row["disagreement"] = max(float(np.abs(theta - first).max()) / way for theta in thetas.values())
    row["libraries"] = results
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", nargs="*", default=[], help="as 784-128-10 or 2-8-2/adagrad; all when left out"
    )
    parser.add_argument("--libraries", nargs="*", default=list(LIBRARIES), choices=LIBRARIES)
    parser.add_argument("--rounds", type=int, default=15, help="samples of each library in a row")
    parser.add_argument("--seconds", type=float, default=0.15, help="length of a sample")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--cpu", type=int, nargs="*", help="pin to these; the last ones that may be used when left out"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    parser.add_argument("--embed", action="store_true", help="write the table into README.md")
    options = parser.parse_args()
    wanted = rows(options.rows)
    if not wanted or options.rounds < 2:
        parser.error("no such row" if not wanted else "at least 2 rounds")
    cpus = (
        options.cpu
        or (sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [])[-options.threads :]
    )

    started = [Library(name, options.threads, cpus) for name in options.libraries]
    present = [library for library in started if library.absent is None]
    for library in started:
        if library.absent is not None:
            print(f"{library.name} is absent: {library.absent}", file=sys.stderr)
    if not present:
        raise SystemExit("nothing to measure")
    result = {
        "about": describe(),
        "threads": options.threads,
        "cpus": cpus,
        "rounds": options.rounds,
        "versions": {library.name: library.version for library in present},
        "absent": {library.name: library.absent for library in started if library.absent is not None},
        "rows": [],
    }
    for case, optimizer in wanted:
        row = measure_row(case, optimizer, present, options)
        result["rows"].append(row)
        figures = "  ".join(f"{name} {r['median_us']:.2f} us" for name, r in row["libraries"].items())
        print(
            f"{case.name}/{optimizer}: {figures}  (weights apart: {row['disagreement']:.1e})", file=sys.stderr
        )
    for library in present:
        library.close()
    result["about"]["load_after"] = os.getloadavg()[0]
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(report.table(result))
    if options.embed:
        report.embed(result, HERE.parents[1] / "README.md")
    apart = [f"{r['case']}/{r['optimizer']}" for r in result["rows"] if r["disagreement"] > TOLERANCE]
    if apart:
        raise SystemExit(f"the libraries did not train the same network in {', '.join(apart)}")


if __name__ == "__main__":
    main()
