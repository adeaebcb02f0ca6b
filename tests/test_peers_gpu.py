"""The benchmark on a GPU, tried without one: every item runs on tiny sizes, and limits, ratios and tables say what they should."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import test_peers

peers = test_peers.peers
A100 = "NVIDIA A100-SXM4-40GB"


def run(*words, folder, absent=()):
    """gpu.py in a process of its own, where the libraries in `absent` cannot be imported."""
    stubs = folder / "stubs"
    for name in absent:
        (stubs / name).mkdir(parents=True)
        (stubs / name / "__init__.py").write_text(f"raise ImportError('no {name} here')\n")
    paths = [str(stubs), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, str(test_peers.PEERS / "gpu.py"), *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_everything_runs_without_a_gpu_and_without_the_peers(tmp_path):
    out = tmp_path / "out"
    words = ["--smoke", "--device", "cpu", "--card", A100, "--folder", str(out), "--precisions", "float32"]
    done = run(*words, folder=tmp_path, absent=("torch", "jax"))
    assert done.returncode == 0, done.stderr[-3000:]
    text = (out / "results.md").read_text()
    assert "No figure below is a measurement of a GPU" in text
    assert "PyTorch eager is absent: no torch here." in text and "JAX is absent: no jax here." in text
    assert f"{A100} (the driver says nothing)" in text and "1,555 GB/s, 19.5 TFLOP/s in float32" in text
    assert "yes" not in text.split("## ")[1], "a trial reaches no aim"
    result = json.loads((out / "results.json").read_text())
    assert [row["case"] for row in result["steps"]["float32"]["rows"]] == ["2-8-2"] * 2 + ["5-7-3"] * 2
    for row in result["steps"]["float32"]["rows"]:
        assert row["entries"]["fastnn@float32"]["median_us"] > 0
        assert 0 < row["limits_us"]["float32"]["bytes"] < 1
    assert set(result["ways"]["rows"][0]["entries"]) == {
        f"fastnn@{how}" for how in ("float32", "block", "grid", "graph", "direct")
    }
    assert {row["batch"] for row in result["inference"]["float32"]["rows"]} == {1, 64}
    assert {row["batch"] for row in result["narrow"]["training"]["float32"]["rows"]} == {16, 64}
    assert result["mnist"]["runs"]["fastnn@float32"]["kept"][0]["accuracy"] > 0
    assert all(
        cell["entries"]["fastnn@float32"]["apart"] < 1e-5 for cell in result["products"]["float32"]["cells"]
    )


def test_a_later_run_of_one_item_leaves_the_others(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    kept = {"mnist": {"runs": {}, "absent": {"MNIST": "not there"}}, "about": {"card": "no GPU"}}
    (out / "results.json").write_text(json.dumps(kept))
    words = ["--smoke", "--device", "cpu", "--items", "6", "--libraries", "fastnn", "--folder", str(out)]
    done = run(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((out / "results.json").read_text())["mnist"] == kept["mnist"]
    assert "Limits: not known" in done.stdout and "MNIST: not there." in done.stdout
    drawn = run("--items", "--folder", str(out), folder=tmp_path)
    assert drawn.returncode == 0 and drawn.stdout == done.stdout, (
        "the tables of what is there, nothing measured"
    )
    other = run(*words, "--card", A100, folder=tmp_path)
    assert other.returncode == 1 and "is of another card" in other.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [(["--device", "cpu"], "add --smoke"), (["--smoke"], "name a --folder")],
)
def test_a_trial_is_never_taken_for_a_measurement(peers, words, why, capsys):
    command = peers("importlib").util.spec_from_file_location("gpu_command", test_peers.PEERS / "gpu.py")
    module = peers("importlib").util.module_from_spec(command)
    command.loader.exec_module(module)
    with pytest.raises(SystemExit):
        module.parsed(words)
    assert why in capsys.readouterr().err


def test_limits_of_a_step_are_its_bytes_and_its_operations(peers):
    limits, cases = peers("gpu.limits"), peers("cases")
    case = cases.Case((3, 5, 2), batch=7, steps=1)
    parameters, state = 3 * 5 + 5 + 5 * 2 + 2, {"sgd": 0, "adam": 2}
    for optimizer, vectors in state.items():
        moved = 2 * parameters * (1 + vectors)  # weights and state, there and back
        moved += 7 * (3 + 1)  # a row and its label, once
        moved += 7 * 2 * (5 + 5 + 2)  # a and delta of the hidden layer, delta of the last, there and back
        assert limits.bytes_of_step(case, optimizer) == 4 * moved
    card = vars(limits.known(A100))
    assert limits.microseconds(card, "float32", 1555e3, 19.5e6) == {"bytes": 1.0, "flops": 1.0}
    assert limits.microseconds(card, "bf16", 0, 312e6)["flops"] == 1.0
    assert limits.microseconds(None, "float32", 1, 1) == {}


def test_a_card_that_is_in_no_table_is_measured(peers):
    limits = peers("gpu.limits")
    assert limits.known("NVIDIA H100 PCIe").bandwidth == 2000
    assert limits.known("NVIDIA H200").bandwidth == 4800 and limits.known("NVIDIA H200 NVL").float32 == 60
    measured = {"bandwidth": 900.0, "float32": 30.0, "tf32": 60.0, "bf16": 120.0}
    found, also = limits.card("NVIDIA GeForce RTX 3090", lambda: measured)
    assert (found.bandwidth, found.tf32, also) == (900.0, 60.0, measured)
    assert limits.card("NVIDIA GeForce RTX 3090", dict) == (None, {})
    known, also = limits.card(A100, lambda: measured)
    assert known.bandwidth == 1555 and also == measured


def step_result(mine=10.0, eager=60.0, graphs=15.0):
    def entry(us):
        return {"median_us": us, "ratios": {"fastnn@float32": us / mine}, "apart": 1e-6}

    entries = {
        "fastnn@float32": entry(mine),
        "pytorch@float32": entry(eager),
        "graphs@float32": entry(graphs),
    }
    entries["jax@float32"] = {"failed": "out of memory"}
    row = {"case": "2-8-2", "batch": 4, "optimizer": "sgd", "entries": entries, "small": True}
    row["limits_us"] = {"float32": {"bytes": 0.5, "flops": 0.25}}
    return {"float32": {"rows": [row], "failed": {}, "versions": {"fastnn": "1"}, "absent": {}}}


def test_the_table_says_how_far_limits_and_aims_are(peers):
    text = peers("gpu.steps").tables(step_result())
    line = next(line for line in text.splitlines() if line.startswith("| 2-8-2"))
    assert line == (
        "| 2-8-2 | 4 | sgd | 10.0 | 60.0 | 15.0 | - | 6.00x | 1.50x | 1.50x PyTorch, CUDA graphs | 0.5 | 0.25 | 5 % |"
        " 5x eager: yes, 2x graphs: no |"
    )
    assert "JAX (float32), no figure: out of memory: 2-8-2/sgd." in text


def test_another_network_is_a_problem_and_another_rounding_is_not(peers):
    steps, result = peers("gpu.steps"), step_result()
    assert steps.wrong(result) == []
    entries = result["float32"]["rows"][0]["entries"]
    entries["graphs@float32"]["apart"] = 0.02
    assert steps.wrong(result) == ["steps, 2-8-2/sgd: the weights of graphs@float32 are 2e-02 apart"]
    tf32 = {
        "tf32": {
            **result["float32"],
            "rows": [{**result["float32"]["rows"][0], "entries": {"graphs@tf32": {"apart": 0.02}}}],
        }
    }
    assert steps.wrong(tf32) == []


class Clock:
    """A trainer whose call costs `fixed` seconds and whose epoch costs `epoch`, and the clock that it turns."""

    note = ""

    def __init__(self, fixed, epoch):
        self.fixed, self.epoch, self.now = fixed, epoch, 0.0

    def reset(self):
        self.now += 1.0  # not in any time

    def run(self, epochs):
        self.now += self.fixed + epochs * self.epoch


@pytest.mark.parametrize(("fixed", "epoch"), [(0.5, 1e-4), (0.0, 1e-5), (0.01, 2.0)])
def test_the_fixed_cost_of_a_call_is_taken_out_however_long_it_is(peers, monkeypatch, fixed, epoch):
    gpu_worker, worker, cases = peers("gpu_worker"), peers("worker"), peers("cases")
    clock = Clock(fixed, epoch)
    monkeypatch.setattr(worker.time, "perf_counter", lambda: clock.now)
    made = object.__new__(gpu_worker.GpuWorker)
    made.trainer, made.fixed_cost, made.case = clock, True, cases.Case((2, 2), 1, steps=10)
    made.calibrate(seconds=0.1)
    assert made.epochs * epoch >= max(0.1, fixed / 2) / 2
    assert made.sample()["wall_us"] == pytest.approx(1e6 * epoch / 10, rel=1e-6)


def test_the_narrow_network_is_that_of_the_published_curve(peers):
    narrow, cases = peers("gpu.narrow"), peers("cases")
    assert narrow.BATCHES == tuple(2**k for k in range(14, 22)) and len(narrow.SIZES) == 5 + 2
    assert all(set(curve) <= set(narrow.BATCHES) for curve in narrow.PUBLISHED.values())
    row = {
        "batch": 2**14,
        "entries": {"fastnn@tf32": {"median_us": 100.0}},
        "limits_us": {"tf32": {"bytes": 50.0, "flops": 10.0}},
    }
    row |= {"case": "64", "optimizer": "adam"}
    training = {"tf32": {"rows": [row], "absent": {}, "failed": {}}}
    result = {"training": training, "inference": {}}
    assert narrow.curves(result, "training") == {"fastnn@tf32": {2**14: pytest.approx(2**14 * 1e4)}}
    assert narrow.best_limit(result, "training") == {"tf32": {2**14: pytest.approx(2**14 * 2e4)}}
    text = narrow.tables(result)
    assert "RTX 3090, fp16" in text and "| tiny-cuda-nn, fp16, RTX 3090, published | 120 |" in text
    assert cases.Case(narrow.SIZES, 1, 1).flops == 2 * (3 * 6 * 4096 - 4096)


def test_crossing_points_are_read_off_one_run(peers):
    ways = peers("gpu.ways")
    times = {"block": 3.0, "grid": 5.0, "direct": 9.0}
    entries = {f"fastnn@{how}": {"median_us": us} for how, us in times.items()}
    entries |= {"fastnn@graph": {"failed": "too large"}, "fastnn@float32": {"median_us": 6.0}}
    row = {"case": "64-8-8-10", "batch": 16, "optimizer": "sgd", "entries": entries}
    text = ways.tables({"rows": [row], "failed": {}})
    assert "| 64-8-8-10 | 16 | sgd | 3.00 | 5.00 | - | 9.00 | block | 6.00 | 2.00 |" in text
    assert "No figure, graph: too large: 64-8-8-10 x 16." in text
    grid = ways.grid(Namespace(smoke=False))
    assert len({(case.sizes, case.batch) for case in grid}) == len(ways.WIDTHS) * len(ways.BATCHES)
    assert all(case.steps >= 1 for case in grid)


def test_a_product_is_compared_with_the_exact_one(peers):
    gpu_worker = peers("gpu_worker")
    made = gpu_worker.GpuWorker("fastnn", {"library": "fastnn", "device": "cpu"})
    for product in ("forward", "backward", "gradient"):
        assert made.product(product, 33)["apart"] < 1e-6
        assert made.speed(1e-4)["gflops"] > 0
    wrong = {
        "float32": {"cells": [{"product": "forward", "n": 8, "entries": {"fastnn@float32": {"apart": 1e-3}}}]}
    }
    assert peers("gpu.products").wrong(wrong) == ["forward 8: fastnn@float32 is 1e-03 from the exact product"]


def test_noise_stands_in_for_mnist_in_a_trial(peers, tmp_path):
    peers("gpu.mnist").drawn(Path(tmp_path))
    assert np.load(tmp_path / "train_X.npy").shape == (300, 784)
    assert np.load(tmp_path / "test_y.npy").shape == (100,)
