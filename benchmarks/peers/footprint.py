"""One fit in a fresh process:  footprint.py LIBRARY BEGIN  prints its seconds and its memory as one line of JSON.

The digits' network (64-64-10, batch 32, one epoch of 1,797 rows) for the seconds, counted from BEGIN, before Python was started; then
784-128-10, batch 64, 12,800 rows for the largest resident memory.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time

from cases import Case, problem

DIGITS = Case((64, 64, 10), batch=32, steps=56)
LARGE = Case((784, 128, 10), batch=64, steps=200)


def megabytes() -> float:
    """The largest resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main(library: str, begin: float) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(f"adapters.{library}_adapter")
    imported = time.time() - begin
    after_import = megabytes()
    small = problem(DIGITS, "adam")
    module.Trainer(small, None).run(1)
    first = time.time() - begin
    module.Trainer(problem(LARGE, "adam"), None).run(2)
    answer = {
        "version": module.VERSION,
        "import": imported,
        "first_epoch": first,
        "import_mb": after_import,
        "fit_mb": megabytes(),
    }
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
