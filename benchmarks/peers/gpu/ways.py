"""Each way in which fastnn can run steps, forced (`fastnn.cuda.choose(how=...)`): where one becomes faster than another.

64-w-w-10 over width and batch, SGD, float32, and the rows of item 1; fastnn's own choice beside them.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from cases import Case
from items.steps import line, row
from library import Failed
from tables import digits, table

from gpu import steps
from gpu.peers import WAYS, Peers, Setting

TITLE = "Ways to run a step"
WIDTHS, BATCHES = (8, 32, 128, 512, 2048), (1, 16, 64, 256, 1024)
WORK = 2e11
"""Operations of an epoch at the most."""
OWN = "fastnn@float32"


def grid(options: Namespace) -> list[Case]:
    if options.smoke:
        return [Case((6, 8, 8, 3), 4, 4)]
    return [case(width, batch) for width in WIDTHS for batch in BATCHES]


def case(width: int, batch: int) -> Case:
    sizes = 64, width, width, 10
    flops = Case(sizes, batch, 1).flops
    return Case(sizes, batch, int(min(max(WORK / flops, 1), 500, max(2**18 / batch, 1))))


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    wanted = [(each, "sgd") for each in grid(options)] + steps.cases(options)
    choices = [Setting("fastnn", "float32", options.device, how) for how in (None, *WAYS)]
    found, failed = [], {}
    into.update(rows=found, failed=failed)
    with Peers(choices) as peers:
        for each, optimizer in wanted:
            try:
                found.append(row(each, optimizer, peers, options.rounds, options.seconds))
            except Failed as error:
                failed[f"{each.name}, batch {each.batch}, {optimizer}"] = str(error)
                break
            print(line(found[-1]), file=sys.stderr, flush=True)
            options.save()


def fastest_way(row: dict[str, Any]) -> str | None:
    """The way that took least, by the median."""
    times = {how: row["entries"].get(f"fastnn@{how}", {}).get("median_us") for how in WAYS}
    there = {how: us for how, us in times.items() if us is not None}
    return min(there, key=there.__getitem__) if there else None


def tables(result: dict[str, Any]) -> str:
    head = ["network", "batch", "optimizer", *WAYS, "fastest", "its own choice", "own / fastest"]
    lines = []
    for each in result["rows"]:
        times = {key: entry.get("median_us") for key, entry in each["entries"].items()}
        best = fastest_way(each)
        own = times.get(OWN)
        over = None if best is None or own is None else own / times[f"fastnn@{best}"]
        cells = [digits(times.get(f"fastnn@{how}")) for how in WAYS]
        lines.append(
            [
                each["case"],
                f"{each['batch']:,}",
                each["optimizer"],
                *cells,
                best or "-",
                digits(own),
                digits(over),
            ]
        )
    refused: dict[str, list[str]] = {}
    for each in result["rows"]:
        for key, entry in each["entries"].items():
            if "failed" in entry:
                refused.setdefault(f"{key.partition('@')[2]}: {entry['failed']}", []).append(
                    f"{each['case']} x {each['batch']}"
                )
    notes = [f"No figure, {why}: {', '.join(where)}." for why, where in refused.items()]
    return "\n\n".join(["us a step, float32:", table(head, lines, left=3), *notes])


def wrong(result: dict[str, Any]) -> list[str]:
    """Ways whose weights are not those of fastnn's own choice."""
    problems = [f"ways: {name}: {why}" for name, why in result["failed"].items()]
    for each in result["rows"]:
        bound = steps.TOLERANCE["float32"][each["optimizer"]]
        for key, entry in each["entries"].items():
            if (entry.get("apart") or 0.0) > bound:
                problems.append(f"ways, {each['case']}: the weights of {key} are {entry['apart']:.0e} apart")
    return problems
