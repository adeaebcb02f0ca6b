"""The tests of the GPU that are small enough run on Numba's CUDA simulator, in a process of their own: the variable must be set before Numba is imported.

The simulator runs kernels as Python, a thread for each of CUDA's: it finds wrong indices, missing barriers and wrong mathematics, and says nothing of speed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn.cuda import missing

TESTS = Path(__file__).parent
AT_LEAST = 400
"""Tests that must have run: fewer, and something was left out without anybody noticing."""
SECONDS = 1500

REASON = missing()


@pytest.mark.slow
@pytest.mark.skipif(REASON is not None, reason=f"nothing ran on the CUDA simulator: {REASON}")
def test_the_simulator_gives_the_results_of_the_cpu():
    """Two processes share the files, for Python takes minutes to be a GPU."""
    parts = TESTS / "cuda" / "test_parts.py"
    others = [file for file in sorted(parts.parent.glob("test_*.py")) if file != parts]
    runs = [started([parts]), started(others)]
    ran = 0
    for run in runs:
        out, error = run.communicate(timeout=SECONDS)
        assert run.returncode == 0, out[-6000:] + error[-2000:]
        found = re.search(r"CUDA simulator: (\d+) tests ran", out)
        assert found is not None, out[-2000:]
        ran += int(found[1])
    assert ran >= AT_LEAST


def started(files):
    """pytest on these files, in the simulator. Python's arithmetic warns of what a GPU does silently: infinity less infinity."""
    words = ["-q", "-m", "cuda and tiny", "-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *words, *map(str, files)],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=TESTS.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
