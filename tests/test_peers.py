"""The benchmark beside the peers: what its tables say about given measurements, and that its own mathematics is right."""

import importlib
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

PEERS = Path(__file__).parent.parent / "benchmarks" / "peers"


@pytest.fixture(scope="module")
def peers():
    """Imports a module of the benchmark, whose folder has names of its own (`cases` is one of the tests' too)."""
    own = {path.stem for path in PEERS.iterdir()}
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in own}
    sys.path.insert(0, str(PEERS))
    yield importlib.import_module
    sys.path.remove(str(PEERS))
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]
    sys.modules.update(kept)


def entry(us, one, auto, **more):
    return {
        "median_us": us,
        "ratios": {"fastnn@1": us / one, "fastnn@2": us / auto, "fastnn@auto": us / auto},
        **more,
    }


def steps_result():
    entries = {
        "fastnn@1": entry(10.0, 10, 5), "fastnn@2": entry(5.0, 10, 5), "fastnn@auto": entry(5.0, 10, 5),
        "jax@1": entry(15.0, 10, 5), "jax@2": entry(20.0, 10, 5),
        "sklearn@1": entry(123.4, 10, 5, note="other"), "sklearn@2": {"failed": "no compiler"},
    }  # fmt: skip
    row = {"case": "2-8-2", "batch": 1000, "optimizer": "sgd", "entries": entries}
    about = {
        "cpu": "C",
        "cores": 2,
        "system": "S",
        "python": "3",
        "commit": "abc",
        "date": "today",
        "load_before": 0.0,
    }
    versions = {"fastnn": "1", "jax": "2", "sklearn": "3"}
    return {
        "about": about,
        "versions": versions,
        "absent": {"pytorch": "No module"},
        "threads": 2,
        "rounds": 3,
        "rows": [row],
    }


def test_the_last_column_names_the_fastest_peer_at_its_best_number_of_threads(peers):
    text = peers("items.steps").tables(steps_result())
    one, everything = (line for line in text.splitlines() if line.startswith("| 2-8-2"))
    assert one == "| 2-8-2 | 1,000 | sgd | 10.0 | 15.0 | 123\\* | 1.50x JAX |"
    # two threads allowed: JAX is faster with one of them, 15 us over fastnn's 5
    assert everything == "| 2-8-2 | 1,000 | sgd | 5.00 | 20.0 | - | 2.00x | 3.00x JAX |"
    assert "PyTorch is absent: No module." in text
    assert "scikit-learn has no figure for 2-8-2: no compiler." in text
    assert "\\* scikit-learn: other." in text


def test_weights_that_are_apart_are_told(peers):
    steps, result = peers("items.steps"), steps_result()
    result["rows"][0]["entries"]["jax@2"]["apart"] = 0.02
    assert steps.wrong(result) == ["2-8-2/sgd: jax@2"]
    start = np.zeros(2)
    assert steps.apart(np.array([3.0, 4.5]), np.array([3.0, 4.0]), start) == pytest.approx(0.1)


def test_a_ratio_is_the_median_of_the_rounds_ratios(peers):
    samples = {"fastnn@1": [1.0, 2.0, 10.0], "jax@1": [2.0, 6.0, 20.0]}
    taken = {key: [{"wall_us": us} for us in each] for key, each in samples.items()}
    assert peers("items.steps").ratios(taken, "jax@1") == {"fastnn@1": 2.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.434, "1.43"), (9.996, "10.0"), (99.96, "100"), (12345.6, "12,346"), (None, "-"), (float("nan"), "-")],
)
def test_figures_have_three_digits(peers, value, text):
    assert peers("tables").digits(value) == text


def test_only_what_lies_between_the_markers_is_replaced(peers):
    report = peers("report")
    text = f"before\n{report.START}\nold\n{report.END}\nafter\n"
    assert report.between_markers(text, "new") == f"before\n{report.START}\nnew\n{report.END}\nafter\n"
    with pytest.raises(SystemExit, match="needs one"):
        report.between_markers("no markers", "new")


def test_the_file_in_the_repository_has_no_single_samples(peers):
    given = {"rows": [{"wall_us": [1.0, 2.0], "median_us": 1.23456}]}
    assert peers("report").without_samples(given) == {"rows": [{"median_us": 1.235}]}


