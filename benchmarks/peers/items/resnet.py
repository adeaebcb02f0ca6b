"""ResNet-50: one image, beside onnxruntime (the model that `net.to_onnx` writes) and PyTorch; memory of a training step; five steps of ResNet-152."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from library import HERE, TITLES, Failed, Libraries, cpus, environment
from machine import describe
from tables import digits, source, table

TITLE = "ResNet"
LIBRARIES = ("fastnn", "onnx", "pytorch")
TRAINED = ("fastnn", "pytorch")
FLOPS = 8.18e9
"""Of one image: 4.09e9 multiplications and additions, convolutions and the dense layer."""
BATCH, STEPS = 8, 5
TOLERANCE = 1e-4
GIB, LIMIT, SECONDS = 2**30, 12, 900


def measure(options: Namespace) -> dict[str, Any]:
    cores = len(cpus()) or 1
    counts = [1] if cores == 1 or options.threads == 1 else [1, cores]
    names = [name for name in LIBRARIES if name in (options.libraries or LIBRARIES)]
    rounds = options.rounds or (3 if options.quick else 9)
    seconds = options.seconds or (0.2 if options.quick else 1.0)
    about = describe()
    with Libraries([(name, count) for name in names for count in counts]) as libraries:
        ours = [library for library in libraries.present if library.name == "fastnn"]
        peaks = {str(library.threads): library.ask(do="peak")["gflops"] for library in ours}
        found, failed = _latency(libraries, rounds, seconds)
        result = {
            "about": about, "rounds": rounds, "threads": counts, "peaks": peaks, "versions": libraries.versions,
            "absent": libraries.absent, "latency": found, "failed": failed,
        }  # fmt: skip
    trained = [name for name in TRAINED if name in result["versions"]]
    result["memory"] = {name: _train(name, 50, BATCH, 2, cores) for name in trained}
    steps = 2 if options.quick else STEPS
    result["deep"] = {name: _train(name, 152, 1, steps, cores) for name in trained}
    return result


def _latency(libraries: Libraries, rounds: int, seconds: float) -> tuple[dict[str, Any], dict[str, str]]:
    """Milliseconds of every library's ways, and how far each answer is from fastnn's."""
    failed, answers = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        ways: list[tuple[Any, str]] = []
        for library in libraries.present:  # fastnn first: it writes the model
            try:
                names = library.ask(do="resnet", folder=folder)["ways"]
            except Failed as error:
                failed[library.key] = str(error)
                continue
            for k, way in enumerate(names):
                ways.append((library, way))
                answers[f"{library.key} {way}"] = np.load(Path(folder, f"{library.key} {k}.npy"))
    first = next(iter(answers.values()), np.zeros(1))
    taken: dict[str, list[float]] = {key: [] for key in answers}
    for turn in range(rounds):
        shift = turn % max(len(ways), 1)
        for library, way in ways[shift:] + ways[:shift]:
            ns = library.ask(do="latencies", name=way, seconds=seconds, least=3)["ns"]
            taken[f"{library.key} {way}"].append(statistics.median(ns) / 1e6)
    found = {}
    for key, ms in taken.items():
        apart = float(abs(answers[key] - first).max() / abs(first).max())
        found[key] = {"ms": statistics.median(ms), "each": ms, "apart": apart}
        print(f"ResNet-50, one image: {key} {found[key]['ms']:.1f} ms", file=sys.stderr, flush=True)
    return found, failed


def _train(library: str, depth: int, batch: int, steps: int, threads: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "resnet_memory.py"), library, str(depth), str(batch), str(steps)]
    if library == "fastnn":  # compiled code comes from the cache: the compiler's memory is not the library's
        _answer([*command[:-1], "1"], threads)
    answer = _answer(command, threads)
    print(f"ResNet-{depth}, batch {batch}: {library} {answer}", file=sys.stderr, flush=True)
    return answer


def _answer(command: list[str], threads: int) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command, env=environment(threads), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {SECONDS} s"}
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or ["failed without a word"])[-1][:200]}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def wrong(result: dict[str, Any]) -> list[str]:
    problems = [
        f"resnet: {key} is {entry['apart']:.0e} from fastnn"
        for key, entry in result["latency"].items()
        if not entry["apart"] < TOLERANCE
    ]
    problems += [f"resnet: {key}: {why}" for key, why in result["failed"].items()]
    for part in ("memory", "deep"):
        for name, run in result[part].items():
            if "failed" in run:
                problems.append(f"resnet, {part}: {name}: {run['failed']}")
            elif not run["losses"][-1] < run["losses"][0]:
                problems.append(f"resnet, {part}: {name}: the loss does not go down: {run['losses']}")
    run = result["deep"].get("fastnn", {})
    if run.get("peak", 0) > LIMIT * GIB:
        problems.append(f"resnet: ResNet-152 takes {run['peak'] / GIB:.1f} GiB")
    return problems


def best(result: dict[str, Any], name: str, count: int) -> str | None:
    """The library's fastest way on so many threads."""
    keys = [key for key in result["latency"] if key.startswith(f"{name}@{count} ")]
    return min(keys, key=lambda key: result["latency"][key]["ms"], default=None)


