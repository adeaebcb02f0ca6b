"""warmup: afterwards nothing is left to compile, whatever the network, the loss and the rule."""

import subprocess
import sys

import numpy as np
import pytest

import fastnn as fnn
from fastnn import activations, losses
from fastnn.compile import listeners
from fastnn.cuda import missing
from fastnn.errors import MissingExtraError, SettingError
from fastnn.ops import LossOp
from fastnn.ops.update import update_kernel
from fastnn.plan import build_plan
from fastnn.warmup import cuda_kernels, require_capabilities, warmup, warmup_cuda

ACTIVATIONS, LOSSES = dir(activations), dir(losses)
RULES = [name for name in fnn.registry.names("optimizer") if name != "newton"]


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What the other tests need too is compiled here once, and kept in the cache folder."""
    warmup(("float32",))


@pytest.fixture
def compiled():
    """Names of the units that are compiled during the test."""
    names = []

    def heard(name, seconds):
        if seconds is not None:
            names.append(name)

    listeners.append(heard)
    yield names
    listeners.remove(heard)


def test_twice_compiles_nothing():
    assert warmup() == 0


def random_network(rng, n_in, n_out):
    """Dense, activation, dropout, add and concatenate on nodes that may have several readers."""
    net = fnn.Network(n_in, seed=int(rng.integers(1000)))
    nodes = [net.input]
    for number in range(rng.integers(1, 9)):
        a, b = (nodes[k] for k in rng.integers(max(0, len(nodes) - 3), len(nodes), 2))
        activation = str(rng.choice(ACTIVATIONS))
        match rng.integers(6):
            case 0 | 1:
                node = net.apply(str(number), fnn.Dense(int(rng.integers(1, 6)), activation), a)
            case 2:
                node = net.apply(str(number), fnn.layers.Activation(activation), a)
            case 3:
                node = net.apply(str(number), fnn.Dropout(0.3), a)
            case 4 if a.shape == b.shape:
                node = net.apply(str(number), fnn.Add(), a, b)
            case _:
                node = net.apply(str(number), fnn.Concatenate(), a, b)
        nodes.append(node)
    net.output = net.apply("output", fnn.Dense(n_out, str(rng.choice(["identity", *ACTIVATIONS]))), nodes[-1])
    return net


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_find_everything_compiled(seed, compiled):
    rng = np.random.default_rng(seed)
    loss = fnn.registry.get("loss", str(rng.choice(LOSSES)))
    n, n_out = (
        int(rng.integers(3, 20)),
        int(rng.integers(1, 4)) if loss.name not in ("hinge", "perceptron") else 2,
    )
    net = random_network(rng, 4, n_out)
    X = rng.normal(size=(n, 4))
    if loss.index is not None and (loss.row is None or rng.random() < 0.5):
        y = rng.integers(0, max(n_out, 2), n)
        y[: max(n_out, 2)] = np.arange(max(n_out, 2))
    else:
        y = rng.random((n, n_out))
        y = (
            np.where(y < 0.5, -1.0, 1.0)
            if loss.name in ("hinge", "perceptron")
            else y / y.sum(axis=1, keepdims=True)
        )
    net.fit(
        X, y, loss=loss, optimizer=str(rng.choice(RULES)), eta=1e-4, epochs=1, batch_size=int(rng.integers(1, n + 1)),
        sample_weight=rng.random(n) + 0.1 if rng.random() < 0.5 else None, validation=(X, y), verbose=False,
    )  # fmt: skip
    net.predict(X)
    net.evaluate(X, y)
    try:
        net.objective(X, y).hvp(net.theta, np.ones_like(net.theta))
    except fnn.CapabilityError:
        pass
    assert compiled == []


SECOND_PROCESS = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from fastnn.cli import main
    try:
        main(["fit", "digits", "--epochs", "1", "--out", "digits.safetensors"])
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
print("compiled", len(recorder.buffer))
"""


def test_the_example_of_the_readme_compiles_nothing(tmp_path):
    subprocess.run([sys.executable, "-m", "fastnn", "warmup"], capture_output=True, check=True)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SECOND_PROCESS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "compiled 0", done.stdout + done.stderr


