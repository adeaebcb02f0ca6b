"""The number of threads changes nothing but the time; fits and predictions of several Python threads and forked children don't disturb each
other."""

import _thread
import multiprocessing
import os
import random
import signal
import sys
import threading

import numpy as np
import pytest
from cases import GRAPHS, chain, inception, labels, rows

import fastnn as fnn
from fastnn.cpu import core_count, resolve_threads
from fastnn.ops import LossOp
from fastnn.ops.update import update_kernel
from fastnn.plan import build_plan
from fastnn.registry import registry

TEAMS = (1, 2, 3, 5)


def trained(net, threads, **options):
    """Bits of the parameters and of the history after a fit with a short last batch."""
    settings = {
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "momentum": 0.9,
        "eta": 0.05,
        "epochs": 3,
        "batch_size": 7,
    }
    X = rows(net, 40)
    history = net.fit(X, labels(40), seed=5, threads=threads, verbose=False, **(settings | options))
    return net.theta.tobytes(), [row["loss"] for row in history], net(X, threads=threads).tobytes()


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(name, dtype):
    runs = [trained(GRAPHS[name](dtype=dtype), threads) for threads in TEAMS]
    assert all(run == runs[0] for run in runs)
    assert trained(GRAPHS[name](dtype=dtype), None) == runs[0]


@pytest.mark.parametrize("name", registry.names("optimizer"))
def test_every_optimizer_gives_the_same_bits_for_any_number_of_threads(name):
    runs = []
    for threads in TEAMS:
        net = chain()
        options = {"optimizer": name, "epochs": 3, "batch_size": 7, "threads": threads, "verbose": False}
        history = net.fit(rows(net, 40), labels(40), loss="cross_entropy", **options)
        runs.append((net.theta.tobytes(), [row["loss"] for row in history]))
    assert all(run == runs[0] for run in runs)


def wide_run(threads, dtype):
    """Layers dealt out by outputs, updates after their gradients, a batch that every thread gathers, and a short last batch."""
    net = fnn.Network(150, [fnn.Dense(300, "relu"), fnn.Dense(200, "tanh"), fnn.Dense(10)], dtype=dtype)
    X = np.random.default_rng(1).standard_normal((43, 150))
    options = {
        "optimizer": "adam",
        "epochs": 3,
        "batch_size": 9,
        "threads": threads,
        "verbose": False,
        "seed": 2,
    }
    history = net.fit(X, np.arange(43) % 10, loss="cross_entropy", **options)
    return net.theta.tobytes(), [row["loss"] for row in history]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wide_layers_give_the_same_bits_for_any_number_of_threads(dtype):
    net = fnn.Network(150, [fnn.Dense(300, "relu"), fnn.Dense(200, "tanh"), fnn.Dense(10)])
    kernel = update_kernel(registry.get("optimizer", "sgd"))
    loss = LossOp(registry.get("loss", "cross_entropy"), "index")
    plan = build_plan(
        net.graph, 9, "float32", "gradient", loss=loss, gather=True, update=(kernel, {"momentum": 0.0})
    )
    assert sum(i.by_column for i in plan.instructions) >= 2
    assert plan.private_bytes == 9 * 150 * 4
    assert sum(i.kernel is kernel for i in plan.instructions) == 6
    runs = [wide_run(threads, dtype) for threads in TEAMS]
    assert all(run == runs[0] for run in runs)


def test_bands_of_a_large_batch_give_the_same_bits_for_any_number_of_threads():
    runs = []
    for threads in TEAMS:
        net = fnn.Network(4, [fnn.Dense(32, "tanh"), fnn.Dense(16, "tanh"), fnn.Dense(4)])
        assert (
            max(i.bands for i in net.plan(batch=3000, mode="gradient", loss="squared_error").instructions) > 4
        )
        X = np.random.default_rng(1).standard_normal((3000, 4))
        options = {"optimizer": "adam", "epochs": 5, "batch_size": 3000, "threads": threads, "verbose": False}
        history = net.fit(X, X**2, loss="squared_error", **options)
        runs.append((net.theta.tobytes(), [row["loss"] for row in history]))
    assert all(run == runs[0] for run in runs)
    assert runs[0][1][-1] < runs[0][1][0]