def ratio(result: dict[str, Any], name: str, count: int) -> float | None:
    """Median, over the rounds, of a peer's time over fastnn's."""
    both = [best(result, which, count) for which in (name, "fastnn")]
    if None in both:
        return None
    theirs, ours = (result["latency"][key]["each"] for key in both)
    return statistics.median(t / o for t, o in zip(theirs, ours, strict=True))


def tables(result: dict[str, Any]) -> str:
    return f"{short(result)} {source(result, 9)}"


def short(result: dict[str, Any]) -> str:
    names = [name for name in LIBRARIES if name in result["versions"]]
    others = [name for name in names if name != "fastnn"]
    lines = []
    for count in result["threads"]:
        keys = [best(result, name, count) for name in names]
        ms = [digits(result["latency"][key]["ms"]) if key else "-" for key in keys]
        peak = result["peaks"].get(str(count))
        ratios = [ratio(result, name, count) for name in others]
        cells = [
            digits(FLOPS / peak / 1e6 if peak else None),
            *("-" if r is None else f"{digits(r)}x" for r in ratios),
        ]
        lines.append([str(count), *ms, *cells])
    head = ["ResNet-50, one image, ms: threads", *(TITLES[name] for name in names), "at least"]
    head += [f"{TITLES[name]} / fastnn" for name in others]
    parts = [table(head, lines), table(*_training(result))]
    deep = result["deep"].get("fastnn", {})
    losses = ", ".join(f"{loss:.3f}" for loss in deep.get("losses", []))
    ways = ", ".join(
        dict.fromkeys(key.partition(" ")[2] for key in result["latency"] if key.startswith("pytorch"))
    )
    parts.append(
        f"The same weights everywhere, each library's fastest way (PyTorch: {ways}); at least: 8.18e9 operations at what the processor does on registers alone."
        f" Memory: the largest resident set less what was resident after the imports, with SGD and momentum. ResNet-152's losses: {losses}."
    )
    return "\n\n".join(parts)


def _training(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    names = list(result["memory"])
    head = [
        "training, GiB",
        "batch",
        *(TITLES[name] for name in names),
        "parameters, gradients and momentum",
        "fastnn / PyTorch",
    ]
    lines = []
    for part, title, batch, parameters in (
        ("memory", "ResNet-50", BATCH, 25_557_032),
        ("deep", "ResNet-152", 1, 60_192_808),
    ):
        runs = result[part]
        gib = {n: (r["peak"] - r["before"]) / GIB for n, r in runs.items() if "peak" in r}
        share = gib["fastnn"] / gib["pytorch"] if {"fastnn", "pytorch"} <= gib.keys() else None
        cells = [*(digits(gib.get(name)) for name in names), digits(12 * parameters / GIB), digits(share)]
        lines.append([title, str(batch), *cells])
    return head, lines


def draw(result: dict[str, Any], folder: Path) -> list[str]:
    return []
