"""net(X) and net.predict(X) by the prepared way: the same bits as the long way, whatever comes, whoever asks, and after every change of the network."""

import copy
import gc
import os
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from cases import GRAPHS, chain, inception, labels, rows

import fastnn as fnn
from fastnn.cpu import ask

QUIET = {"verbose": False, "threads": 1}
ASKED = ("outputs", "shown")


def prepared(net, X):
    """The network, asked so often that both answers for as many rows as X has are prepared."""
    for _ in range(3):
        net(X), net.predict(X)
    assert all(getattr(net._prepared, what)(X) is not None for what in ASKED)
    return net


def trained(scale=None, dtype="float32"):
    net = chain(dtype=dtype)
    X = 5 + 3 * rows(net, 40)
    net.fit(X, labels(40), loss="cross_entropy", epochs=2, scale=scale, **QUIET)
    return net, X


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_prepared_way_gives_the_bits_of_the_long_way(name, dtype, n):
    net = GRAPHS[name](dtype=dtype)
    net.loss = fnn.losses.cross_entropy
    X = rows(net, n)
    prepared(net, X)
    for given in (X.astype("float32"), X.astype("float64")):
        for what, long_way in zip(ASKED, (net(given, threads=1), net.predict(given, threads=1)), strict=True):
            out = getattr(net._prepared, what)(given)
            assert out.dtype == dtype and out.tobytes() == long_way.tobytes() and out.shape == long_way.shape


@pytest.mark.parametrize("scale", ["standardise", "min_max"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scaled_features_give_the_bits_of_the_long_way(scale, dtype):
    net, X = trained(scale, dtype)
    prepared(net, X[:1])
    prepared(net, X[:5])
    for given in (X[3:4], X[3:4].astype("float32"), X[:5], X[3]):
        assert net(given).tobytes() == net(given, threads=1).tobytes()
        assert net.predict(given).tobytes() == net.predict(given, threads=1).tobytes()


def test_one_sample_gives_one_output():
    net, X = trained()
    for _ in range(3):
        assert net(X[4]).shape == (3,) and (net(X[4]) == net(X)[4]).all()
        assert (net(X[4].tolist()) == net(X)[4]).all() and (net(X[4], threads=2) == net(X)[4]).all()
        assert (net.predict(X[4]) == net.predict(X)[4]).all()
        assert net.predict_classes(X[4]) == net.predict_classes(X)[4]
        assert net.predict_classes(X[4]).shape == ()
    images = fnn.Network((2, 3), [fnn.layers.Flatten(), fnn.Dense(4)])
    X = np.random.default_rng(0).normal(size=(5, 2, 3)).astype("float32")
    for _ in range(3):
        assert images(X[1]).shape == (4,) and (images(X[1]) == images(X)[1]).all()


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (lambda x: x, "known"),
        (lambda x: x.astype("float64"), "known"),
        (lambda x: x[0], "known"),
        (lambda x: x.tolist(), "long way"),
        (lambda x: x.astype("int64"), "long way"),
        (lambda x: x.astype(">f4"), "long way"),
        (lambda x: x.astype("float16"), "long way"),
        (lambda x: np.repeat(x, 2, axis=1)[:, ::2], "long way"),
        (lambda x: x[:, ::-1][:, ::-1], "known"),
        (lambda x: np.ma.masked_array(x), "long way"),
        (lambda x: x.view(np.recarray), "long way"),
        (lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("float32")[None], "long way"),
        (lambda x: np.concatenate([x, x]), "long way"),
    ],
)
def test_what_is_not_known_goes_the_long_way_to_the_same_answer(given, answer):
    net, X = trained()
    x = np.round(X[:1]).astype("float32")
    prepared(net, x)
    assert (net._prepared.outputs(given(x)) is not None) == (answer == "known")
    expected = net(x, threads=1)
    assert (net(given(x)) == expected).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("place", [0, 5, 15])
