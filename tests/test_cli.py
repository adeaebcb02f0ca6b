"""The command line as a user meets it: what it prints where, which files it leaves, which exit code it ends with."""

import json
import os
import re
import signal
import subprocess
import sys
import types

import numpy as np
import pytest

import fastnn as fnn
from fastnn import cli, datasets, progress
from fastnn.cli import COMMANDS, doctor, main
from fastnn.compile import cache_folder, listeners


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run one command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(line):
        code = main(line.split())
        out, err = capsys.readouterr()
        return code, out, err

    return run


def flowers(path, n=200):
    random = np.random.default_rng(0)
    lines = ["id,length,colour,species"]
    for i in range(n):
        species = "tulip" if i % 2 else "rose"
        length = random.normal(5 if i % 2 else 1, 0.3)
        lines.append(f"f{i},{length:.3f},{random.choice(['red', 'blue'])},{species}")
    path.write_text("\n".join(lines))


def test_fit_digits_trains_judges_and_leaves_model_and_picture(run, tmp_path):
    pytest.importorskip("matplotlib")
    code, out, err = run("fit digits --out m.safetensors --plot curve.png")
    assert code == 0
    accuracy = float(re.search(r"held out +accuracy ([\d.]+) %", out)[1])
    assert accuracy >= 97
    assert "1,438 to train on, 359 held out" in out and "64 -> 128 relu -> 10" in out
    table = out[out.index("true \\ said") :].splitlines()
    rows = [line.split() for line in table[1:11]]
    assert [row[0] for row in rows] == list("0123456789")
    counts = [[int(cell) if cell != "·" else 0 for cell in row[1:11]] for row in rows]
    assert np.sum(counts) == 359 and np.trace(counts) == round(359 * accuracy / 100)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    net = fnn.load(tmp_path / "m.safetensors")
    assert net.classes.tolist() == list(range(10)) and net.scaler.kind == "standardise"
    assert len(net.features) == 64
    assert "epoch" in err and "epoch" not in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out + err)


def test_evaluate_of_the_held_out_part_agrees_with_fit(run):
    _, fitted, _ = run("fit digits --epochs 3 --seed 5 --validation 0.3 --quiet --out m.safetensors")
    code, judged, _ = run("evaluate m.safetensors digits --validation 0.3 --seed 5")
    accuracy = r"accuracy ([\d.]+ % \(\d+ of 539\))"
    assert code == 0 and re.search(accuracy, fitted)[1] == re.search(accuracy, judged)[1]
    assert fitted[fitted.index("true") : fitted.index("written")] == judged[judged.index("true") :]
    _, figures, _ = run("evaluate m.safetensors digits --validation 0.3 --seed 5 --json")
    figures = json.loads(figures)
    assert figures["samples"] == 539 and f"accuracy {100 * figures['accuracy']:.1f} %" in judged


def test_the_same_seed_gives_the_same_file(run, tmp_path):
    for name in "ab":
        run(f"fit iris --epochs 2 --seed 3 --quiet --out {name}")
    run("fit iris --epochs 2 --seed 4 --quiet --out c")
    first, again, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == again != other


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "hinge"])
def test_a_csv_file_from_fit_to_predict(run, tmp_path, loss):
    flowers(tmp_path / "f.csv")
    code, out, _ = run(f"fit f.csv --target species --drop id --loss {loss} --quiet --out m.safetensors")
    assert code == 0 and "classification: target 'species': 2 different words" in out
    assert float(re.search(r"accuracy ([\d.]+) %", out)[1]) == 100
    (tmp_path / "new.csv").write_text("note,colour,length\nx,red,5.1\ny,blue,0.9\nz,blue,4.8\n")
    code, out, _ = run("predict m.safetensors new.csv")
    rows = [line.split(",") for line in out.splitlines()]
    assert code == 0 and [row[0] for row in rows] == ["prediction", "tulip", "rose", "tulip"]
    assert rows[0][1:] == ([] if loss == "hinge" else ["probability"])
    code, out, _ = run("evaluate m.safetensors f.csv --target species")
    assert code == 0 and "accuracy 100.0 % (200 of 200)" in out


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_probabilities_of_all_classes_add_up_to_one(run, tmp_path, loss):
    flowers(tmp_path / "f.csv")
    run(f"fit f.csv --target species --drop id --loss {loss} --epochs 2 --quiet --out m.safetensors")
    code, out, _ = run("predict m.safetensors f.csv --probabilities --out p.csv")
    assert code == 0 and out == ""
    rows = [line.split(",") for line in (tmp_path / "p.csv").read_text().splitlines()]
    assert rows[0] == ["prediction", "p_rose", "p_tulip"] and len(rows) == 201
    p = np.array([row[1:] for row in rows[1:]], float)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-6)
    assert [row[0] for row in rows[1:]] == [["rose", "tulip"][i] for i in p.argmax(axis=1)]


