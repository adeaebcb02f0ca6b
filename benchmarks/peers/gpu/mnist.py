"""A whole MNIST run on the card: 784-128-10, relu, Adam, batches of 100, ten epochs, a fresh process a run (gpu_learning.py).

Time from the start of the process with nothing compiled, the same with what was compiled kept, and of a second run in the same process. Everybody
has the same first weights and sees the images in the same orders. Images are NumPy arrays on the host when a run begins: the upload is in it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from items.mnist import _write_arrays, folder
from learning import BATCH, ETA
from library import HERE, Failed
from tables import digits, table

from gpu.peers import LIBRARIES, TITLES, Setting

TITLE = "MNIST, ten epochs"
EPOCHS, GOAL, LIMIT = 10, 0.975, 600
AIM = 1.0
"""Seconds, after compilation."""
CACHES = (
    "FASTNN_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
    "JAX_COMPILATION_CACHE_DIR",
)


def measure(options: Namespace, card: dict[str, Any] | None, into: dict[str, Any]) -> None:
    into.update(runs={}, absent={})
    if not options.smoke and not folder().is_dir():
        into["absent"]["MNIST"] = "no folder with its files; FASTNN_MNIST names one"
        return
    with tempfile.TemporaryDirectory() as place:
        drawn(Path(place)) if options.smoke else _write_arrays(Path(place))
        for name in (name for name in LIBRARIES if name in options.libraries):
            for precision in options.precisions:
                setting = Setting(name, precision, options.device)
                try:
                    into["runs"][setting.key] = runs(setting, place, options)
                except Failed as error:
                    into["absent"][setting.key] = str(error)
                options.save()


def drawn(place: Path) -> None:
    """Noise in place of MNIST, for a trial."""
    random = np.random.default_rng(0)
    for name, n in (("train", 300), ("test", 100)):
        np.save(place / f"{name}_X.npy", random.integers(0, 256, (n, 784), dtype=np.uint8))
        np.save(place / f"{name}_y.npy", random.integers(0, 10, n, dtype=np.uint8))


def runs(setting: Setting, place: str, options: Namespace) -> dict[str, Any]:
    """One run with empty caches, then a run for each seed with what that one left there."""
    seeds = 1 if options.smoke else 3
    epochs = 1 if options.smoke else EPOCHS
    with tempfile.TemporaryDirectory() as caches:
        kept = {variable: str(Path(caches, variable)) for variable in CACHES}
        if options.smoke:  # a trial compiles nothing anew
            kept = {}
        cold = run(setting, place, 0, epochs, kept)
        warm = [run(setting, place, seed, epochs, kept) for seed in range(seeds)]
    return {"version": cold["version"], "cold": cold, "kept": warm, "epochs": epochs}


def run(setting: Setting, place: str, seed: int, epochs: int, caches: dict[str, str]) -> dict[str, Any]:
    """One process."""
    for path in caches.values():
        Path(path).mkdir(exist_ok=True)
    command = [sys.executable, str(HERE / "gpu_learning.py"), json.dumps(asdict(setting)), place]
    command += [str(seed), str(epochs), repr(time.time())]
    environment = {**setting.environment(), **caches}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {LIMIT} s") from None
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or ["failed without a word"])[-1][:200])
    found: dict[str, Any] = json.loads(done.stdout)
    print(
        f"MNIST, {setting.key}: {found['total']:.2f} s, again {found['warm']:.2f} s, {100 * found['accuracy']:.2f} %",
        file=sys.stderr,
        flush=True,
    )
    return found


def tables(result: dict[str, Any]) -> str:
    head = [
        "library",
        "precision",
        "nothing compiled, s",
        "compiled before, s",
        "of it import, s",
        "once more in the process, s",
    ]
    head += ["right of the test images", f"aim: {AIM:.0f} s once compiled"]
    lines = []
    for key, found in result["runs"].items():
        name, _, precision = key.partition("@")
        middle = {
            what: statistics.median(run[what] for run in found["kept"])
            for what in ("total", "import", "warm")
        }
        worst = min(run["accuracy"] for run in found["kept"])
        cells = [
            TITLES[name],
            precision,
            digits(found["cold"]["total"]),
            *(digits(each) for each in middle.values()),
        ]
        aim = (
            ("yes" if middle["warm"] < AIM else "no")
            if name == "fastnn" and found["epochs"] == EPOCHS
            else "-"
        )
        lines.append([*cells, f"{100 * worst:.2f} %", aim])
    text = (
        f"784-128-10, relu, Adam (eta {ETA}), batch {BATCH}, {EPOCHS} epochs, then the test images once; medians over three seeds."
        " Upload of the images, and starting the process in the first three columns, included."
    )
    absent = [f"{key}: {why}." for key, why in result["absent"].items()]
    return "\n\n".join([table(head, lines, left=2), text, *absent])


def wrong(result: dict[str, Any]) -> list[str]:
    return [
        f"mnist: {key} stayed at {100 * run['accuracy']:.2f} %"
        for key, found in result["runs"].items()
        if found["epochs"] == EPOCHS
        for run in found["kept"]
        if run["accuracy"] < GOAL
    ]
