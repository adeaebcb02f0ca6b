"""A team of Python threads that run one compiled function together, each with its number, and meet at a spin barrier.

No OpenMP and no TBB: nothing that a fork could break or that would compete with another pool. Between calls of some 50 ms the threads wait for
work on a condition, and cost nothing while they wait.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import numpy as np
from numba import njit

from fastnn.cpu.vector import atomic_add, atomic_load, call_yield, pause
from fastnn.errors import SettingError
from fastnn.plan import Plan

__all__ = ["Team", "core_count", "meet", "resolve_threads", "yield_address"]

SPINS = 4000
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
        if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
            raise SettingError(
                "threads is not a number of threads", got=repr(threads), expected="1 or more, or None"
            )
        return int(threads)
    nanoseconds = plan.flops / 100 + 50 * len(plan.instructions)
    share = 20_000 + 1_000 * plan.meetings
    return max(1, min(core_count(), int(nanoseconds / share)))


class _Call:
    """One run of a team: what to do, how far it is, and a queue that hears when it is over."""

    def __init__(self, function: Callable[[int], None]) -> None:
        self.function = function
        self.sent = self.begun = self.done = False
        self.failure: BaseException | None = None
        self.news: SimpleQueue[None] = SimpleQueue()


class Team:
    """`size` threads; `run(function)` calls function(t) in each, t from 0, and returns when all are done.

    The caller's thread takes no share, it only waits: Ctrl-C may raise in it between any two steps, and if one of the team never comes to
    the barrier, the others wait there for ever. Whatever is raised while the team works is raised when the work is done.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._process = os.getpid()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._work: Callable[[int], None] | None = None
        self._round = 0
        self._pending = 0
        self._failure: BaseException | None = None
        self._condition = threading.Condition()
        self._threads: list[threading.Thread] = []
        if size > 1:
            targets = [(self._lead, ()), *((self._serve, (t,)) for t in range(1, size))]
            self._threads = [
                threading.Thread(target=target, args=arguments, name=f"fastnn-{t}", daemon=True)
                for t, (target, arguments) in enumerate(targets)
            ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, function: Callable[[int], None]) -> None:
        """function(t) for every t; all of them must be able to go on without this thread's interpreter (nogil)."""
        if self.size == 1:
            function(0)
            return
        call = _Call(function)
        interruption: BaseException | None = None
        while True:  # until the team is done, whatever is raised here
            try:
                if not call.sent:  # twice does no harm: what has begun is not begun again
                    self._calls.put(call)
                    call.sent = True
                while not call.done:
                    call.news.get()
                break
            except BaseException as error:  # noqa: BLE001  (raised below)
                interruption = error
        if interruption is not None:
            raise interruption
        if call.failure is not None:
            raise call.failure

    @property
    def here(self) -> bool:
        """Whether the threads live in this process: a forked child has none of its parent's."""
        return self._process == os.getpid()

    def close(self, wait: bool = True) -> None:
        """Let the threads go, and wait until they are gone."""
        if not self.here:
            return
        self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
        self._threads = []

    def _lead(self) -> None:
        """Thread 0: hands calls to the others, one after the other, and does its own share."""
        while (call := self._calls.get()) is not None:
            if not call.begun:
                call.begun = True
                call.failure = self._together(call.function)
                call.done = True
                call.news.put(None)
        self._announce(None)

    def _together(self, function: Callable[[int], None]) -> BaseException | None:
        self._announce(function)
        try:
            function(0)
        except BaseException as error:  # noqa: BLE001  (whatever it is, the caller's thread raises it)
            self._failure = error
        with self._condition:
            while self._pending:
                self._condition.wait()
        failure, self._failure = self._failure, None
        return failure

    def _announce(self, work: Callable[[int], None] | None) -> None:
        with self._condition:
            self._work, self._pending = work, self.size - 1
            self._round += 1
            self._condition.notify_all()

    def _serve(self, t: int) -> None:
        seen = 0
        while True:
            with self._condition:
                while self._round == seen:
                    self._condition.wait()
                seen, work = self._round, self._work
            if work is None:
                return
            try:
                work(t)
            except BaseException as error:  # noqa: BLE001  (whatever it is, the caller's thread raises it)
                self._failure = error
            with self._condition:
                self._pending -= 1
                self._condition.notify_all()
