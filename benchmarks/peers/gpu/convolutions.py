"""Convolutions of VGG and ResNet by themselves, GFLOP/s beside cuDNN, and LeNet-5's training step beside PyTorch eager and CUDA graphs.

fastnn's is one instruction of a plan, run many times; cuDNN takes the fastest of its ways for the shape. Both keep float32 in memory, samples as
(channels, height, width); bf16 is compared with cuDNN's TF32.
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from library import Failed
from tables import digits, table

from gpu.lenet import STEPS, Shape
from gpu.peers import PRECISIONS, TITLES, Peers, settings

TITLE = "Convolutions and LeNet-5"
PRODUCTS = {"forward": "forward", "backward": "to the input", "gradient": "to the weights"}
VGG = (
    Shape(3, 64, 224, 16),
    Shape(64, 64, 224, 16),
    Shape(128, 128, 112, 16),
    Shape(256, 256, 56, 32),
    Shape(512, 512, 28, 32),
)
RESNET = (
    Shape(64, 64, 56, 64),
    Shape(128, 128, 28, 64),
    Shape(256, 256, 14, 64),
    Shape(512, 512, 7, 64),
    Shape(128, 128, 56, 64, stride=2),
)
RESNET += (
    Shape(3, 64, 224, 64, kernel=7, stride=2),
    Shape(256, 64, 56, 64, kernel=1),
    Shape(64, 256, 56, 64, kernel=1),
    Shape(16, 16, 32, 128),
)
SMOKE = (Shape(2, 3, 5, 2), Shape(3, 2, 6, 2, stride=2), Shape(3, 2, 4, 2, kernel=1))
BATCHES = (64, 2048)
TOLERANCE = {"float32": 1e-4, "tf32": 5e-3, "bf16": 3e-2}
"""Of the largest number of the result, from PyTorch's: sums of up to some 100,000 terms, in another order."""
AWAY = {"float32": 1e-3, "tf32": 3e-2, "bf16": 0.1}
"""Distance of LeNet-5's weights from PyTorch's after an epoch, over the way travelled."""


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    names = [name for name in ("fastnn", "pytorch", "graphs") if name in options.libraries]
    for precision in options.precisions:
        with Peers(settings(names, precision, options.device)) as peers:
            cells: list[dict[str, Any]] = []
            steps: list[dict[str, Any]] = []
            into[precision] = {"cells": cells, "steps": steps, "absent": peers.absent}
            for shape in SMOKE if options.smoke else (*VGG, *RESNET):
                for product in PRODUCTS:
                    asked = {"do": "convolve", "product": product, "shape": asdict(shape)}
                    cells.append({"product": product, "shape": shape.name, "batch": shape.batch})
                    cells[-1]["entries"] = speeds(peers, asked, "speed", "gflops", options)
                    options.save()
            for batch in (4,) if options.smoke else BATCHES:
                steps.append({"batch": batch, "steps": STEPS})
                steps[-1]["entries"] = speeds(peers, {"do": "lenet", "batch": batch}, "step", "us", options)
                options.save()


def speeds(
    peers: Peers, asked: dict[str, Any], command: str, unit: str, options: Namespace
) -> dict[str, Any]:
    """What each answers, with the median of its samples, and of the ratios to PyTorch eager's in the same round; `apart`: from PyTorch's result."""
    entries: dict[str, Any] = {}
    for peer in peers.present:
        if peer.name == "graphs" and asked["do"] == "convolve":
            continue
        try:
            entries[peer.key] = peer.ask(**asked)
        except Failed as error:
            entries[peer.key] = {"failed": str(error)}
    able = [peer for peer in peers.present if "failed" not in entries.get(peer.key, {"failed": ""})]
    samples = peers.turns(able, options.rounds, do=command, seconds=options.seconds)
    theirs = next((key for key in samples if key.startswith("pytorch@")), None)
    for key, taken in samples.items():
        entry = entries[key]
        entry[unit] = statistics.median(each[unit] for each in taken)
        found = entry.pop("found")
        if theirs is not None:
            pairs = zip(taken, samples[theirs], strict=True)
            entry["ratio"] = statistics.median(mine[unit] / other[unit] for mine, other in pairs)
            right = found if key == theirs else entries[theirs].get("found", entries[theirs].get("kept"))
            entry["apart"] = distance(found, right)
            if key == theirs:
                entry["kept"] = found
    for entry in entries.values():
        entry.pop("kept", None)
    said = {key: entry.get(unit) for key, entry in entries.items()}
    print(f"{asked}, {unit}: {said}", file=sys.stderr, flush=True)
    return entries


def distance(found: list[float], right: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(found, right, strict=True)) / max(map(abs, right))


def wrong(result: dict[str, Any]) -> list[str]:
    problems = []
    for found in result.values():
        for bounds, part in ((TOLERANCE, "cells"), (AWAY, "steps")):
            for each in found[part]:
                what = (
                    f"{each['product']} {each['shape']}"
                    if "shape" in each
                    else f"LeNet-5, batch {each['batch']}"
                )
                for key, entry in each["entries"].items():
                    if not entry.get("apart", 0.0) < bounds[key.partition("@")[2]]:
                        problems.append(f"convolutions, {what}: {key} is {entry['apart']:.0e} from PyTorch")
    return problems


def tables(result: dict[str, Any]) -> str:
    head = [
        "convolution",
        "batch",
        "product",
        "precision",
        "fastnn, GFLOP/s",
        "cuDNN, GFLOP/s",
        "fastnn / cuDNN",
    ]
    lenet = [
        "LeNet-5, batch",
        "precision",
        "fastnn, us a step",
        "PyTorch eager",
        "CUDA graphs",
        "eager / fastnn",
    ]
    lines, steps, notes = [], [], []
    for precision, found in result.items():
        for own in PRECISIONS[precision]:
            for each in found["cells"]:
                mine, theirs = (
                    each["entries"].get(key, {}) for key in (f"fastnn@{own}", f"pytorch@{precision}")
                )
                share = mine.get("ratio")
                cells = [each["shape"], f"{each['batch']:,}", PRODUCTS[each["product"]], own]
                cells += [digits(mine.get("gflops")), digits(theirs.get("gflops"))]
                lines.append([*cells, "-" if share is None else f"{100 * share:.0f} %"])
            for each in found["steps"]:
                keys = (f"fastnn@{own}", f"pytorch@{precision}", f"graphs@{precision}")
                entries = [each["entries"].get(key, {}) for key in keys]
                ratio = entries[0].get("ratio")
                cells = [f"{each['batch']:,}", own, *(digits(entry.get("us")) for entry in entries)]
                steps.append([*cells, "-" if not ratio else f"{digits(1 / ratio)}x"])
        for each in (*found["cells"], *found["steps"]):
            notes += [
                f"{k} has no figure: {e['failed']}." for k, e in each["entries"].items() if "failed" in e
            ]
        notes += [f"{TITLES[name]} is absent: {why}." for name, why in found["absent"].items()]
    return "\n\n".join([table(head, lines, left=4), table(lenet, steps, left=2), *dict.fromkeys(notes)])