@pytest.mark.parametrize("scale", [None, "standardise"])
def test_numbers_that_are_not_finite_are_refused(wrong, place, scale):
    net = fnn.Network(16, [fnn.Dense(3)])
    X = np.random.default_rng(0).normal(size=(8, 16))
    net.fit(X, labels(8), epochs=1, scale=scale, **QUIET)
    x = X[:1].copy()
    prepared(net, x)
    x[0, place] = wrong
    with pytest.raises(fnn.DataError, match=rf"X\[0, {place}\]"):
        net(x)
    with pytest.raises(fnn.DataError, match=rf"X\[0, {place}\]"):
        net.predict(x[0])
    assert np.isfinite(net(X[:1])).all()


@pytest.mark.parametrize(
    "x",
    [
        None,
        3.0,
        "abc",
        np.float32(1),
        np.zeros(2, "float32"),
        np.zeros((1, 5), "float32"),
        np.zeros((1, 1, 4)),
        [[1.0], [1.0, 2]],
    ],
)
def test_what_does_not_fit_is_refused_by_a_prepared_network(x):
    net, X = trained()
    prepared(net, X[:1])
    with pytest.raises(fnn.FastnnError):
        net(x)
    with pytest.raises(fnn.FastnnError):
        net.predict(x)


def test_answers_follow_every_change_of_the_network():
    net, X = trained("standardise")
    x, fresh = X[:1], lambda: copy.deepcopy(net)  # a copy has prepared nothing

    def agrees():
        for _ in range(3):
            assert net(x).tobytes() == fresh()(x).tobytes()
            assert net.predict(x).tobytes() == fresh().predict(x).tobytes()

    before = net(x)
    agrees()
    net.theta[:] *= 1.5
    agrees()
    net.theta = net.theta - 0.25
    agrees()
    net.parameters["0/b"][...] += 1
    agrees()
    net.loss = fnn.losses.squared_error
    agrees()
    net.scaler = None
    agrees()
    net.fit(X, labels(40), loss="cross_entropy", epochs=1, scale="min_max", **QUIET)
    agrees()
    net.scaler.shift[...] += 1  # nobody should, but the long way would follow
    agrees()
    net.output = net.apply("head", fnn.Dense(2), net.output)
    agrees()
    assert net(x).shape == (1, 2) and before.shape == (1, 3)


def test_outputs_are_new_arrays_that_own_their_memory():
    net, X = trained()
    x = prepared(net, X[:1]) and X[:1]
    first = net(x)
    kept = first.copy()
    second = net(x + 1)
    assert (
        first.flags.owndata
        and first.flags.writeable
        and first.flags.c_contiguous
        and type(first) is np.ndarray
    )
    assert not np.shares_memory(first, second) and (first == kept).all() and (second != kept).any()


def test_inputs_are_not_written_to_and_nothing_is_left_behind():
    net, X = trained()
    x = X[:1].astype("float32")
    kept = x.copy()
    prepared(net, x)
    known, counts = (
        net._prepared.outputs,
        lambda: (sys.getrefcount(x), sys.getrefcount(np.ndarray), sys.getrefcount(x.dtype)),
    )
    before = counts()
    tracemalloc.start()
    known(x), known(3)
    gc.collect()
    start = tracemalloc.get_traced_memory()[0]
    for _ in range(10_000):
        known(x), known(3)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    assert counts() == before and grown < 1000 and (x == kept).all()


def test_a_prepared_function_outlives_its_network():
    net, X = trained()
    x = X[:1].astype("float32")
    expected = prepared(net, x)(x)
    known = net._prepared.outputs
    del net
    gc.collect()
    junk = [np.full(1000, np.nan, "float32") for _ in range(1000)]  # freed memory would be used again
    assert (known(x) == expected).all() and len(junk) == 1000


