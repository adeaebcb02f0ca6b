"""A narrow network on large batches: 64 inputs, five hidden layers of 64, 64 outputs, relu, in samples a second, beside tiny-cuda-nn's published curve.

Training: Adam, cross-entropy of 64 classes, 2^21 samples an epoch. Inference: one batch a call (items of inference.py: where the data sits).
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from cases import Case
from tables import table

from gpu import inference, steps
from gpu.peers import TITLES

TITLE = "64 wide, five hidden layers"
SIZES = (64,) * 7
BATCHES = tuple(2**k for k in range(14, 22))
PUBLISHED = {
    "training": {2**14: 1.20e8, 2**16: 1.77e8, 2**18: 1.90e8, 2**21: 1.98e8},
    "inference": {2**14: 0.53e9, 2**16: 0.86e9, 2**18: 1.01e9, 2**21: 1.08e9},
}
"""Samples a second of tiny-cuda-nn's fully fused network."""
PUBLISHED_NOTE = (
    "tiny-cuda-nn's figures were read off the graph in its README (fully fused against TensorFlow): an RTX 3090, fp16 with tensor cores, no biases, and an"
    " encoding of its inputs before the network. Another card and another precision: a landmark, no race."
)


def batches(options: Namespace) -> tuple[int, ...]:
    return (2**4, 2**6) if options.smoke else BATCHES


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    chosen = batches(options)
    wanted = [(Case(SIZES, batch, max(chosen) // batch), "adam") for batch in chosen]
    asked = [(SIZES, batch) for batch in chosen]
    into.update(training={}, inference={})
    for precision in options.precisions:
        steps.measure_rows(options, precision, wanted, card, into["training"].setdefault(precision, {}))
    fewer = Namespace(**{**vars(options), "rounds": min(options.rounds, 3)})  # calls of a tenth of a second
    for precision in options.precisions:
        inference.measure_rows(fewer, precision, asked, card, into["inference"].setdefault(precision, {}))


def curves(result: dict[str, Any], what: str) -> dict[str, dict[int, float]]:
    """Samples a second over the batch, for each library, precision and place of the data."""
    found: dict[str, dict[int, float]] = {}
    for measured in result[what].values():
        for row in measured["rows"]:
            for key, entry in row["entries"].items():
                if what == "training":
                    us, name = entry.get("median_us"), key
                else:
                    us, name = entry["us"]["50"], f"{key.partition(' ')[0]} {entry['place']}"
                if us:
                    found.setdefault(name, {})[row["batch"]] = 1e6 * row["batch"] / us
    return found


def best_limit(result: dict[str, Any], what: str) -> dict[str, dict[int, float]]:
    """Samples a second that the greater limit of each precision allows."""
    found: dict[str, dict[int, float]] = {}
    for measured in result[what].values():
        for row in measured["rows"]:
            for precision, limits in row["limits_us"].items():
                if limits:
                    speed = 1e6 * row["batch"] / max(limits.values())
                    found.setdefault(precision, {})[row["batch"]] = speed
    return found


def title(key: str) -> str:
    name, _, rest = key.partition("@")
    return f"{TITLES[name]}, {rest}"


def tables(result: dict[str, Any]) -> str:
    parts = []
    for what in ("training", "inference"):
        lines = [(title(key), curve) for key, curve in curves(result, what).items()]
        lines += [(f"limit, {p}", curve) for p, curve in best_limit(result, what).items()]
        lines += [("tiny-cuda-nn, fp16, RTX 3090, published", PUBLISHED[what])]
        shown = sorted({batch for _, curve in lines[:-1] for batch in curve} or BATCHES)
        head = [f"{what}, millions of samples a second, batch", *(f"{batch:,}" for batch in shown)]
        cells = [[name, *(figure(curve.get(b)) for b in shown)] for name, curve in lines]
        parts.append(table(head, cells))
        for found in result[what].values():
            parts += steps.notes(found) if what == "training" else []
    return "\n\n".join([*parts, PUBLISHED_NOTE])


def figure(speed: float | None) -> str:
    return "-" if speed is None else f"{speed / 1e6:.4g}"


def wrong(result: dict[str, Any]) -> list[str]:
    return steps.wrong(result["training"]) + inference.wrong(result["inference"])