def test_a_regression_predicts_in_the_target_s_own_units(run, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    y = 1e5 + 3e4 * x[:, 0] - 1e4 * x[:, 1]
    np.savetxt(tmp_path / "t.csv", np.column_stack([x, y]), delimiter=",", header="a,b,price", comments="")
    code, out, _ = run("fit t.csv --target price --layers none --eta 0.01 --quiet --out m.safetensors")
    assert code == 0 and "300 different numbers" in out and "2 -> 1:" in out
    assert float(re.search(r"R² ([\d.]+)", out)[1]) > 0.999
    code, out, _ = run("predict m.safetensors t.csv")
    said = np.array(out.splitlines()[1:], float)
    assert out.startswith("prediction\n") and np.abs(said - y).max() < 1000
    net = fnn.load(tmp_path / "m.safetensors")
    assert np.array_equal(said.astype("float32"), net.predict(x)[:, 0])


def test_patience_stops_and_keeps_the_best_epoch(run, tmp_path):
    code, out, err = run("fit diabetes --epochs 5000 --patience 3 --out m.safetensors")
    assert code == 0 and "(early stopping)" in err and "held out (and chosen by)" in out
    judged = run("evaluate m.safetensors diabetes --validation 0.2")[1]
    assert re.search(r"R² [\d.]+", out)[0] == re.search(r"R² [\d.]+", judged)[0]
    code, _, err = run("fit diabetes --patience 3 --validation 0")
    assert code == 2 and "--validation is 0" in err


@pytest.mark.parametrize(("data", "epochs"), [("iris", 750), ("digits", 67), ("iris --batch-size 1", 25)])
def test_small_data_gets_more_epochs_unless_told(run, data, epochs):
    assert f"{epochs} epochs in" in run(f"fit {data}")[2]


def test_nothing_held_out_is_judged_on_the_training_samples(run):
    code, out, err = run("fit iris --validation 0 --epochs 2")
    assert (
        code == 0
        and "150 to train on, 0 held out" in out
        and re.search(r"^training +accuracy", out, re.MULTILINE)
    )
    assert "validation" not in err


def test_features_far_from_zero_are_scaled_before_they_are_rounded(run, tmp_path):
    seconds = 1_700_000_000 + np.arange(200)  # in float32 they would all be one of two numbers
    lines = ["time,y", *(f"{t},{'late' if i >= 100 else 'early'}" for i, t in enumerate(seconds))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    run("fit t.csv --target y --quiet --out m.safetensors")
    out = run("evaluate m.safetensors t.csv --target y")[1]
    assert float(re.search(r"accuracy ([\d.]+)", out)[1]) > 98


def test_whole_numbers_as_classes_keep_their_order_and_type(run, tmp_path):
    x = np.arange(120) % 3
    lines = ["x,y", *(f"{k + 0.01 * i},{[9, 10, 100][k]}" for i, k in enumerate(x))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    code, out, _ = run("fit t.csv --target y --quiet --out m.safetensors")
    assert code == 0 and re.search(r"true \\ said +9 +10 +100", out)
    assert fnn.load(tmp_path / "m.safetensors").classes.tolist() == [9, 10, 100]
    code, out, _ = run("evaluate m.safetensors t.csv --target y")
    assert (
        code == 0 and "(120 of 120)" not in out[:0] and set(run("predict m.safetensors t.csv")[1].split()[1:])
    )


def test_a_network_trained_on_arrays_is_judged_and_asked_too(run, tmp_path):
    iris = datasets.load("iris")
    net = fnn.Network(4, [fnn.Dense(8, "tanh"), fnn.Dense(3)])
    net.fit(iris.X, iris.y, epochs=5, verbose=False)
    net.save(tmp_path / "m.safetensors")
    code, out, _ = run("evaluate m.safetensors iris --json")
    assert code == 0 and json.loads(out)["accuracy"] == net.evaluate(iris.X, iris.y)["accuracy"]
    code, out, _ = run("predict m.safetensors iris")
    assert [int(line.split(",")[0]) for line in out.splitlines()[1:]] == net.predict_classes(iris.X).tolist()
    np.savetxt(tmp_path / "t.csv", iris.X, delimiter=",", header="a,b,c,d", comments="")
    assert run("predict m.safetensors t.csv")[1] == out


def test_settings_reach_the_optimizer(run, monkeypatch):
    seen = {}

    def fit(self, X, y, **options):
        seen.update(options)
        raise fnn.SettingError("enough")

    monkeypatch.setattr(fnn.Network, "fit", fit)
    line = "fit iris --optimizer sgd --eta 0.5 --set momentum=0.25 --set nesterov=true --scale min_max --threads 1"
    code, _, err = run(f"{line} --epochs 7 --batch-size 9 --seed 11")
    assert code == 2 and "enough" in err
    settings = seen["optimizer"].settings
    assert (settings["eta"], settings["momentum"], settings["nesterov"]) == (0.5, 0.25, True)
    expected = {"epochs": 7, "batch_size": 9, "seed": 11, "scale": "min_max", "threads": 1}
    assert expected.items() <= seen.items()


MISTAKES = [
    ("fit digit", "did you mean 'digits'"),
    ("fit nothere.csv --target x", "there is no file nothere.csv"),
    ("fit f.csv", "--target, one of: id, length, colour, species"),
    ("fit f.csv --target specie", "did you mean 'species'"),
    ("fit f.csv --target species", "column 'id' holds 200 different words"),
    ("fit f.csv --target species --drop ids", "did you mean 'id'"),
    ("fit digits --target x", "for files"),
    ("fit digits --layers 12,x", "list of widths"),
    ("fit digits --layers 0", "list of widths"),
    ("fit digits --layrs 12", "--layers"),
    ("fit digits --epochs 0", "--epochs"),
    ("fit digits --validation 1", "--validation"),
    ("fit digits --activation rel", "did you mean 'relu'"),
    ("fit digits --optimizer adagrd", "did you mean 'adagrad'"),
    ("fit digits --loss cross_entropi", "did you mean 'cross_entropy'"),
    ("fit digits --set momentum", "momentum=0.9"),
    ("fit digits --set momentum=0.9", "no setting 'momentum'"),
    ("fit digits --loss squared_error", "not for a classification"),
    ("fit diabetes --loss cross_entropy", "not for a regression"),
    ("fit digits --out no/where.safetensors", "there is no folder"),
    ("fit digits --plot curve.xyz", ".png, .svg or .pdf"),
    ("fit digits --out .", "is a folder"),
    ("fit digits --optimizer sgd --eta 1e30 --scale none --epochs 1 --quiet", "a smaller eta"),
    ("predict f.csv f.csv", "not a safetensors file"),
    ("predict nothere f.csv", "nothere: No such file"),
    ("evaluate nothere f.csv", "nothere: No such file"),
    ("summary f.csv", "not a safetensors file"),
    ("plugins --kind optimiser", "did you mean 'optimizer'"),
    ("ft digits", "did you mean 'fit'"),
    ("fit", "Missing argument 'DATA'"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_clear_sentence_and_exit_code_2(run, tmp_path, line, message):
    flowers(tmp_path / "f.csv")
    code, _, err = run(line)
    assert code == 2
    lines = err.splitlines()
    assert lines[0].startswith("error: ") and "Traceback" not in err and message in err
    assert all(re.match(r"  (got|expected|try) ", text) for text in lines[1:]), err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.csv"]


def test_mistakes_about_data_that_a_model_does_not_fit(run, tmp_path):
    flowers(tmp_path / "f.csv")
    run("fit f.csv --target species --drop id --epochs 1 --quiet --out m.safetensors")
    for line, message in [
        ("evaluate m.safetensors iris", "does not fit the data set 'iris'"),
        ("evaluate m.safetensors f.csv", "which column of f.csv has the answers"),
        ("evaluate m.safetensors f.csv --target colour", "a class that the network does not know"),
        ("predict m.safetensors g.csv", "lacks the column 'length'"),
    ]:
        (tmp_path / "g.csv").write_text("colour\nred\nred\n")
        code, out, err = run(line)
        assert code == 2 and out == "" and err.startswith("error: ") and message in err


def test_paths_are_checked_before_anything_is_trained(run, monkeypatch):
    def fit(*_, **__):
        raise AssertionError("trained first")

    monkeypatch.setattr(fnn.Network, "fit", fit)
    for line in ("fit digits --out no/where", "fit digits --plot a.xyz", "fit digits --loss hing"):
        assert run(line)[0] == 2


def test_a_picture_without_matplotlib_is_refused_before_training(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(fnn.Network, "fit", None)
    code, _, err = run("fit digits --plot curve.png")
    assert code == 2 and 'pip install "fastnn[plot]"' in err


def test_ctrl_c_keeps_the_model(run, tmp_path, monkeypatch):
    after = progress.Progress.epoch_end

    def epoch_end(self, row):
        after(self, row)
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Progress, "epoch_end", epoch_end)
    code, out, err = run("fit digits --epochs 100000 --out m.safetensors")
    assert code == 130 and "stopped at epoch 3 of 100000 (interrupted)" in err
    assert "the network as it was is in m.safetensors" in err and "held out" in out
    assert fnn.load(tmp_path / "m.safetensors").theta.any()
    code, _, err = run("fit digits --epochs 100000")
    assert code == 130 and "nothing was kept" in err


def test_ctrl_c_elsewhere_is_no_traceback(run, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load", stop)
    code, _, err = run("fit digits")
    assert code == 130 and err.strip() == "error: interrupted"


def test_bugs_show_their_traceback(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(datasets, "load", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        run("fit digits")


def test_summary_shows_layers_and_what_the_model_takes(run):
    run("fit iris --epochs 1 --quiet --out m.safetensors")
    code, out, _ = run("summary m.safetensors")
    assert code == 0 and re.search(r"0 +Dense .* 640 ", out)
    for line in (r"loss +cross_entropy", r"scaling +standardise", r"classes +setosa, versicolor, virginica"):
        assert re.search(line, out)
    assert "features" in out and "sepal_length" in out


def test_plugins_lists_every_registered_name(run):
    code, out, _ = run("plugins")
    assert code == 0 and re.search(r"adagrad +fastnn +\d", out) and re.search(r"silu", out)
    code, out, _ = run("plugins --json")
    listed = json.loads(out)
    assert {"kind": "optimizer", "name": "adam", "aliases": [], "distribution": "fastnn"}.items() <= next(
        row for row in listed["plugins"] if row["name"] == "adam"
    ).items()
    assert len(listed["plugins"]) == len(fnn.registry.entries()) and isinstance(listed["problems"], list)
    code, out, _ = run("plugins --kind losses --json")
    assert {row["kind"] for row in json.loads(out)["plugins"]} == {"loss"}


def test_problems_of_plugins_are_told_and_the_rest_is_listed(run, monkeypatch):
    monkeypatch.setattr(type(fnn.registry), "problems", lambda self: ["distribution 'x' is broken"])
    code, out, err = run("plugins")
    assert code == 0 and "adagrad" in out and err == "problem: distribution 'x' is broken\n"


def test_doctor_says_what_there_is(run):
    code, out, err = run("doctor")
    assert code == 0 and err == ""
    for name in ("fastnn", "packages", "extras", "processor", "threads", "cache", "plugins", "CUDA"):
        assert re.search(rf"^{name} +\S", out, re.MULTILINE)
    assert f"numpy {np.__version__}" in out and "cannot tell" not in out
    code, out, _ = run("doctor --json")
    assert code == 0 and "writable" in json.loads(out)["cache"]


def test_doctor_never_crashes(run, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("broken here")

    for look in ("_version", "_extras", "_processor", "_threads", "_cache", "_plugins", "_cuda"):
        monkeypatch.setattr(doctor, look, broken)
    code, out, _ = run("doctor")
    assert code == 0 and out.count("cannot tell: RuntimeError: broken here") == 8
    monkeypatch.setitem(sys.modules, "rich.table", None)
    code, out, _ = run("doctor")
    assert code == 0 and out.count("cannot tell") == 8


def test_doctor_gives_the_reason_why_there_is_no_gpu(run, monkeypatch):
    import ctypes

    class Driver:
        """A driver without a device."""

        def cuInit(self, _):
            return 100

        def cuGetErrorString(self, _, text):
            text._obj.value = b"no CUDA-capable device is detected"

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    assert "error 100: no CUDA-capable device is detected" in run("doctor")[1]

    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert "no NVIDIA driver" in run("doctor")[1]


def test_warmup_says_what_it_compiled_and_where_it_is_kept(run, monkeypatch):
    asked = []

    def warmup(dtypes, progress=None):
        asked.append(dtypes)
        for listener in list(listeners):
            for seconds in (None, 0.25):
                listener("affine_float32", seconds)

    monkeypatch.setitem(sys.modules, "fastnn.warmup", types.SimpleNamespace(warmup=warmup))
    code, out, err = run("warmup --dtype float64 --dtype float64")
    assert code == 0 and asked == [("float64",)]
    assert re.search(r"float64: 1 kernel compiled in [\d.]+ s", out) and str(cache_folder()) in out
    assert err.splitlines()[-1] == "compiled 1 kernel for this machine in 0.2 s (first use only)"
    monkeypatch.setitem(sys.modules, "fastnn.warmup", types.SimpleNamespace(warmup=lambda dtypes: None))
    assert "everything was compiled already" in run("warmup")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_with_examples(run, command):
    code, out, _ = run(f"{command} --help")
    assert code == 0 and f"Usage: fastnn {command}" in out
    assert re.search(rf"Examples?:\n +fastnn {command}", out), out
    assert all(len(line) <= 100 for line in out.splitlines())


def test_help_lists_the_commands_in_the_order_of_use(run):
    for line in ("", "--help", "-h"):
        code, out, _ = run(line)
        listed = re.findall(r"^  (\w+) +[A-Z].*\.$", out[out.index("Commands:") :], re.MULTILINE)
        assert code == 0 and listed == list(COMMANDS)


def test_examples_in_the_help_are_valid_commands():
    for name in COMMANDS:
        command = cli.group.get_command(None, name)
        for line in re.findall(rf"^ +fastnn {name} (.*)$", command.epilog or "", re.MULTILINE):
            arguments = re.split(r"\s\||  +", line)[0].split()
            command.make_context(name, arguments)


def test_warnings_are_lines_and_the_caller_s_way_to_show_them_comes_back(run, monkeypatch):
    import warnings

    def warn(*_, **__):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("mind this", UserWarning, stacklevel=1)
        raise fnn.SettingError("enough")

    before = warnings.showwarning
    monkeypatch.setattr(datasets, "load", warn)
    _, _, err = run("fit digits")
    assert err == "warning: mind this\nerror: enough\n" and warnings.showwarning is before


def shell(line, **environment):
    line = line.replace("fastnn", f"{sys.executable} -m fastnn")
    return subprocess.run(
        line, shell=True, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )


def test_python_m_fastnn():
    assert shell("fastnn --version").stdout == f"fastnn {fnn.__version__}\n"


def test_a_reader_that_leaves_early_is_no_error_and_the_model_is_there(tmp_path):
    ended = shell(f"fastnn fit iris --quiet --epochs 1 --out {tmp_path}/m | head -1")
    assert ended.stdout.startswith("data") and ended.stderr == "" and (tmp_path / "m").exists()
    ended = shell(f"fastnn predict {tmp_path}/m iris | head -1")
    assert ended.stdout == "prediction,probability\n" and "Traceback" not in ended.stderr


def test_a_terminal_of_ascii_alone_is_enough():
    ended = shell("fastnn fit diabetes --epochs 1; fastnn fit iris --epochs 1", PYTHONIOENCODING="ascii")
    assert "R? " in ended.stdout and "setosa" in ended.stdout and "Traceback" not in ended.stderr