def test_threads_that_ask_at_once_get_their_own_answers():
    net, X = trained()
    X = X.astype("float32")
    expected = net(X)
    prepared(net, X[:1]), prepared(net, X[:3])
    wrong = []

    def work(first):
        for k in range(3000):
            s = (first + k) % 37
            n = 1 + 2 * (k % 2)
            if net(X[s : s + n]).tobytes() != expected[s : s + n].tobytes():
                wrong.append(s)
            if k % 500 == first:
                net.loss = fnn.losses.cross_entropy  # and all is prepared anew

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_asks_and_its_parent_does_not_notice():
    net, X = trained()
    x = X[:1].astype("float32")
    expected = prepared(net, x)(x)
    child = os.fork()
    if child == 0:
        good = (net(x) == expected).all()
        net.theta[:] = 0
        os._exit(0 if good and not net(x).any() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (net(x) == expected).all()


@pytest.fixture
def alone(monkeypatch):
    """One core: a team would go the long way."""
    monkeypatch.setenv("FASTNN_NUM_THREADS", "1")


def wide(dtype="float32"):
    net = fnn.Network(300, [fnn.Dense(60, "tanh"), fnn.Dense(3)], dtype=dtype)
    net.loss = fnn.losses.cross_entropy
    return net, np.random.default_rng(0).normal(size=(1500, 300)).astype("float32")


@pytest.mark.parametrize("n", [256, 257, 700, 1500])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [None, "standardise"])
def test_many_rows_in_several_passes_give_the_bits_of_the_long_way(n, dtype, scale, alone):
    net, X = wide(dtype)
    if scale:
        net.fit(X[:20], labels(20), loss="cross_entropy", epochs=1, scale=scale, **QUIET)
    prepared(net, X[:n])
    for given in (X[:n], X[:n].astype("float64")):
        assert net(given).tobytes() == net(given, threads=1).tobytes()
        assert net.predict(given).tobytes() == net.predict(given, threads=1).tobytes()


def test_what_is_wrong_in_the_last_pass_is_refused_and_leaves_nothing_behind(alone):
    net, X = wide()
    prepared(net, X)
    good = net(X)
    X[-1, -1] = np.nan
    known = net._prepared.outputs
    assert known(X) is None
    gc.collect()
    tracemalloc.start()
    for _ in range(20):
        assert known(X) is None
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert left < good.nbytes
    with pytest.raises(fnn.DataError, match=r"X\[1499, 299\]"):
        net(X)
    assert (net(X[:-1]) == good[:-1]).all()


def test_threads_that_ask_for_much_at_once_get_their_own_answers(alone):
    """The interpreter's lock is let go meanwhile, and the machine has one memory: who finds it taken goes the long way."""
    net, X = wide()
    expected = net(X)
    halves = [X[:700], X[700:1400]]
    prepared(net, halves[0])
    wrong = []

    def work(k):
        for _ in range(100):
            if net(halves[k]).tobytes() != expected[700 * k : 700 * k + 700].tobytes():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k % 2,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_other_threads_run_while_a_large_network_is_asked(alone):
    net = fnn.Network(1000, [fnn.Dense(3000, "relu"), fnn.Dense(2)])
    X = np.ones((1000, 1000), "float32")
    prepared(net, X)
    counted, asked, stop = [0], [], []

    def count():
        while not stop:
            counted[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    known = net._prepared.outputs
    for _ in range(5):
        before = counted[0]
        known(X)
        asked.append(counted[0] - before)
    stop.append(True)
    counter.join()
    assert max(asked) > 3, "a call takes some 40 ms"


def test_without_the_objects_that_it_expects_all_goes_the_long_way(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert not ask.supported()
    net, X = trained()
    first = net(X[:1])
    for _ in range(3):
        assert (net(X[:1]) == first).all() and net._prepared.outputs(X[:1]) is None


def test_many_numbers_of_rows_keep_few_machines():
    net = inception("float32")
    X = rows(net, 60)
    for n in range(1, 60):
        for _ in range(3):
            net(X[:n])
    assert len(net._prepared._known) <= 8


def test_asking_costs_little():
    """Fifteen times what is measured on an idle machine: this fails when the prepared way is lost, not when the machine is busy."""
    net = fnn.Network(8, [fnn.Dense(32, "tanh"), fnn.Dense(32, "tanh"), fnn.Dense(2)])
    x = np.zeros((1, 8), "float32")
    prepared(net, x)
    best = np.inf
    for _ in range(200):
        start = time.perf_counter()
        for _ in range(100):
            net(x)
        best = min(best, (time.perf_counter() - start) / 100)
    assert best < 10e-6
