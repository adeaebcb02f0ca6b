"""The team: every share of every call is done once, calls of several Python threads take turns, waiting costs nothing, and the process ends."""

import _thread
import ctypes
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from cases import chain, labels, rows
from numba import cfunc

import fastnn as fnn
from fastnn.cpu import team as team_module
from fastnn.cpu.team import COUNTER_WORDS, Team, the_team
from fastnn.cpu.vector import pointer

RUNNER = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def run(team, size, work):
    """work(t) in `size` threads, in place of the compiled loop. (What it raises is lost: it must not.)"""
    function = RUNNER(lambda frame, t, team: work(t))
    counter = np.zeros(COUNTER_WORDS, np.int64)
    team.run(ctypes.cast(function, ctypes.c_void_p).value, 0, size, counter.ctypes.data)


@pytest.fixture
def team():
    made = Team()
    yield made
    made.close()
    assert not any(thread.is_alive() for thread in made.threads)


def test_every_share_is_done_once_and_the_first_by_the_caller(team):
    for size in (2, 3, 5, 2, 9, 3):
        done = []
        run(team, size, lambda t, done=done: done.append((t, threading.get_ident())))
        assert sorted(t for t, _ in done) == list(range(size))
        assert dict(done)[0] == threading.get_ident() and len(set(dict(done).values())) == size
    assert len(team.threads) == 8, "those of the largest call serve all"


def test_shares_run_side_by_side(team):
    meeting = threading.Barrier(4)
    run(team, 4, lambda t: meeting.wait(30))


def test_calls_of_several_threads_lose_and_double_nothing(team):
    wrong = []

    def work(size):
        for k in range(300):
            done = []
            run(team, size, done.append)
            if sorted(done) != list(range(size)):
                wrong.append((size, done))
            if k % 50 == size:
                time.sleep(0.002)  # the workers fall asleep now and then

    callers = [threading.Thread(target=work, args=(size,)) for size in (2, 3, 2, 5)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not wrong and not any(caller.is_alive() for caller in callers)


def at_once(team, calls, size):
    """The largest number of shares that ran at the same time, in so many calls of as many Python threads."""
    lock, now, most = threading.Lock(), [0], [0]

    def work(t):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1

    callers = [threading.Thread(target=run, args=(team, size, work)) for _ in range(calls)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    return most[0]


@pytest.mark.parametrize(("cores", "most"), [(1, 2), (2, 2), (3, 2), (4, 4), (6, 6)])
def test_calls_whose_threads_do_not_fit_the_cores_wait_for_their_turn(cores, most, monkeypatch):
    monkeypatch.setattr(team_module, "core_count", lambda: cores)
    team = Team()
    assert at_once(team, 3, 2) == most
    team.close()


def test_who_waits_does_not_compute(monkeypatch):
    monkeypatch.setattr(team_module, "core_count", lambda: 1)
    team = Team()
    run(team, 2, lambda t: None)
    caller = threading.Thread(target=run, args=(team, 2, lambda t: time.sleep(0.5)))
    other = threading.Thread(target=run, args=(team, 2, lambda t: None))
    caller.start()
    time.sleep(0.05)
    other.start()
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1
    caller.join()
    other.join()
    team.close()


def test_threads_that_have_nothing_to_do_cost_nothing(team):
    run(team, 5, lambda t: None)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.03
    done = []
    run(team, 5, done.append)
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_networks_share_the_threads_of_the_process():
    def use(net):
        net(rows(net, 10), threads=3)
        net.objective(rows(net, 10), labels(10), loss="cross_entropy", threads=3).value(net.theta)
        net.fit(rows(net, 40), labels(40), epochs=1, threads=3, verbose=False)

    use(chain())
    before = threading.active_count()
    for _ in range(5):
        use(chain())
    assert threading.active_count() == before and len(the_team().threads) >= 2


@cfunc("void(int64, int64, int64)")
def compute(frame, t, size):
    """Some 30 ms; then t is noted."""
    numbers, x = pointer(frame, np.int64), 1.0
    for k in range(3_000_000 * (1 + t)):
        x = 0.5 * (x + k / x)
    numbers[t] = 1 + (x < 0)


def test_ctrl_c_is_heard_when_the_whole_team_is_done(team):
    done, counter = np.zeros(3, np.int64), np.zeros(COUNTER_WORDS, np.int64)
    found = []
    team.run(compute.address, done.ctypes.data, 3, counter.ctypes.data)
    for _ in range(5):
        done[:] = 0
        interrupt = threading.Timer(0.005, _thread.interrupt_main)
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            while True:
                team.run(compute.address, done.ctypes.data, 3, counter.ctypes.data)
        interrupt.join()
        found.append(done.tolist())
    assert [1, 1, 1] in found and all(shares in ([0, 0, 0], [1, 1, 1]) for shares in found)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fit(threads, epochs=30):
    net = fnn.Network(64, [fnn.Dense(64, "tanh"), fnn.Dense(10)])
    X = np.random.default_rng(0).normal(size=(1000, 64)).astype("float32")
    net.fit(X, np.arange(1000) % 10, batch_size=32, epochs=epochs, threads=threads, verbose=False)
    return net.theta.tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_two_fits_at_once_take_no_longer_than_one_after_the_other(threads):
    expected = fit(threads)
    alone = min(seconds(lambda: fit(threads)) for _ in range(3))
    results = []

    def both():
        callers = [threading.Thread(target=lambda: results.append(fit(threads))) for _ in range(2)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)

    assert (
        min(seconds(both) for _ in range(3)) < 2 * 2 * alone
    )  # twice the work; a factor for a machine that is shared
    assert results == [expected] * 6


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fit_on_busy_cores_gets_its_share(threads):
    """Two processes that compute all the time leave half of each core: threads that wait must let the others work."""
    fit(threads)
    alone = min(seconds(lambda: fit(threads)) for _ in range(3))
    burn = "while True: pass"
    others = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(2)]
    try:
        time.sleep(0.3)
        assert min(seconds(lambda: fit(threads)) for _ in range(3)) < 4 * alone + 0.5
    finally:
        for other in others:
            other.kill()
            other.wait()


ENDINGS = {
    "threads that spin": "net(X, threads=3)",
    "threads that sleep": "net(X, threads=3); time.sleep(0.1)",
    "an error": "net(X, threads=2); raise SystemExit(0)",
    "a child": "net(X, threads=2); pid = os.fork()\nif pid == 0: net(X, threads=2); sys.exit(0)\nos.waitpid(pid, 0)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_process_ends_without_a_word(ending):
    if ending == "a child" and sys.platform == "win32":
        pytest.skip("there is no fork")
    script = (
        "import os, sys, time, warnings; import numpy as np; import fastnn as fnn; warnings.simplefilter('ignore')\n"
        "net = fnn.Network(3, [fnn.Dense(4, 'tanh'), fnn.Dense(2)]); X = np.zeros((50, 3))\n"
        + ENDINGS[ending]
    )
    net = fnn.Network(3, [fnn.Dense(4, "tanh"), fnn.Dense(2)])
    net(np.zeros((50, 3)), threads=2)  # so that the child has nothing to compile, and to say about it
    start = time.monotonic()
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "") and time.monotonic() - start < 30
