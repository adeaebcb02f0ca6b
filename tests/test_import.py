"""`import fastnn` is light: it compiles nothing, brings no heavy package along, and takes hardly longer than `import numba`."""

import json
import subprocess
import sys

import numpy as np
import pytest

HEAVY = (
    "cuda",
    "IPython",
    "matplotlib",
    "mpi4py",
    "numba.cuda",
    "numba_cuda",
    "onnx",
    "pandas",
    "PIL",
    "pyarrow",
    "pytest",
    "rich",
    "scipy",
    "sklearn",
    "torch",
)
ALLOWED = 0.2  # seconds more than `import numba`
ROUNDS = 7
TIMED = """
import json, time
clock, processor = time.perf_counter(), time.process_time()
import {}
print(json.dumps([time.process_time() - processor, time.perf_counter() - clock]))
"""


def run(code):
    """What the code prints, as JSON, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def imported():
    """Modules and compiler events of a process that imports fastnn."""
    return run("""
import json, sys
import numba
from numba.core import event
before = list(sys.modules)
with event.install_recorder("numba:compile") as recorder:
    import fastnn
new = sorted(set(sys.modules) - set(before))
print(json.dumps({"before": before, "new": new, "compiled": len(recorder.buffer), "registry": fastnn.registry._loaded}))
""")


def test_import_compiles_nothing(imported):
    assert imported["compiled"] == 0


def test_import_brings_nothing_heavy_along(imported):
    brought = {name for name in imported["new"] if name in HEAVY or name.partition(".")[0] in HEAVY}
    assert brought == set()


def test_plugins_are_loaded_at_the_first_look_up(imported):
    assert not imported["registry"]
    assert not [name for name in imported["new"] if name.startswith("fastnn.plugins")]


def test_import_takes_hardly_longer_than_numba():
    """The fastest of several processes each, by turns; in seconds of the processor, which on an idle machine are those of the clock."""
    seconds = {"numba": [], "fastnn": []}
    for _ in range(ROUNDS):
        for name, taken in seconds.items():
            taken.append(run(TIMED.format(name)))
    (numba, numba_clock), (fastnn, fastnn_clock) = (np.min(taken, axis=0) for taken in seconds.values())
    print(
        f"import numba {numba:.3f} s ({numba_clock:.3f} s of the clock), fastnn {fastnn:.3f} s ({fastnn_clock:.3f} s)"
    )
    assert fastnn - numba <= ALLOWED
