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
AT_LEAST = 250
"""Tests that must have run: fewer, and something was left out without anybody noticing."""
SECONDS = 1500

REASON = missing()


@pytest.mark.slow
@pytest.mark.skipif(REASON is not None, reason=f"nothing ran on the CUDA simulator: {REASON}")
def test_the_simulator_gives_the_results_of_the_cpu(tmp_path):
    words = ["-q", "-m", "cuda and tiny", "-p", "no:cacheprovider", str(TESTS / "cuda")]
    words += [
        "-W",
        "ignore::RuntimeWarning",
    ]  # Python's arithmetic warns of what a GPU does silently: infinity less infinity
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "FASTNN_CACHE_DIR": str(tmp_path)},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    ran = re.search(r"CUDA simulator: (\d+) tests ran", done.stdout)
    assert ran is not None and int(ran[1]) >= AT_LEAST, done.stdout[-2000:]
