"""A training step of the CPU benchmark's rows and of 4096-4096-4096-10: one table with TF32 off everywhere, one with TF32 on everywhere.

The rows, rounds, ratios and the comparison of weights are those of items/steps.py.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from itertools import pairwise
from typing import Any

from cases import CASES, DEFAULT, Case
from items.steps import line, row
from items.steps_tables import fastest
from library import Failed
from tables import digits, table

from gpu.limits import bytes_of_step, microseconds
from gpu.peers import LIBRARIES, PRECISIONS, TITLES, Peers, settings

TITLE = "Training step"
LARGE = Case((4096, 4096, 4096, 10), batch=1024, steps=4)
SMALL = 200_000
"""Parameters up to which a network is small: the aim is for those."""
AIM = {"pytorch": 5.0, "graphs": 2.0}
TOLERANCE = {
    "float32": {"sgd": 1e-2, "adam": 5e-2},
    "tf32": {"sgd": 5e-2, "adam": 0.3},
    "bf16": {"sgd": 0.2, "adam": 0.6},
}
"""Distance of the weights over the way travelled. With float32 as on the CPU. TF32 keeps 11 bits and bf16 8, and Adam divides
by the size of a gradient, so that small ones, mostly rounding then, count in full: wide bounds that tell another network, not another rounding."""
SMOKE = (Case((2, 8, 2), batch=4, steps=4), Case((5, 7, 3), batch=8, steps=2))


def cases(options: Namespace) -> list[tuple[Case, str]]:
    chosen = SMOKE if options.smoke else (*CASES, LARGE)
    pairs = [(case, rule) for case in chosen for rule in DEFAULT if rule in case.optimizers]
    rows = options.rows or [""]
    return [(c, o) for c, o in pairs if any(f"{c.name}/{o}".startswith(start) for start in rows)]


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    for precision in options.precisions:
        measure_rows(options, precision, cases(options), card, into.setdefault(precision, {}))


def measure_rows(
    options: Namespace,
    precision: str,
    wanted: list[tuple[Case, str]],
    card: dict[str, Any] | None,
    into: dict[str, Any],
) -> None:
    """All rows of one precision: the libraries take turns in every round. Kept row by row, should the run be cut off."""
    names = [name for name in LIBRARIES if name in options.libraries]
    found, failed = [], {}
    with Peers(settings(names, precision, options.device)) as peers:
        into.update(rows=found, failed=failed, versions=peers.versions, absent=peers.absent)
        for case, optimizer in wanted:
            try:
                each = row(case, optimizer, peers, options.rounds, options.seconds)
            except Failed as error:
                failed[f"{case.name}, batch {case.batch}, {optimizer}"] = str(error)
                break  # a process has died: the ones after it would wait for it
            nbytes = bytes_of_step(case, optimizer)
            each["bytes"] = nbytes
            each["limits_us"] = {
                own: microseconds(card, own, nbytes, case.flops) for own in PRECISIONS[precision]
            }
            weights = sum(n_in * n_out for n_in, n_out in pairwise(case.sizes))
            each["small"] = weights <= SMALL and not options.smoke  # a trial reaches no aim
            found.append(each)
            print(line(each), file=sys.stderr, flush=True)
            options.save()


def wrong(result: dict[str, Any]) -> list[str]:
    """Rows in which a library did not train the same network, and rows that were not measured."""
    problems = []
    for precision, found in result.items():
        problems += [f"steps, {precision}: {name}: {why}" for name, why in found["failed"].items()]
        for each in found["rows"]:
            for key, entry in each["entries"].items():
                own = key.partition("@")[2]
                bound = TOLERANCE[own if own in TOLERANCE else precision][each["optimizer"]]
                if (entry.get("apart") or 0.0) > bound:
                    problems.append(
                        f"steps, {each['case']}/{each['optimizer']}: the weights of {key} are {entry['apart']:.0e} apart"
                    )
    return problems


def tables(result: dict[str, Any]) -> str:
    words = {"float32": "TF32 off everywhere", "tf32": "TF32 on everywhere, and fastnn's bf16 beside it"}
    parts = []
    for precision, found in result.items():
        parts += [f"us a step, {words[precision]}:", step_table(found, precision), *notes(found)]
    return "\n\n".join(parts)


def step_table(found: dict[str, Any], precision: str, unit: Any = None) -> str:
    mine = f"fastnn@{precision}"
    keys = [
        f"{name}@{own}"
        for name in LIBRARIES
        for own in (PRECISIONS[precision] if name == "fastnn" else [precision])
    ]
    head = ["network", "batch", "optimizer", *(title(key, precision) for key in keys)]
    head += ["eager / fastnn", "graphs / fastnn", "fastest / fastnn"]
    head += ["bytes limit", "flops limit", "reached", "aim"]
    lines = []
    for each in found["rows"]:
        entries = each["entries"]
        cells = [each["case"], f"{each['batch']:,}", each["optimizer"]]
        cells += [digits(entries.get(key, {}).get("median_us")) for key in keys]
        over = {name: entries.get(f"{name}@{precision}", {}).get("ratios", {}).get(mine) for name in AIM}
        cells += ["-" if ratio is None else f"{digits(ratio)}x" for ratio in over.values()]
        best = fastest(each, keys, mine)
        cells.append("-" if best is None else f"{digits(best[1])}x {TITLES[best[0].partition('@')[0]]}")
        limits = each["limits_us"][precision]
        cells += [significant(limits.get(name)) for name in ("bytes", "flops")]
        cells += [reached(limits, entries.get(mine, {}).get("median_us")), aim(over, each["small"])]
        lines.append(cells)
    return table(head, lines, left=3)


def title(key: str, precision: str) -> str:
    name, _, own = key.partition("@")
    return TITLES[name] if own == precision else f"{TITLES[name]} {own}"


def significant(us: float | None) -> str:
    """Limits go down to a thousandth of a microsecond."""
    return "-" if us is None else f"{us:.3g}"


def reached(limits: dict[str, float], us: float | None) -> str:
    """The greater limit as a share of the time taken."""
    return "-" if not limits or not us else f"{100 * max(limits.values()) / us:.2g} %"


def aim(over: dict[str, float | None], small: bool) -> str:
    """Whether a small network is as much faster than PyTorch as it is meant to be."""
    if not small:
        return "-"
    return ", ".join(
        f"{AIM[name]:.0f}x {'eager' if name == 'pytorch' else 'graphs'}: "
        + ("not measured" if ratio is None else "yes" if ratio >= AIM[name] else "no")
        for name, ratio in over.items()
    )


def notes(found: dict[str, Any]) -> list[str]:
    """Which way a library took where it has several, and who has no figure."""
    said: dict[str, list[str]] = {}
    for each in found["rows"]:
        for key, entry in each["entries"].items():
            words = f"no figure: {entry['failed']}" if "failed" in entry else entry.get("note")
            if words:
                said.setdefault(
                    f"{TITLES[key.partition('@')[0]]} ({key.partition('@')[2]}), {words}", []
                ).append(f"{each['case']}/{each['optimizer']}")
    lines = [f"{words}: {', '.join(where)}." for words, where in said.items()]
    lines += [f"{TITLES[name]} is absent: {why}." for name, why in found["absent"].items()]
    return lines + [f"Not measured: {name}: {why}." for name, why in found["failed"].items()]