@pytest.mark.parametrize("batch", [1, 2, 40, 100])
def test_teams_larger_than_the_batch_compute_the_same(batch):
    runs = [trained(inception("float32"), threads, batch_size=batch, epochs=2) for threads in TEAMS]
    assert all(run == runs[0] for run in runs)


def test_weights_and_schedules_are_the_same_for_any_number_of_threads():
    weights = np.random.default_rng(0).uniform(size=40)
    runs = [
        trained(chain(dtype="float32"), t, sample_weight=weights, schedule="cosine", validation=0.2)
        for t in TEAMS
    ]
    assert all(run == runs[0] for run in runs)


def test_another_seed_gives_another_result():
    one, other = chain(), chain()
    X = rows(one, 40)
    for net, seed in ((one, 1), (other, 2)):
        net.fit(X, labels(40), loss="cross_entropy", seed=seed, epochs=1, verbose=False)
    assert (one.theta != other.theta).any()


def test_predictions_are_the_same_for_any_number_of_threads_and_any_cut_of_the_rows():
    net = inception("float32")
    X = rows(net, 700)  # more than one pass
    whole = net(X, threads=1)
    for threads in TEAMS:
        assert net(X, threads=threads).tobytes() == whole.tobytes()
    assert np.concatenate([net(X[:1]), net(X[1:260]), net(X[260:])]).tobytes() == whole.tobytes()


def test_objectives_are_the_same_for_any_number_of_threads():
    net = inception()
    X, y, v = rows(net, 30), labels(30), np.ones(net.theta.size)
    found = set()
    for threads in TEAMS:
        C = net.objective(X, y, loss="cross_entropy", threads=threads)
        found.add((C.value(net.theta), C.gradient(net.theta).tobytes(), C.hvp(net.theta, v).tobytes()))
        C.close()
    assert len(found) == 1


