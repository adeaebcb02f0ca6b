"""Outputs of a network: one sample and 2^16, float32 and TF32, every call timed until its answer is there.

"host": NumPy array in, NumPy array out, so that both transfers are in the time. "device": input and output lie on the device.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

import numpy as np
from library import Failed
from tables import digits, table

from gpu.limits import bytes_of_answer, flops_of_answer, microseconds
from gpu.peers import LIBRARIES, PRECISIONS, TITLES, Peers, settings
from gpu.steps import reached, significant

TITLE = "Inference"
SETTINGS = tuple((sizes, batch) for batch in (1, 2**16) for sizes in ((8, 32, 32, 2), (784, 128, 10)))
SMOKE = (((5, 7, 3), 1), ((5, 7, 3), 64))
TOLERANCE = {"float32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    for precision in options.precisions:
        wanted = SMOKE if options.smoke else SETTINGS
        measure_rows(options, precision, wanted, card, into.setdefault(precision, {}))


def measure_rows(
    options: Namespace,
    precision: str,
    wanted: Iterable[tuple[tuple[int, ...], int]],
    card: dict[str, Any] | None,
    into: dict[str, Any],
) -> None:
    """All rows of one precision, kept row by row."""
    names = [name for name in LIBRARIES if name in options.libraries]
    rows, failed = [], {}
    with Peers(settings(names, precision, options.device)) as peers:
        into.update(rows=rows, failed=failed, versions=peers.versions, absent=peers.absent)
        for sizes, batch in wanted:
            try:
                each = row(sizes, batch, peers, options)
            except Failed as error:
                failed[f"{'-'.join(map(str, sizes))}, batch {batch}"] = str(error)
                break  # a process has died
            work = bytes_of_answer(sizes, batch), flops_of_answer(sizes, batch)
            each["limits_us"] = {own: microseconds(card, own, *work) for own in PRECISIONS[precision]}
            rows.append(each)
            options.save()


def row(sizes: tuple[int, ...], batch: int, peers: Peers, options: Namespace) -> dict[str, Any]:
    """Percentiles of every library's ways, which take turns."""
    ways, entries, failed = [], {}, {}
    for peer in peers.present:
        try:
            answer = peer.ask(do="predictors", sizes=sizes, batch=batch)
        except Failed as error:
            failed[peer.key] = str(error)
            continue
        for way, apart in answer["apart"].items():
            ways.append((peer, way))
            entries[f"{peer.key} {way}"] = {"apart": apart, "place": answer["places"][way], "samples": []}
    for turn in range(options.rounds):
        shift = turn % max(len(ways), 1)
        for peer, way in ways[shift:] + ways[:shift]:
            taken = peer.ask(do="latencies", name=way, seconds=options.seconds)["ns"]
            entries[f"{peer.key} {way}"]["samples"] += taken
    for entry in entries.values():
        entry["us"] = {str(part): float(np.percentile(entry["samples"], part)) / 1e3 for part in (50, 90, 99)}
        entry["calls"] = len(entry.pop("samples"))
    name = "-".join(map(str, sizes))
    figures = "  ".join(f"{key} {entry['us']['50']:.2f}" for key, entry in entries.items())
    print(f"{name}, batch {batch}, us: {figures}", file=sys.stderr, flush=True)
    return {"case": name, "sizes": list(sizes), "batch": batch, "entries": entries, "failed": failed}


def wrong(result: dict[str, Any]) -> list[str]:
    dead = [f"inference: {name}: {why}" for found in result.values() for name, why in found["failed"].items()]
    return dead + [
        f"inference {each['case']}: {key} is {entry['apart']:.1e} from the exact outputs"
        for found in result.values()
        for each in found["rows"]
        for key, entry in each["entries"].items()
        if not entry["apart"] < TOLERANCE[key.partition("@")[2].partition(" ")[0]]
    ]


def tables(result: dict[str, Any]) -> str:
    head = ["network", "batch", "library", "precision", "call", "data on the", "p50", "p90", "p99"]
    head += ["samples a second", "bytes limit", "flops limit", "reached"]
    lines, notes = [], []
    for found in result.values():
        for each in found["rows"]:
            for key, entry in sorted(each["entries"].items(), key=lambda pair: pair[1]["us"]["50"]):
                library, way = key.split(" ", 1)
                name, _, precision = library.partition("@")
                us, limits = entry["us"]["50"], each["limits_us"][precision]
                cells = [
                    each["case"],
                    f"{each['batch']:,}",
                    TITLES[name],
                    precision,
                    f"`{way}`",
                    entry["place"],
                ]
                cells += [digits(each_us) for each_us in entry["us"].values()]
                cells += [
                    f"{1e6 * each['batch'] / us:.3g}",
                    significant(limits.get("bytes")),
                    significant(limits.get("flops")),
                ]
                lines.append([*cells, reached(limits, us)])
            notes += [
                f"{key} has no figure for {each['case']}: {why}." for key, why in each["failed"].items()
            ]
    text = "us a call. The limits are those of the work on the device, without transfers."
    return "\n\n".join([table(head, lines, left=6), text, *dict.fromkeys(notes)])
