"""GFLOP/s of the three products of a dense layer over batch and width, one thread, as a share of the measured peak, beside BLAS (gflops.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from library import HERE, cpus, environment
from machine import describe
from tables import digits, source, table

TITLE = "Products of a dense layer"
PRODUCTS = {"forward": "z = a W^T + b", "backward": "delta W", "gradient": "delta^T a"}
SHOWN = (8, 64, 512, 2048)
TOLERANCE = 1e-5


def measure(options: Namespace) -> dict[str, Any]:
    largest, factor, seconds = (512, 8, 0.002) if options.quick else (2048, 2, 0.005)
    about = describe()
    result: dict[str, Any] = {"about": about, "versions": {}, "absent": {}, "cells": []}
    command = [sys.executable, str(HERE / "gflops.py"), str(largest), str(factor), str(seconds)]
    if cpus() and sys.platform == "linux":
        command = ["taskset", "-c", str(cpus()[-1]), *command]
    process = subprocess.Popen(command, env=environment(1), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        cell = json.loads(line)
        if "peak" in cell:
            result.update(cell)
        else:
            result["cells"].append(cell)
            if cell["batch"] == cell["width"]:
                print(
                    f"{cell['product']} {cell['width']}: fastnn {cell['fastnn']:.1f}, BLAS {cell['blas']:.1f} GFLOP/s",
                    file=sys.stderr,
                    flush=True,
                )
    if process.wait() != 0:
        raise RuntimeError(f"gflops.py ended with {process.returncode}; its error is above")
    return result


def wrong(result: dict[str, Any]) -> list[str]:
    return [
        f"{c['product']} {c['batch']} x {c['width']}: {c['apart']:.0e} from BLAS"
        for c in result["cells"]
        if not c["apart"] < TOLERANCE
    ]


def cell(result: dict[str, Any], product: str, batch: int, width: int) -> dict[str, Any] | None:
    for each in result["cells"]:
        if (each["product"], each["batch"], each["width"]) == (product, batch, width):
            return dict(each)
    return None


def tables(result: dict[str, Any]) -> str:
    sizes = [n for n in SHOWN if any(c["width"] == n for c in result["cells"])]
    head = ["GFLOP/s, fastnn / BLAS", "batch", *(f"width {n:,}" for n in sizes)]
    lines = []
    for product, formula in PRODUCTS.items():
        for batch in (1, *sizes):
            found = [cell(result, product, batch, width) for width in sizes]
            cells = [f"{digits(c['fastnn'])} / {digits(c['blas'])}" if c else "-" for c in found]
            lines.append([f"{product}, {formula}", f"{batch:,}", *cells])
    text = (
        f"One thread, float32, W is width x width. The processor does at most {digits(result['peak'])} GFLOP/s: fused multiply-adds on"
        f" registers alone (peak.py). BLAS is SciPy's OpenBLAS, called from compiled code. {source(result, 4)}"
    )
    return f"{table(head, lines, left=2)}\n\n{text}"


def short(result: dict[str, Any]) -> str:
    """The square products, as shares of the peak."""
    sizes = sorted({c["width"] for c in result["cells"] if c["width"] >= 8})
    head = ["GFLOP/s, batch = width =", *(f"{n:,}" for n in sizes)]
    lines = []
    for product, formula in PRODUCTS.items():
        for name, title in (("fastnn", "fastnn"), ("blas", "BLAS")):
            found = [cell(result, product, n, n) for n in sizes]
            lines.append([f"{formula}, {title}", *(digits(c[name]) if c else "-" for c in found)])
    text = (
        f"The products of a dense layer on one thread; the processor does at most {digits(result['peak'])} GFLOP/s on registers alone."
        "\n\n![GFLOP/s of the products of a dense layer](benchmarks/figures/products.png)"
    )
    return f"{table(head, lines)}\n\n{text}"


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    from plots import products

    return products.draw(result, folder)