def test_extras_are_not_counted_as_installed(peers):
    required = peers("installed").required
    assert required("numpy>=2.0") == "numpy"
    assert required('Foo_Bar.x[a] (>=1) ; python_version > "3"') == "foo-bar-x"
    assert required('nvidia-ml-py; extra == "gpu"') is None


def test_the_targets_are_matrix_exponentials(peers):
    X = np.random.default_rng(0).standard_normal((50, 4), dtype=np.float32)
    right = [scipy.linalg.expm(x.reshape(2, 2).astype(float)).ravel() for x in X]
    assert peers("cases").exponentials(X) == pytest.approx(np.array(right), rel=1e-5, abs=1e-5)


def test_the_peer_in_numpy_has_the_gradients_of_fastnn(peers):
    """Its gradients are written by hand; JAX and torch.compile use the same formulas."""
    cases, ours = peers("cases"), peers("adapters.fastnn_adapter")
    theirs = peers("adapters.numpy_adapter")
    for sizes, more in (
        ((3, 5, 4, 2), {}),
        ((4, 6, 3, 4), {"hidden": "tanh", "loss": "squared_error"}),
    ):
        case = cases.Case(sizes, 7, 3, **more)
        for optimizer in ("sgd", "adam", "adagrad"):
            problem = cases.problem(case, optimizer)
            trained = []
            for adapter in (ours, theirs):
                trainer = adapter.Trainer(problem, 1)
                trainer.run(2)
                trained.append(trainer.theta())
            assert trained[0] == pytest.approx(trained[1], rel=1e-4, abs=1e-5)
            assert not np.allclose(trained[0], cases.flat(problem.layers), atol=1e-4)


def test_the_work_of_a_step_is_counted_in_three_products_less_one(peers):
    case = peers("cases").Case((5, 3, 2), 4, 1)
    weights = [a * b for a, b in pairwise(case.sizes)]
    assert case.flops == 2 * 4 * (2 * weights[0] + 3 * weights[1])


def test_products_agree_with_blas(peers):
    gflops = peers("gflops")
    for product in gflops.PRODUCTS:
        cell = gflops.measure(product, 5, 7, 1e-4)
        assert cell["apart"] < 1e-5
        assert cell["fastnn"] > 0 and cell["blas"] > 0


def test_a_convolution_counts_one_multiplication_for_each_weight_and_pixel(peers):
    layer = peers("images").Layer(3, 64, 224, kernel=7, stride=2, batch=2)
    a, W, _, delta = layer.arrays()
    assert delta.shape == (2, 64, 112, 112)
    assert layer.flops == 2 * delta.size * W[0].size
    assert layer.bytes == a.nbytes + W.nbytes + delta.nbytes
    assert layer.name == "3 to 64, 7x7 / 2, 224x224"


