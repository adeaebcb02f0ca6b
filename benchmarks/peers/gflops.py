"""Speed of the three products of a dense layer, one thread:  gflops.py LARGEST FACTOR SECONDS  prints a line of JSON for each product and size.

    forward    z = a W^T + b       backward   da = delta W       gradient   g = delta^T a

a (batch, width), W (width, width), float32; sizes 1, FACTOR, FACTOR^2, ... up to LARGEST. fastnn's tuned kernel runs as one instruction of a
plan, many times in one compiled call. BLAS is SciPy's OpenBLAS called in a compiled loop (Numba's np.dot), so that neither pays for
Python. The two take turns; the figure is the median of five.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import peak
import scipy
from numba import njit

import fastnn
from fastnn.cpu import Machine
from fastnn.graph import Graph
from fastnn.ops import affine
from fastnn.plan import Buffer, Instruction, Plan

ROUNDS = 5
PRODUCTS = {"forward": affine.FORWARD, "backward": affine.BACKWARD, "gradient": affine.GRADIENT_W}
Timed = Callable[[int], None]
"""Runs the product so many times."""


def operands(product: str, batch: int, width: int) -> list[np.ndarray]:
    """Result first."""
    random = np.random.default_rng(0)
    wide, square = (batch, width), (width, width)
    shapes = {
        "forward": [wide, wide, square, (width,)],
        "backward": [wide, wide, square],
        "gradient": [square, wide, wide],
    }[product]
    return [random.standard_normal(shape, dtype=np.float32) for shape in shapes]


def with_fastnn(product: str, arrays: list[np.ndarray]) -> Timed:
    names = [f"operand{k}" for k in range(len(arrays))]
    pairs = list(zip(names, arrays, strict=True))
    buffers = [Buffer(name, name, a.shape, a.dtype.name, batched=False) for name, a in pairs]
    instruction = Instruction(PRODUCTS[product], buffers, {}, False, "measured")
    machine = Machine(Plan(Graph(), len(arrays[0]), "float32", "infer", [instruction], 0), threads=1)
    for name, array in pairs:
        machine.bind(name, array)
    return lambda times: machine.run_steps(0, np.zeros(times), 0)


@njit(nogil=True)
def _dot(times, x, y, out):  # type: ignore[no-untyped-def]
    for _ in range(times):
        np.dot(x, y, out)


@njit(nogil=True)
def _affine(times, x, y, b, out):  # type: ignore[no-untyped-def]
    for _ in range(times):
        np.dot(x, y, out)
        for s in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[s, j] += b[j]


def with_blas(product: str, arrays: list[np.ndarray]) -> Timed:
    out, x, y = arrays[:3]
    if product == "forward":
        return lambda times: _affine(times, x, y.T, arrays[3], out)
    if product == "backward":
        return lambda times: _dot(times, x, y, out)
    return lambda times: _dot(times, x.T, y, out)


def measure(product: str, batch: int, width: int, seconds: float) -> dict[str, Any]:
    arrays = operands(product, batch, width)
    flops = 2 * batch * width * width
    ways = {"fastnn": with_fastnn, "blas": with_blas}
    calls, times, results = {}, {}, {}
    for name, way in ways.items():
        calls[name] = way(product, arrays)
        arrays[0][...] = np.nan
        calls[name](1)
        results[name] = arrays[0].copy()
        begin = time.perf_counter()
        calls[name](1)
        few = time.perf_counter() - begin
        if few < seconds / 10:
            n = max(1, int(seconds / 20 / max(few, 1e-7)))
            begin = time.perf_counter()
            calls[name](n)
            few = (time.perf_counter() - begin) / n
        times[name] = max(1, int(seconds / max(few, 1e-9)))
    apart = float(np.abs(results["fastnn"] - results["blas"]).max() / np.abs(results["blas"]).max())
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            begin = time.perf_counter()
            call(times[name])
            taken[name].append((time.perf_counter() - begin) / times[name])
    speed = {name: flops / statistics.median(each) / 1e9 for name, each in taken.items()}
    return {"product": product, "batch": batch, "width": width, "apart": apart, **speed}


def main(largest: int, factor: int, seconds: float) -> None:
    sizes = [1]
    while sizes[-1] * factor <= largest:
        sizes.append(sizes[-1] * factor)
    best = peak.gflops(seconds=0.5)
    for product in PRODUCTS:
        for batch in sizes:
            for width in sizes:
                print(json.dumps(measure(product, batch, width, seconds)), flush=True)
        best = max(best, peak.gflops())
    versions = {"fastnn": fastnn.__version__, "scipy": scipy.__version__}
    print(json.dumps({"peak": best, "versions": versions}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
