"""Measures fastnn beside PyTorch and JAX on one NVIDIA GPU:  python benchmarks/peers/gpu.py [--items 1 3] [--quick]

    1 steps       a training step of the CPU benchmark's rows and of 4096-4096-4096-10, TF32 off and on
    2 ways        the same steps with each way of fastnn to run them forced, and a grid of widths and batches
    3 inference   one sample, and 2^16
    4 narrow      64 wide, five hidden layers, batches 2^14 to 2^21, beside tiny-cuda-nn's published curve
    5 mnist       784-128-10, ten epochs, with and without compilation
    6 products    GFLOP/s of the three products, 256 to 8192, beside cuBLAS
    7 convolutions  GFLOP/s of VGG's and ResNet's convolutions beside cuDNN, and LeNet-5's training step

Results land in --folder (benchmarks/figures/gpu): results.json with every sample, item by item, so that a later run of one item leaves the
others, and row by row, so that a run that is cut off loses nothing; results.md with all tables; the plots. `--items` with no number
draws them anew. `--smoke` tries everything on tiny sizes; with `--device cpu` it needs no GPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from gpu import report
from gpu.peers import LIBRARIES, PRECISIONS

FIGURES = Path(__file__).resolve().parents[1] / "figures" / "gpu"


def main(words: list[str] | None = None) -> int:
    options = parsed(words)
    options.folder.mkdir(parents=True, exist_ok=True)
    kept = options.folder / "results.json"
    result: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    options.save = lambda: kept.write_text(json.dumps(result, indent=1) + "\n")
    if options.items:
        about = report.about(options)
        before = result.get("about", {}).get("card", about["card"])
        if before != about["card"]:
            raise SystemExit(
                f"{kept} is of another card ({before}, and this is {about['card']}): name another --folder"
            )
        result["about"] = about
    begin, problems = time.perf_counter(), []
    for number in options.items:
        name, start = report.ITEMS[number], time.perf_counter()
        print(f"=== {number} {name} ({start - begin:.0f} s so far)", file=sys.stderr, flush=True)
        item = importlib.import_module(f"gpu.{name}")
        result[name] = {}
        try:
            item.measure(options, about["limits"], result[name])
        except Exception as error:  # noqa: BLE001  (the other items are still measured)
            traceback.print_exc()
            problems.append(f"{name}: {error}")
        options.save()
        print(f"{name} took {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print(report.write(result, options.folder))
    for name in report.items_of(result):
        problems += importlib.import_module(f"gpu.{name}").wrong(result[name])
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


def parsed(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--items",
        type=int,
        nargs="*",
        default=list(report.ITEMS),
        choices=report.ITEMS,
        help="none: tables of what is there",
    )
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=LIBRARIES)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--rows", nargs="*", help="of items 1 and 2, as 784-128-10 or 2-8-2/adam")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 0.05 s in place of 7 of 0.1 s")
    parser.add_argument("--rounds", type=int, help="samples of each library in a row")
    parser.add_argument("--seconds", type=float, help="length of a sample")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: a trial, no measurement")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: for a trial")
    parser.add_argument("--card", help="take this card's limits, by the name that the driver gives it")
    parser.add_argument("--folder", type=Path, help="where results land")
    options = parser.parse_args(words)
    if options.device == "cpu" and not options.smoke:
        parser.error("--device cpu is for a trial: add --smoke")
    if options.smoke and options.folder is None:
        parser.error("a trial is not kept in the repository: name a --folder")
    short = options.quick or options.smoke
    options.rounds = options.rounds or (2 if options.smoke else 3 if short else 7)
    options.seconds = options.seconds or (0.005 if options.smoke else 0.05 if short else 0.1)
    options.folder = options.folder or FIGURES
    return options


if __name__ == "__main__":
    sys.exit(main())
