"""A team of Python threads that run one compiled function together, each with its number, and meet at a spin barrier.

No OpenMP and no TBB: nothing that a fork could break or that would compete with another pool. A worker is a Python thread inside one compiled call for as long as it
lives ([crew.py](crew.py)): it spins for some 100 us after a call, then sleeps and costs nothing.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from fastnn.compile import Unit
from fastnn.cpu.crew import (
    ACQUIRE,
    ACQUIRE_TIMED,
    CLOCK,
    CORES,
    FIRST_WORKER,
    LINE,
    MOST_WORKERS,
    RELEASE,
    YIELD,
)
from fastnn.cpu.vector import atomic_add, atomic_load, call_yield, pause
from fastnn.errors import SettingError
from fastnn.memory import aligned_zeros
from fastnn.plan import Plan

__all__ = [
    "COUNTER_WORDS",
    "Team",
    "core_count",
    "meet",
    "resolve_threads",
    "team_unit",
    "the_team",
    "yield_address",
]

SPINS = 1500
"""Turns of the waiting loop (some 40 us) before a thread offers its core to others at every further turn."""


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def meet(counter, team, phase, yield_function):  # type: ignore[no-untyped-def]
    """Wait until every thread of the team has come here for the `phase`-th time; `counter` only ever grows."""
    atomic_add(counter, 1)
    spins = 0
    while atomic_load(counter) < team * phase:
        pause()
        spins += 1
        if spins > SPINS:
            call_yield(yield_function)


@cache
def yield_address() -> int:
    """Address of the operating system's function that offers the core to another thread."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def core_count() -> int:
    """Cores that this process may use; FASTNN_NUM_THREADS lowers it."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    limit = os.environ.get("FASTNN_NUM_THREADS")
    if limit is None:
        return cores
    if not limit.isdigit() or int(limit) < 1:
        raise SettingError(
            "FASTNN_NUM_THREADS is not a number of threads", got=repr(limit), expected="1 or more"
        )
    return min(cores, int(limit))


def resolve_threads(threads: int | None, plan: Plan) -> int:
    """How many threads a plan deserves: what was asked for, else as many as pay off for its work.

    Here one thread does some 100 flops a nanosecond on matrices and 50 ns an instruction; a team loses some 0.5 us a meeting,
    and to call it costs some 20 us, which a run of many steps shares.
    """
    if threads is not None:
        if (
            isinstance(threads, bool)
            or not isinstance(threads, (int, np.integer))
            or not 1 <= threads <= MOST_WORKERS + 1
        ):
            raise SettingError(
                "threads is not a number of threads",
                got=repr(threads),
                expected=f"1 to {MOST_WORKERS + 1}, or None",
            )
        return int(threads)
    nanoseconds = plan.flops / 100 + 50 * len(plan.instructions)
    share = 20_000 + 1_000 * plan.meetings
    return max(1, min(core_count(), int(nanoseconds / share)))


_INTEGERS = (ctypes.c_int64,) * 6
_TEXT = """from numba import cfunc

from fastnn.cpu.crew import team_call


@cfunc("int64(int64, int64, int64, int64, int64, int64)", _nrt=False, error_model="numpy")
def kernel(crew, lock, runner, frame, team, counter):
    return team_call(crew, lock, runner, frame, team, counter)
"""
COUNTER_WORDS = 2 * LINE
"""int64 words that a call needs for itself: the barrier's counter, and that of the workers that are done."""
_START = 20e-6
"""Seconds between two looks whether new threads have come."""


def team_unit() -> Unit:
    """The compiled side: see crew.py."""
    return Unit("team", _TEXT)


def _lock() -> int:
    """One of Python's locks that compiled code can wait for; locked."""
    allocate, acquire = ctypes.pythonapi.PyThread_allocate_lock, ctypes.pythonapi.PyThread_acquire_lock
    allocate.restype, acquire.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_int)
    lock = allocate()
    if lock is None:
        raise MemoryError("no lock for a thread")
    acquire(lock, 1)
    return int(lock)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Team:
    """Threads that wait for work, hired when a call needs them and kept; every fit and every network of the process calls the same ones.

    A call's own thread takes share 0. Calls come in order: one whose threads do not fit the cores beside those at work waits for its turn, in place of
    competing. (Two fits of two threads each took turns on two cores in the time that they take one after the other; side by side, threads wait at the barrier
    for others that have no core.)
    """

    def __init__(self) -> None:
        self._kernel: Any = ctypes.CFUNCTYPE(ctypes.c_int64, *_INTEGERS)(team_unit().load())
        self._words = aligned_zeros(FIRST_WORKER + LINE * MOST_WORKERS, np.int64)
        api = ctypes.pythonapi
        for place, value in (
            (CORES, core_count()),
            (ACQUIRE, _address(api.PyThread_acquire_lock)),
            (ACQUIRE_TIMED, _address(api.PyThread_acquire_lock_timed)),
            (RELEASE, _address(api.PyThread_release_lock)),
            (YIELD, yield_address()),
            (CLOCK, _lock()),
        ):
            self._words[place] = value
        self._at = self._words.ctypes.data
        self._hiring = threading.Lock()
        self.threads: list[threading.Thread] = []

    def run(self, runner: int, frame: int, team: int, counter: int) -> None:
        """runner(frame, t, team) for every t from 0 on, addresses all; `counter` is that of COUNTER_WORDS words. Ctrl-C is heard when all are done."""
        self._hire(team - 1)
        while self._kernel(self._at, 0, runner, frame, team, counter):
            if self._words[0] < len(self.threads):
                time.sleep(_START)  # they are on their way
            else:
                self._hire(len(self.threads) + team - 1)  # the others are at work elsewhere

    def close(self) -> None:
        """Let the threads go, but for those at work, and wait until they are gone."""
        left = self._kernel(self._at, 0, 0, 0, 0, 0)
        for thread in self.threads if not left else ():
            thread.join(1.0)

    def _hire(self, count: int) -> None:
        if len(self.threads) < count:
            with self._hiring:
                while len(self.threads) < min(count, MOST_WORKERS):
                    number = len(self.threads) + 1
                    thread = threading.Thread(target=self._serve, name=f"fastnn-{number}", daemon=True)
                    thread.start()
                    self.threads.append(thread)

    def _serve(self) -> None:
        self._kernel(self._at, _lock(), 0, 0, 0, 0)


_team: Team | None = None
_making = threading.Lock()


def the_team() -> Team:
    """The team of this process."""
    global _team
    if _team is None:
        with _making:
            if _team is None:
                _team = Team()
    return _team


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global _team, _making
    _team, _making = None, threading.Lock()


@atexit.register
def _leave() -> None:
    """Before the memory of compiled code is given back: threads that wait are in it."""
    if _team is not None:
        _team.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
