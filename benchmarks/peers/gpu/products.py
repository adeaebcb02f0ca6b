"""GFLOP/s of the three products of a dense layer, n x n each, beside torch.matmul, which is cuBLAS: float32, TF32 and bf16.

fastnn's is one instruction of a plan, run many times; its forward product has the bias in it. bf16 is compared with cuBLAS's TF32: fastnn keeps
float32 in memory and rounds on the way to the tensor cores, as TF32 does.
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace
from typing import Any

from items.products import PRODUCTS
from library import Failed
from tables import digits, table

from gpu.limits import microseconds
from gpu.peers import PRECISIONS, TITLES, Peers, settings

TITLE = "Products of a dense layer"
SIZES = tuple(2**k for k in range(8, 14))
AIM, FROM = 0.7, 1024
TOLERANCE = {"float32": 1e-5, "tf32": 2e-3, "bf16": 1.5e-2}
"""Of the largest number of the result: float32 sums of up to 8192 terms; 11 and 8 bits of the factors."""


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    names = [name for name in ("fastnn", "pytorch") if name in options.libraries]
    for precision in options.precisions:
        with Peers(settings(names, precision, options.device)) as peers:
            cells: list[dict[str, Any]] = []
            into[precision] = {"cells": cells, "versions": peers.versions, "absent": peers.absent}
            for n in (32, 64) if options.smoke else SIZES:
                for product in PRODUCTS:
                    cells.append(cell(product, n, peers, options))
                    work = 4 * 3 * n * n, 2 * n**3
                    cells[-1]["limits_us"] = {p: microseconds(card, p, *work) for p in PRECISIONS[precision]}
                    options.save()


def cell(product: str, n: int, peers: Peers, options: Namespace) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for peer in peers.present:
        try:
            entries[peer.key] = peer.ask(do="product", product=product, n=n)
        except Failed as error:
            entries[peer.key] = {"failed": str(error)}
    able = [peer for peer in peers.present if "failed" not in entries[peer.key]]
    samples = peers.turns(able, options.rounds, do="speed", seconds=options.seconds)
    speeds = {key: [each["gflops"] for each in taken] for key, taken in samples.items()}
    theirs = next((each for key, each in speeds.items() if key.startswith("pytorch@")), None)
    for key, each in speeds.items():
        entries[key]["gflops"] = statistics.median(each)
        if theirs is not None:
            pairs = zip(each, theirs, strict=True)
            entries[key]["share"] = statistics.median(mine / other for mine, other in pairs)
    print(
        f"{product} {n}, GFLOP/s: { {key: e.get('gflops') for key, e in entries.items()} }",
        file=sys.stderr,
        flush=True,
    )
    return {"product": product, "n": n, "entries": entries}


def wrong(result: dict[str, Any]) -> list[str]:
    return [
        f"{each['product']} {each['n']}: {key} is {entry['apart']:.0e} from the exact product"
        for found in result.values()
        for each in found["cells"]
        for key, entry in each["entries"].items()
        if "apart" in entry and not entry["apart"] < TOLERANCE[key.partition("@")[2]]
    ]


def tables(result: dict[str, Any]) -> str:
    head = ["product", "n", "precision", "fastnn, GFLOP/s", "cuBLAS, GFLOP/s", "fastnn / cuBLAS"]
    head += ["limit, GFLOP/s", "reached", "aim: 70 % from 1,024 on"]
    lines, notes = [], []
    for precision, found in result.items():
        for each in found["cells"]:
            theirs = each["entries"].get(f"pytorch@{precision}", {}).get("gflops")
            for own in PRECISIONS[precision]:
                mine = each["entries"].get(f"fastnn@{own}", {})
                limits = each["limits_us"][own]
                most = 2 * each["n"] ** 3 / max(limits.values()) / 1e3 if limits else None
                speed, share = mine.get("gflops"), mine.get("share")
                cells = [PRODUCTS[each["product"]], f"{each['n']:,}", own, digits(speed), digits(theirs)]
                cells += ["-" if share is None else f"{100 * share:.0f} %", digits(most)]
                cells.append("-" if most is None or speed is None else f"{100 * speed / most:.0f} %")
                counts = share is not None and own == "float32" and each["n"] >= FROM
                lines.append([*cells, ("yes" if share >= AIM else "no") if counts else "-"])
            for key, entry in each["entries"].items():
                if "failed" in entry:
                    notes.append(f"{key} has no figure: {entry['failed']}.")
        notes += [f"{TITLES[name]} is absent: {why}." for name, why in found["absent"].items()]
    return "\n\n".join([table(head, lines, left=3), *dict.fromkeys(notes)])
