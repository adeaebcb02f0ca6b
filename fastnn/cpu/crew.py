"""The compiled side of the team: how a call takes workers, shares its work with them and lets them go, and how they wait.

Everything is words (int64) in one block of memory, a cache line or two for each thing that another thread writes. A worker is a thread that never leaves `serve`.

    a call     takes its turn (calls come in order), waits until its threads fit the cores, takes workers, does share 0, waits for the others
    a worker   spins a while for the next call, then sleeps on a lock of its own until a call wakes it

Python sees none of it: Ctrl-C cannot come in between, and nothing can be left half done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.vector import atomic_add, atomic_load, call_yield, pause, pointer

__all__ = [
    "ACQUIRE",
    "ACQUIRE_TIMED",
    "CLOCK",
    "CORES",
    "FIRST_WORKER",
    "LINE",
    "MOST_WORKERS",
    "RELEASE",
    "YIELD",
    "call_address",
    "team_call",
]

LINE = 16
"""Words between two things that different threads write: two cache lines."""
MOST_WORKERS = 1023

# A line each for the counters: workers that came (at 0), turns that were taken, turns that are over, threads at work. Then what never changes: how many
# threads may be at work, addresses of functions of Python's locks and of the one that yields the core, and of a lock that nobody ever releases.
TURNS, TURN, RUNNING = LINE, 2 * LINE, 3 * LINE
CORES, ACQUIRE, ACQUIRE_TIMED, RELEASE, YIELD, CLOCK = range(4 * LINE, 4 * LINE + 6)
FIRST_WORKER = 5 * LINE
"""Behind them the workers, a line each: state, lock, runner, frame, t, team, address of the counter of those that are done, state before it was taken."""

SPINNING, ASLEEP, TAKEN, GO, LEAVE = 1, 2, 3, 4, 5
PATIENCE = 4000
"""Turns of the waiting loop (some 100 us) before a worker sleeps: calls that follow one another find it awake."""
TURNS_OF_YIELD = 1000
"""Turns (some 30 us) before a thread that waits offers its core: there may be fewer cores than threads, but a core that is given away is gone for milliseconds."""
NAP = 100
"""Microseconds between two looks of a call whose turn has not come."""


@intrinsic
def call_address(typing_context: Any, address: Any, arguments: Any) -> Any:
    """Call the C function at `address` with a tuple of integers; gives an int64."""

    def codegen(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = [builder.extract_value(given[1], place) for place in range(len(arguments))]
        kind = ir.FunctionType(ir.IntType(64), [value.type for value in values])
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), values)

    return types.int64(types.int64, arguments), codegen


@intrinsic
def atomic_store(typing_context: Any, address: Any, value: Any) -> Any:
    """Write the int64 at `address`: who sees it sees what was written before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store_atomic(arguments[1], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def swapped(typing_context: Any, address: Any, old: Any, new: Any) -> Any:
    """Write `new` where the int64 at `address` is `old`, as one step; whether it was."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.extract_value(
            builder.cmpxchg(place, arguments[1], arguments[2], "seq_cst", "seq_cst"), 1
        )

    return types.boolean(types.int64, types.int64, types.int64), codegen


_inside = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_inside
def wait_a_little(p, spins):  # type: ignore[no-untyped-def]
    """One turn of a waiting loop; every so often the core is offered to others."""
    pause()
    if spins % TURNS_OF_YIELD == TURNS_OF_YIELD - 1:
        call_yield(p[YIELD])


@_inside
def serve(crew, lock):  # type: ignore[no-untyped-def]
    """The life of a worker; `lock` is its own, and locked."""
    p = pointer(crew, np.int64)
    number = atomic_add(crew, 1)
    if number >= MOST_WORKERS:
        return
    me = crew + 8 * (FIRST_WORKER + LINE * number)
    w = pointer(me, np.int64)
    w[1] = lock
    atomic_store(me, SPINNING)
    spins = 0
    while True:
        state = atomic_load(me)
        if state == GO:
            done = w[6]
            call_address(w[2], (w[3], w[4], w[5]))
            atomic_store(me, SPINNING)  # first: when the call is over, its workers are there for the next
            atomic_add(done, 1)
            spins = 0
        elif state == LEAVE:
            return
        elif state == SPINNING and spins >= PATIENCE:
            if swapped(me, SPINNING, ASLEEP):
                call_address(p[ACQUIRE], (lock, np.int32(1)))
            spins = 0
        else:
            wait_a_little(p, spins)
            spins += 1


@_inside
def nap(p):  # type: ignore[no-untyped-def]
    call_address(p[ACQUIRE_TIMED], (p[CLOCK], np.int64(NAP), np.int32(0)))


@_inside
def take(crew, wanted):  # type: ignore[no-untyped-def]
    """Take so many workers, rather those that are awake; how many there were."""
    taken = 0
    n = min(atomic_load(crew), MOST_WORKERS)
    for state in (SPINNING, ASLEEP):
        for number in range(n):
            worker = crew + 8 * (FIRST_WORKER + LINE * number)
            if taken < wanted and swapped(worker, state, TAKEN):
                w = pointer(worker, np.int64)
                taken += 1
                w[4], w[7] = taken, state
    return taken


@_inside
def hand_out(crew, runner, frame, team, done, go):  # type: ignore[no-untyped-def]
    """Send the taken workers to work; or back to where they were. One call at a time does this: whoever is taken is its own."""
    p = pointer(crew, np.int64)
    for number in range(min(atomic_load(crew), MOST_WORKERS)):
        worker = crew + 8 * (FIRST_WORKER + LINE * number)
        w = pointer(worker, np.int64)
        if atomic_load(worker) == TAKEN:
            before = w[7]
            if go:
                w[2], w[3], w[5], w[6] = runner, frame, team, done
                atomic_store(worker, GO)
                if before == ASLEEP:
                    call_address(p[RELEASE], (w[1],))
            else:
                atomic_store(worker, before)


@_inside
def call(crew, runner, frame, team, counter):  # type: ignore[no-untyped-def]
    """Run runner(frame, t, team) for all t, t = 0 here; 1, and nothing has run, where there are too few workers."""
    p = pointer(crew, np.int64)
    turns, turn, running = crew + 8 * TURNS, crew + 8 * TURN, crew + 8 * RUNNING
    number, spins = atomic_add(turns, 1), 0
    while atomic_load(turn) != number:
        spins += 1
        if spins > PATIENCE:
            nap(p)
        else:
            pause()
    while atomic_load(running) > 0 and atomic_load(running) + team > p[CORES]:
        spins += 1
        if spins > PATIENCE:
            nap(p)
        else:
            pause()
    c, done = pointer(counter, np.int64), counter + 8 * LINE
    c[0], c[LINE] = 0, 0
    enough = take(crew, team - 1) == team - 1
    if enough:
        atomic_add(running, team)
    hand_out(crew, runner, frame, team, done, enough)
    atomic_add(turn, 1)
    if not enough:
        return 1
    call_address(runner, (frame, np.int64(0), np.int64(team)))
    spins = 0
    while atomic_load(done) < team - 1:
        wait_a_little(p, spins)
        spins += 1
    atomic_add(running, -team)
    return 0


@_inside
def dismiss(crew):  # type: ignore[no-untyped-def]
    """Let all workers go that are not at work; how many are."""
    p = pointer(crew, np.int64)
    left = 0
    for number in range(min(atomic_load(crew), MOST_WORKERS)):
        worker = crew + 8 * (FIRST_WORKER + LINE * number)
        if swapped(worker, ASLEEP, LEAVE):
            call_address(p[RELEASE], (pointer(worker, np.int64)[1],))
        elif not swapped(worker, SPINNING, LEAVE) and atomic_load(worker) != LEAVE:
            left += 1
    return left


@_inside
def team_call(crew, lock, runner, frame, team, counter):  # type: ignore[no-untyped-def]
    """One door for all: with a lock, `serve`; with a team, `call`; with neither, `dismiss`."""
    if lock != 0:
        serve(crew, lock)
        return 0
    if team != 0:
        return call(crew, runner, frame, team, counter)
    return dismiss(crew)
