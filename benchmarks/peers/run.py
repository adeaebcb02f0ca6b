"""Measures fastnn beside its peers:  python benchmarks/peers/run.py [--items 1 3] [--quick] [--embed]

    1 steps       a training step, SGD and Adam, one thread and all
    2 mnist       a whole run to 97.5 % of MNIST's test images
    3 inference   one sample from Python, 1000 at once: distribution of the latency
    4 products    GFLOP/s of the three products of a dense layer, beside BLAS
    5 crossover   step time over width and batch, against the fastest peer
    6 start       first and second start, memory of a fit, installed size
    7 convolutions  GFLOP/s of the three products of convolution layers
    8 lenet       training LeNet-5
    9 resnet      ResNet-50 for one image, memory of a training step, ResNet-152

Everything that is measured goes into one JSON file, item by item, so that a later run of one item leaves the others. `--embed`
draws the plots, writes the tables into benchmarks/figures/results.md and their summary into README.md.
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

HERE = Path(__file__).resolve().parent
LIBRARIES = ("fastnn", "jax", "pytorch", "compiled", "sklearn", "numpy", "onnx")
ITEMS = {
    1: "steps",
    2: "mnist",
    3: "inference",
    4: "products",
    5: "crossover",
    6: "start",
    7: "convolutions",
    8: "lenet",
    9: "resnet",
}


def main() -> int:
    options = arguments().parse_args()
    result: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    begin, problems = time.perf_counter(), []
    for number in options.items:
        name, start = ITEMS[number], time.perf_counter()
        print(
            f"=== {number} {name} ({time.perf_counter() - begin:.0f} s so far)", file=sys.stderr, flush=True
        )
        try:
            item = importlib.import_module(f"items.{name}")
            result[name] = {**item.measure(options), "seconds": round(time.perf_counter() - start, 1)}
        except Exception as error:  # noqa: BLE001  (the other items are still measured)
            traceback.print_exc()
            problems.append(f"{name}: {error}")
            continue
        problems += getattr(item, "wrong", lambda _: [])(result[name])
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    import report

    print(report.everything(result))
    if options.embed:
        report.embed(result)
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="+", default=list(ITEMS), choices=ITEMS)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and a coarser grid")
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, help="these peers only")
    parser.add_argument("--rows", nargs="*", help="of item 1, as 784-128-10 or 2-8-2/adam")
    parser.add_argument("--optimizers", nargs="+", choices=("sgd", "adam", "adagrad"), help="of item 1")
    parser.add_argument("--rounds", type=int, help="samples of each library in a row (7, quick 3)")
    parser.add_argument("--seconds", type=float, help="length of a sample (0.1, quick 0.05)")
    parser.add_argument("--threads", type=int, choices=(1,), help="1: leave out the measurements with all")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    parser.add_argument("--embed", action="store_true", help="write tables and plots into the repository")
    return parser


if __name__ == "__main__":
    sys.exit(main())