def in_threads(*functions):
    """Results of the functions, each called in a Python thread of its own, all at once."""
    results = [None] * len(functions)
    start = threading.Barrier(len(functions))

    def call(k):
        start.wait()
        results[k] = functions[k]()

    threads = [threading.Thread(target=call, args=(k,)) for k in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_two_fits_at_once_give_what_they_give_alone():
    def fit(build, threads):
        return lambda: trained(build(), threads, epochs=20)

    alone = [fit(chain, 1)(), fit(inception, 2)()]
    assert in_threads(fit(chain, 1), fit(inception, 2)) == alone
    assert in_threads(fit(chain, 2), fit(inception, 2)) == alone


def test_predictions_of_one_network_from_several_threads_do_not_mix():
    net = chain(dtype="float32")
    net.fit(rows(net, 40), labels(40), epochs=1, verbose=False)
    X = rows(net, 300)
    expected, scores = net.predict(X), net.evaluate(X, labels(300))

    def ask(first):
        def work():
            return all(
                (net.predict(X[first : first + 100]) == expected[first : first + 100]).all()
                for _ in range(200)
            )

        return work

    assert (
        in_threads(*(ask(k) for k in (0, 50, 100, 200)), lambda: net.evaluate(X, labels(300)) == scores)
        == [True] * 5
    )


def in_forked_child(work):
    """Exit code of a child process that does the work; 14 if it hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fit_in_a_worker(threads):
    return trained(chain(dtype="float32"), threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fits_in_forked_workers_of_a_pool_after_a_fit_in_the_parent():
    expected = fit_in_a_worker(2)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(fit_in_a_worker, [1, 2, 3, 2]).get(60) == [expected] * 4
    assert fit_in_a_worker(2) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_fits_and_predicts_with_a_team_of_its_own():
    net = chain(dtype="float32")
    X = rows(net, 40)
    out = net(X, threads=2)  # the parent's team is there when the child is made
    expected = trained(chain(dtype="float32"), 2)

    def work():
        assert (net(X, threads=2) == out).all()
        assert trained(chain(dtype="float32"), 2) == expected
        assert trained(chain(dtype="float32"), 1) == expected

    assert in_forked_child(work) == 0
    assert (net(X, threads=2) == out).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_how_many_steps_a_call_has_changes_no_bit(dtype, monkeypatch):
    """It follows the time that they take; the loss of an epoch was added up call by call."""
    runs = []
    for seconds in (0.0, 1e-9, 1e-3, 10.0):
        monkeypatch.setattr("fastnn.trainers.CALL_SECONDS", seconds)
        runs.append(trained(chain(dtype=dtype), 1, batch_size=3))
    assert all(run == runs[0] for run in runs)


def test_a_team_stops_together_where_there_is_nothing_to_learn():
    """No gradients, so no meeting between the loss and the update: threads that saw that it was not finite left the others waiting."""
    net = fnn.Network(16, [fnn.Dropout(0.1)])
    X = np.ones((400, 16), "float32")
    X[::7] = 3e38
    for _ in range(50):
        with pytest.raises(fnn.DivergedError):
            net.fit(X, 0 * X, loss="squared_error", batch_size=10, threads=2, verbose=False)


def test_ctrl_c_at_any_moment_leaves_a_network_that_works():
    net = chain()
    X = rows(net, 16)
    expected = net(X)
    timer = random.Random(0)
    for _ in range(40):
        interrupt = threading.Timer(timer.uniform(0.001, 0.01), _thread.interrupt_main)
        with pytest.raises(KeyboardInterrupt):
            interrupt.start()
            while True:
                net(X, threads=2)
        interrupt.join()
        np.testing.assert_array_equal(net(X, threads=2), expected)


def test_the_number_of_threads_follows_the_work(monkeypatch):
    monkeypatch.setattr("fastnn.cpu.team.core_count", lambda: 64)
    chosen = []
    for width in (4, 128, 2048):
        net = fnn.Network(width, [fnn.Dense(width, "relu"), fnn.Dense(10)])
        chosen.append(resolve_threads(None, net.plan(batch=64, mode="gradient", loss="cross_entropy")))
    assert chosen[0] == 1 and chosen == sorted(chosen) and chosen[-1] > 1
    assert resolve_threads(3, net.plan()) == 3


def test_the_environment_limits_the_threads(monkeypatch):
    monkeypatch.setenv("FASTNN_NUM_THREADS", "1")
    assert core_count() == 1
    monkeypatch.setenv("FASTNN_NUM_THREADS", "many")
    with pytest.raises(fnn.SettingError, match="FASTNN_NUM_THREADS"):
        core_count()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_other_threads_ask_asks_too():
    """Their locks stay taken in the child, where nobody is left who would let them go."""
    net = chain()
    X = rows(net, 40)
    C = net.objective(X, labels(40), loss="cross_entropy")
    expected, value, stop = net(X), C.value(net.theta), []

    def ask():
        while not stop:
            net(X, threads=1)
            C.value(net.theta)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()

    def work():
        assert (net(X, threads=2) == expected).all() and (net(X) == expected).all()
        assert C.value(net.theta) == value

    try:
        assert [in_forked_child(work) for _ in range(10)] == [0] * 10
    finally:
        stop.append(True)
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("n", [257, 1000, 1025, 4000])
def test_passes_are_of_few_sizes_and_reach_every_row_once(n):
    for net in (fnn.Network(784, [fnn.Dense(128), fnn.Dense(10)]), fnn.Network(2, [fnn.Dense(3)])):
        cuts = net._forward()._cuts(n)
        assert [row for start, stop in cuts for row in range(start, stop)] == list(range(n))
        assert len({stop - start for start, stop in cuts}) <= 2
        X = np.random.default_rng(0).normal(size=(n, *net.input_shape)).astype("float32")
        assert net(X)[-300:].tobytes() == net(X[-300:]).tobytes()
