"""The one compiled loop that runs every network: steps, and in each the instructions of a table.

Every thread of the team enters with its number t and walks the same table. The frame (int64 words, FRAME below) says where everything is; `run` (one cache line
for each thread) holds what kernels ask for by name.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit

from fastnn.compile import Unit
from fastnn.cpu.program import TABLE_COLUMNS
from fastnn.cpu.team import meet
from fastnn.cpu.vector import call_kernel, flush_denormals, pointer, restore_mode

__all__ = ["FRAME", "RUN_WORDS", "run_steps", "runner"]

FRAME = (
    "table", "length", "words", "words_bytes",  # of the program for a full batch: its words for thread 0, and how far it is to those of thread 1
    "last_table", "last_length", "last_words", "last_words_bytes",  # of the one for the rest of an epoch
    "counter", "yield_function",                # of the barrier
    "first", "count",                           # steps to run, by their number in the epoch
    "full_steps", "batch",                      # steps of full batches in an epoch
    "step", "etas", "seed",                     # number of the first step since the fit began; their learning rates; the fit's seed
    "bad", "run", "scratch", "scratch_bytes",   # addresses: flag of a loss that is not finite, `run` of thread 0, workspace of thread 0
    "done",                                     # result: steps that were finished
)  # fmt: skip

(
    TABLE, LENGTH, WORDS, WORDS_BYTES, LAST_TABLE, LAST_LENGTH, LAST_WORDS, LAST_WORDS_BYTES, COUNTER, YIELD, FIRST, COUNT, FULL_STEPS, BATCH,
    STEP, ETAS, SEED, BAD, RUN, SCRATCH, SCRATCH_BYTES, DONE,
) = range(len(FRAME))  # fmt: skip

RUN_WORDS = 16
"""int64 words between the `run` of two threads: two cache lines, so that neighbours don't share one."""

_BYTES = 8
_TABLE_BYTES = _BYTES * TABLE_COLUMNS


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def run_steps(frame, t, team):  # type: ignore[no-untyped-def]
    """Run the frame's steps as thread t of the team."""
    f = pointer(frame, np.int64)
    run = f[RUN] + t * RUN_WORDS * _BYTES
    r = pointer(run, np.int64)
    etas = pointer(f[ETAS], np.int64)
    bad = pointer(f[BAD], np.int64)
    r[2] = f[SEED]
    r[4] = f[SCRATCH] + t * f[SCRATCH_BYTES]
    mode = flush_denormals()
    phase, done = 0, 0
    for s in range(f[COUNT]):
        number = f[FIRST] + s
        program = TABLE if number < f[FULL_STEPS] else LAST_TABLE
        table, length, words = f[program], f[program + 1], f[program + 2] + t * f[program + 3]
        r[0], r[1], r[3] = f[STEP] + s, number * f[BATCH], etas[s]
        stopped = False
        i = 0
        while i < length:
            entry = pointer(table + i * _TABLE_BYTES, np.int64)
            if team > 1 and entry[2] != 0:
                phase += 1
                meet(f[COUNTER], team, phase, f[YIELD])
            if entry[3] != 0 and bad[0] != 0:
                stopped = True
                break
            members, bands = entry[5], max(entry[6] // team, 1)
            if entry[4] != 0:
                call_kernel(entry[0], words + entry[1] * _BYTES, run, 0, 1)
            elif bands == 1:
                for m in range(i, i + members):
                    one = pointer(table + m * _TABLE_BYTES, np.int64)
                    call_kernel(one[0], words + one[1] * _BYTES, run, t, team)
            else:  # a band of a thread's share is a thread's share in a team that many times as large
                for band in range(bands):
                    for m in range(i, i + members):
                        one = pointer(table + m * _TABLE_BYTES, np.int64)
                        call_kernel(one[0], words + one[1] * _BYTES, run, t * bands + band, team * bands)
            i += members
        if stopped:
            break
        if team > 1:
            phase += 1
            meet(f[COUNTER], team, phase, f[YIELD])
        done += 1
    restore_mode(mode)
    if t == 0:
        f[DONE] = done


_TEXT = """from numba import cfunc

from fastnn.cpu.runner import run_steps


@cfunc("void(int64, int64, int64)", _nrt=False, error_model="numpy")
def kernel(frame, t, team):
    run_steps(frame, t, team)
"""

_INTEGERS = (ctypes.c_int64,) * 3


@cache
def runner() -> Callable[[int, int, int], None]:
    """The compiled loop: runner()(frame address, t, team). It runs without the interpreter's lock, as all that ctypes calls."""
    return ctypes.CFUNCTYPE(None, *_INTEGERS)(Unit("runner", _TEXT).load())