LACKING = missing()
on_cuda = pytest.mark.skipif(LACKING is not None, reason=f"no kernel was compiled for CUDA: {LACKING}")
LARGE = [((784, 1024, 10), 256), ((512, 512, 512, 512), 512), ((2000, 3000, 2000), 64), ((20, 300, 1), 4096)]
"""Sizes of layers, and of the batch: with these, products get every tile, whole and split."""


def launched(net, batch, rule):
    """Texts of the kernels that a GPU launches to train this network, to evaluate it and to predict."""
    from fastnn.cuda.lower import stages_of
    from fastnn.cuda.tile import REAL
    from fastnn.cuda.unit import launch_text

    kernel = update_kernel(fnn.registry.get("optimizer", rule))
    loss = LossOp(fnn.registry.get("loss", "squared_error"), "row")
    update = (kernel, dict.fromkeys(kernel.reals, 0.5))
    modes = {
        "gradient": {"loss": loss, "training": True, "gather": True, "update": update},
        "value": {"loss": loss},
        "infer": {},
    }
    for mode, options in modes.items():
        plan = build_plan(net.graph, batch, net.dtype, mode, team=False, **options)
        yield from ((launch_text(stage.text, net.dtype), stage) for stage in stages_of(plan, REAL))


@on_cuda
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [None, 0.2])
def test_a_large_network_on_a_gpu_finds_all_that_it_launches(dtype, rate):
    found = set(cuda_kernels(dtype))
    for activation in ACTIVATIONS:
        for number, (sizes, batch) in enumerate(LARGE):
            dropout = [] if rate is None else [fnn.Dropout(rate)]
            layers = [layer for n in sizes[1:-1] for layer in (fnn.Dense(n, activation), *dropout)]
            net = fnn.Network(sizes[0], [*layers, fnn.Dense(sizes[-1])], dtype=dtype)
            for text, stage in launched(net, batch, RULES[number % len(RULES)]):
                assert (text, stage.text.name) in found, f"{sizes}, {activation}: {stage.node}"


@on_cuda
def test_what_is_compiled_ahead_is_what_a_gpu_looks_for(tmp_path, monkeypatch):
    """The files that `image` would look for, and nothing is compiled a second time: neither now, nor by a process that begins with these files."""
    from fastnn.cuda import compiler

    some = cuda_kernels("float32")[:3]
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(compiler, "read_folders", lambda: [tmp_path])
    monkeypatch.setattr("fastnn.warmup.cuda_kernels", lambda dtype: some)
    monkeypatch.setattr(compiler, "_images", {})
    heard = []
    assert warmup_cuda([(9, 0)], progress=lambda name, seconds: heard.append(name)) == len(some)
    assert heard == [f"{name} (CUDA)" for _, name in some]
    kept = sorted(path.name for path in tmp_path.rglob("*.cubin"))
    assert len(kept) == len(some)
    assert warmup_cuda([(9, 0)]) == 0
    compiler._images.clear()  # as in another process
    for text, name in some:
        compiler.image(text, (9, 0), name)
    assert warmup_cuda([(9, 0)]) == 0
    assert sorted(path.name for path in tmp_path.rglob("*.cubin")) == kept


def test_without_numba_cuda_nothing_is_compiled_for_a_gpu(monkeypatch):
    monkeypatch.setattr("fastnn.cuda.compiler.missing", lambda: "numba-cuda is not installed")
    with pytest.raises(MissingExtraError, match=r"numba-cuda is not installed[^$]*fastnn\[cuda\]"):
        warmup_cuda([(9, 0)])


@on_cuda
def test_a_compute_capability_that_there_is_not_is_refused():
    with pytest.raises(SettingError, match=r"got +31[^$]*80, .*90"):
        require_capabilities([(3, 1)])


@pytest.mark.parametrize("words", ["8.0", "ninety", "", "80,", "80;90", "8", "-80", "08"])
def test_what_is_no_compute_capability_is_refused(words):
    from click.testing import CliRunner

    from fastnn.cli.warmup import command

    done = CliRunner().invoke(command, ["--cuda", words])
    assert done.exit_code == 2
    assert "expected two or three digits each, with commas between them, as 80,90" in " ".join(
        done.output.split()
    )


def test_compute_capabilities_are_read_without_their_dot():
    from fastnn.cli.warmup import capabilities

    assert capabilities(None, None, "80, 90,120,80") == ((8, 0), (9, 0), (12, 0))
    assert capabilities(None, None, None) == ()