def test_the_layers_that_are_timed_give_the_convolutions_products(peers):
    """One product by Winograd's filtering, which is two instructions, and one by plain tiles."""
    images, ours = peers("images"), peers("adapters.fastnn_images")
    for layer in (images.Layer(24, 24, 16, batch=4), images.Layer(5, 7, 6, kernel=1, stride=2, batch=3)):
        a, W, b, delta = (x.astype(float) for x in layer.arrays())
        call = ours.layer(layer, 2)
        pad, n, s = layer.padding, layer.out, layer.stride
        padded = np.pad(a, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        da, expected, g = np.zeros_like(padded), np.zeros_like(delta) + b[:, None, None], np.zeros_like(W)
        for p, q in np.ndindex(W.shape[2:]):
            here = np.s_[:, :, p : p + (n - 1) * s + 1 : s, q : q + (n - 1) * s + 1 : s]
            expected += np.einsum("jk,skuv->sjuv", W[:, :, p, q], padded[here])
            da[here] += np.einsum("jk,sjuv->skuv", W[:, :, p, q], delta)
            g[:, :, p, q] = np.einsum("sjuv,skuv->jk", delta, padded[here])
        da = da[:, :, pad : pad + layer.size, pad : pad + layer.size]
        for name, right in (("forward", expected), ("backward", da), ("gradient", g)):
            assert call[name]() == pytest.approx(right, rel=1e-4, abs=1e-4 * abs(right).max()), name


def test_the_first_weights_of_lenet_are_those_of_fastnns_network(peers):
    weights, net = peers("images").lenet_weights(), peers("adapters.fastnn_images").zoo.lenet()
    assert [view.shape for view in net.parameters.values()] == [w.shape for w in weights]
    X, y = peers("images").digits(8)
    trainer = peers("adapters.fastnn_images").LeNet(X, y, 4, 1)
    trainer.run(1)
    trained = trainer.theta()
    trainer.reset()
    start = np.concatenate([w.ravel() for w in weights])
    assert (trainer.theta() == start).all()
    assert 0 < abs(trained - start).max() < 0.01  # two steps of Adam with eta 0.001


def images_result(**more):
    about = {**steps_result()["about"]}
    versions = {"fastnn": "1", "pytorch": "2"}
    return {"about": about, "rounds": 3, "versions": versions, "absent": {}, "peaks": {"1": 100.0}, **more}


def test_a_layer_is_shown_beside_the_limit_with_the_median_of_the_rounds_ratios(peers):
    convolutions = peers("items.convolutions")
    both = {
        "fastnn@1": {"us": 10.0, "each": [10.0, 20.0, 10.0], "gflops": 50.0, "apart": 1e-6, "way": "forward"},
        "pytorch@1": {"us": 20.0, "each": [20.0, 60.0, 5.0], "gflops": 25.0, "apart": 0.0, "way": "forward"},
    }
    row = {
        "layer": "L",
        "batch": 8,
        "products": dict.fromkeys(("forward", "backward", "gradient"), both),
        "failed": {},
    }
    result = images_result(threads=[1], rows=[row])
    line = next(line for line in convolutions.tables(result).splitlines() if line.startswith("| L"))
    speeds = " | ".join(["50.0"] * 3 + ["25.0"] * 3)
    assert line == f"| L | 8 | {speeds} | 100 | 2.00x | 2.00x | 2.00x |"
    assert convolutions.wrong(result) == []
    both["fastnn@1"]["apart"] = 0.5
    assert len(convolutions.wrong(result)) == 3


def test_ten_epochs_of_lenet_are_reckoned_from_a_sample(peers):
    lenet = peers("items.lenet")
    entries = {
        "fastnn@1": {"us": 10.0, "each": [10.0], "apart": 0.0},
        "pytorch@1": {"us": 50.0, "each": [50.0], "apart": 0.2},
        "compiled@1": {"failed": "no compiler"},
    }
    result = images_result(threads=1, images=4096, rows=[{"batch": 64, "entries": entries}])
    text = lenet.tables(result)
    line = next(line for line in text.splitlines() if line.startswith("| batch 64"))
    assert line == f"| batch 64 | 1 | 10.0 | 50.0 | {lenet.FLOPS / 1e5:.1f} | 5.00x | 6.00 |"
    assert "compiled@1: no compiler" in text
    assert lenet.wrong(result) == ["lenet, batch 64: pytorch@1 is 2e-01 from fastnn"]


def test_memory_is_what_was_resident_at_most_less_what_was_before(peers):
    resnet, gib = peers("items.resnet"), 2**30
    run = {"before": gib, "peak": 3 * gib, "losses": [2.0, 1.0], "seconds": 1.0}
    other = {**run, "peak": 2 * gib}
    latency = {
        "fastnn@1 net(X)": {"ms": 10.0, "each": [10.0, 10.0], "apart": 0.0},
        "pytorch@1 eager": {"ms": 30.0, "each": [30.0, 30.0], "apart": 0.0},
        "pytorch@1 channels_last": {"ms": 20.0, "each": [20.0, 20.0], "apart": 0.0},
    }
    result = images_result(
        threads=[1], latency=latency, failed={}, memory={"fastnn": run, "pytorch": other},
        deep={"fastnn": run},
    )  # fmt: skip
    text = resnet.tables(result)
    assert "| 1 | 10.0 | 20.0 | 81.8 | 2.00x |" in text
    assert "| ResNet-50 | 8 | 2.00 | 1.00 | 0.29 | 2.00 |" in text
    assert resnet.wrong(result) == []
    result["deep"]["fastnn"] = {**run, "losses": [1.0, 2.0], "peak": 13 * gib}
    assert [problem.partition(":")[0] for problem in resnet.wrong(result)] == ["resnet, deep", "resnet"]
