"""Steps of training a ResNet in a fresh process:  resnet_memory.py LIBRARY DEPTH BATCH STEPS  prints its memory and losses as a line of JSON.

Memory is the largest resident set while it trains, less what was resident after the imports: network, gradients, momentum, activations, data.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

STATUS = Path("/proc/self/status")


def resident(name: str) -> int:
    """Bytes: VmRSS now, VmHWM at most so far. The largest of getrusage would count the process that started this one."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def main(library: str, depth: int, batch: int, count: int) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    steps = importlib.import_module(f"adapters.{library}_images").training(depth, batch)
    before, start = resident("VmRSS"), time.perf_counter()
    losses = steps(count)
    answer = {
        "before": before,
        "peak": resident("VmHWM"),
        "losses": losses,
        "seconds": time.perf_counter() - start,
    }
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
