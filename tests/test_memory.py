"""Nothing is allocated per step, and nothing is left behind: counted in Python, in Numba's runtime and in the C library."""

import ctypes
import gc
import sys
import tracemalloc

import numpy as np
import pytest
from cases import GRAPHS, chain, labels, rows
from numba.core.runtime import _nrt_python, rtsys

import fastnn as fnn
from fastnn.inputs import Targets
from fastnn.registry import registry
from fastnn.trainers import RuleTrainer, TrainingSet


def trainer(net, optimizer="adam", threads=1, batch=7, n=60):
    X, y = rows(net, n).astype(net.dtype), labels(n)
    data = TrainingSet(X, Targets("index", y), None, None)
    return RuleTrainer(
        net, registry.get("optimizer", optimizer), registry.get("loss", "cross_entropy"), data, batch, threads
    )


ETAS = np.full(8, 1e-4)


def steps(machine, count):
    """`count` steps of the compiled loop, over full batches and the short one, with rates that are made beforehand."""
    for k in range(count // 8):
        assert machine.run_steps(k % 2, ETAS, 8 * k) == 8


@pytest.fixture
def runtime_counts():
    _nrt_python.memsys_enable_stats()
    yield rtsys.get_allocation_stats
    _nrt_python.memsys_disable_stats()


@pytest.mark.parametrize("name", GRAPHS)
def test_numbas_runtime_allocates_nothing_in_steps(name, runtime_counts):
    machine = trainer(GRAPHS[name](dtype="float32")).machine
    steps(machine, 8)
    before = runtime_counts()
    steps(machine, 4000)
    assert runtime_counts() == before


def test_the_count_of_numbas_runtime_can_fail(runtime_counts):
    import numba

    @numba.njit
    def allocates(n):
        return np.zeros(n).sum()

    allocates(3)
    before = runtime_counts().alloc
    allocates(3)
    assert runtime_counts().alloc == before + 1


@pytest.mark.parametrize("threads", [1, 2])
def test_python_allocates_as_much_for_many_steps_of_a_call_as_for_few(threads):
    machine = trainer(chain(), threads=threads, batch=1, n=4_000).machine

    def peak(count):
        etas = np.full(count, 1e-4)
        gc.collect()
        tracemalloc.start()
        assert machine.run_steps(0, etas, 0) == count
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak(8)
    few, many = peak(8), peak(4_000)
    assert many < few + 4000, "a few numbers for each look at the clock: less than a byte a step"


class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]]  # fmt: skip


def in_use():
    """Bytes that the C library has handed out."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo2
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="counts with glibc's mallinfo2",
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_c_library_hands_out_nothing_in_steps(optimizer):
    machine = trainer(chain("gelu", width=40), optimizer).machine
    steps(machine, 80)
    gc.collect()
    before = in_use()
    steps(machine, 40_000)
    assert (
        in_use() - before < 4000
    )  # NumPy keeps up to seven small blocks of a size that were freed; a byte a step would be 40,000


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="counts with glibc's mallinfo2",
)
def test_networks_that_come_and_go_leave_nothing_behind():
    def life(k):
        net = chain(seed=k)
        net.fit(rows(net, 40), labels(40), loss="cross_entropy", epochs=2, verbose=False, threads=1 + k % 2)
        net.predict(rows(net, 40))
        net.objective(rows(net, 40), labels(40), loss="cross_entropy").gradient(net.theta)

    def measured(count):
        for k in range(count):
            life(k)
        gc.collect()
        return in_use()

    measured(4)
    before = measured(4)
    assert measured(40) - before < 40 * 1000


def test_an_epoch_needs_memory_for_its_order_and_its_rates_not_for_its_steps():
    """Many epochs of many steps keep the memory of one: histories aside."""
    net = chain(dtype="float32")
    X, y = rows(net, 500).astype("float32"), labels(500)
    peaks = {}

    def watch(run, row):
        peaks[row["epoch"]] = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()

    tracemalloc.start()
    net.fit(
        X,
        y,
        batch_size=5,
        epochs=60,
        verbose=False,
        threads=1,
        callbacks=fnn.LambdaCallback(on_epoch_end=watch),
    )
    tracemalloc.stop()
    assert peaks[60] - peaks[20] < 40 * 3000  # a row of the history has some 2 kB


def test_the_arena_is_all_the_memory_of_a_pass():
    net = fnn.Network(50, [fnn.Dense(100, "relu"), fnn.Dense(10)])
    plan = net.plan(batch=64, mode="gradient", loss="cross_entropy")
    assert plan.arena_bytes < 64 * (2 * 100 + 2 * 10 + 10) * 4 + 4096
