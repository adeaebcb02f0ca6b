"""Plugins of other distributions: found and usable; the broken ones named, the rest unharmed."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

THIRDPARTY = Path(__file__).parent / "thirdparty"
LION, ABSENT, MISSPELT, TWIN, SLANTED = (
    f"fastnn-{name}" for name in ("lion", "absent", "misspelt", "twin", "slanted")
)
PRELUDE = """
import json, warnings
import fastnn as fnn
from fastnn.registry import registry
def error(f, *a, **k):
    try:
        f(*a, **k)
    except Exception as e:
        return f"{type(e).__name__}: {e}"
def show(**k):
    print(json.dumps(k))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    registry.names("optimizer")
warned = [str(w.message) for w in caught if w.category.__name__ == "PluginWarning"]
warnings.simplefilter("error")
"""
LIST = "show(names=registry.names('optimizer'), problems=registry.problems(), warned=warned)"


def install(site, *distributions):
    """What pip leaves behind: the modules, and their metadata with the entry points."""
    for distribution in distributions:
        folder = THIRDPARTY / distribution
        data = tomllib.loads((folder / "pyproject.toml").read_text())
        for module in data["tool"]["setuptools"]["py-modules"]:
            shutil.copy(folder / f"{module}.py", site)
        project = data["project"]
        write_metadata(site, project["name"], project["version"], project["entry-points"])
    return site


def write_metadata(site, name, version, entry_points):
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {value}" for point, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))


def write_plugin(site, name, text, version="1.0"):
    """A distribution of one module, written on the spot."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(text)
    write_metadata(site, name, version, {"fastnn": {name: module}})
    return site


def run(site, code, **environment):
    """The JSON that `code`, after the prelude, prints with `site` on the path."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=site,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_installed_optimizer_is_found_with_its_distribution(tmp_path):
    code = """
lion = registry.get("optimizer", "lion", eta=0.5)
row = next(e for e in registry.entries("optimizer") if e.name == "lion")
show(
    problems=registry.problems(),
    row=[row.kind, row.distribution, row.version],
    settings=lion.settings,
    step=lion.step(1.0, -2.0, 0.0, *lion.settings.values()),
    same=fnn.optimizers.Lion(eta=0.5) == lion,
)
"""
    found = run(install(tmp_path, LION), code)
    assert found["problems"] == []
    assert found["row"] == ["optimizer", "fastnn-lion", "1.2"]
    assert found["settings"] == {"eta": 0.5, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}
    assert found["step"] == pytest.approx([1.5, -0.02])
    assert found["same"]


def test_an_installed_optimizer_trains_a_network(tmp_path):
    code = """
import numpy as np
X = np.linspace(-1, 1, 64).reshape(-1, 1)
net = fnn.Network(1, [fnn.Dense(8, "tanh"), fnn.Dense(1)], seed=0)
history = net.fit(X, X[:, 0] ** 2, loss="squared_error", optimizer="lion", eta=0.003, epochs=60, batch_size=8,
                  verbose=False)
show(first=history[0]["loss"], last=history[-1]["loss"])
"""
    found = run(install(tmp_path, LION), code)
    assert found["last"] < 0.1 * found["first"]


def test_the_command_lists_the_plugins_and_the_problems(tmp_path):
    code = """
import contextlib, io
from fastnn.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    code = main(["plugins", "--json"])
show(code=code, **json.loads(out.getvalue()))
"""
    found = run(install(tmp_path, LION, ABSENT), code)
    assert found["code"] == 0
    lion = {"kind": "optimizer", "name": "lion", "distribution": "fastnn-lion", "version": "1.2"}
    assert any(lion.items() <= row.items() for row in found["plugins"])
    assert "fastnn-absent" in problem(found, "cannot be imported")


def setuptools_builds_wheels():
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in version.split(".")[:2]) >= (70, 1)


@pytest.mark.skipif(not setuptools_builds_wheels(), reason="building without network needs setuptools 70.1")
def test_pip_installs_the_distribution(tmp_path):
    source = shutil.copytree(THIRDPARTY / LION, tmp_path / "source")
    site = tmp_path / "site"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(source)]
    subprocess.run(command, check=True)
    found = run(site, LIST)
    assert "lion" in found["names"]
    assert found["problems"] == []


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All of them at once: what each breaks, and what goes on working."""
    code = """
show(
    problems=registry.problems(),
    warned=warned,
    names=registry.names("optimizer"),
    activations=registry.names("activation"),
    lion=error(registry.get, "optimizer", "lion"),
    namespace=error(getattr, fnn.optimizers, "lion"),
    lions=[e.distribution for e in registry.entries("optimizer") if e.name == "lion"],
    tiger=registry.get("optimizer", "tiger").name,
    square=registry.get("activation", "square").name,
)
"""
    site = tmp_path_factory.mktemp("site")
    return run(install(site, LION, ABSENT, MISSPELT, TWIN, SLANTED), code)


def problem(found, *words):
    """The one problem with all of these words."""
    matching = [p for p in found["problems"] if all(word in p for word in words)]
    assert len(matching) == 1, found["problems"]
    return matching[0]


def test_a_plugin_that_fails_to_import_is_named_with_the_reason(everything):
    text = problem(everything, "cannot be imported")
    assert "'fastnn-absent' 0.1" in text
    assert "ModuleNotFoundError: No module named 'a_package_that_is_not_there'" in text


def test_a_misspelt_hook_is_named_with_its_near_miss(everything):
    text = problem(everything, "unknown hook")
    assert "'fastnn_optimisers'; did you mean 'fastnn_optimizers'" in text
    assert "'fastnn-misspelt' 0.2" in text


def test_a_hook_without_its_mark_is_named(everything):
    assert "'fastnn_losses' that is not marked with @fastnn.hookimpl" in problem(everything, "not marked")


def test_the_right_hook_of_a_plugin_with_wrong_ones_works(everything):
    assert everything["square"] == "square"


def test_two_distributions_with_one_name_are_both_named_and_neither_wins(everything):
    text = problem(everything, "with one name")
    assert "'lion' of 'fastnn-lion' 1.2" in text
    assert "'lion' of 'fastnn-twin' 0.3" in text
    for message in (everything["lion"], everything["namespace"]):
        assert message.startswith("PluginError: optimizer 'lion' is claimed by")
        assert "'fastnn-lion' 1.2" in message
        assert "'fastnn-twin' 0.3" in message
        assert "FASTNN_PLUGINS" in message
    assert everything["lions"] == ["fastnn-lion", "fastnn-twin"]


def test_everything_else_goes_on_working(everything):
    assert everything["tiger"] == "tiger"
    assert {"adam", "gd", "newton", "tiger"} <= set(everything["names"])
    assert "lion" not in everything["names"]
    assert {"relu", "slanted", "square"} <= set(everything["activations"])
    assert len(everything["problems"]) == 4


def test_each_problem_is_warned_of_once(everything):
    assert everything["warned"] == everything["problems"]


def test_the_environment_variable_chooses_distributions(tmp_path):
    site = install(tmp_path, LION, TWIN, ABSENT)
    only = run(site, LIST, FASTNN_PLUGINS="Fastnn_Twin")
    assert {"lion", "tiger"} <= set(only["names"])
    assert only["problems"] == []
    none = run(site, LIST, FASTNN_PLUGINS="")
    assert not {"lion", "tiger"} & set(none["names"])
    assert "adam" in none["names"]
    assert none["problems"] == []
    absent = run(site, LIST, FASTNN_PLUGINS="fastnn-lyon")
    text = problem(absent, "FASTNN_PLUGINS")
    assert "'fastnn-lyon', which is not installed; did you mean 'fastnn-lion'?" in text


BROKEN = {
    "a name of the library": (
        """
def step(w, g, eta): return w
@fnn.hookimpl
def fastnn_optimizers(): return [fnn.Rule('adam', step, defaults={'eta': 1.0})]
""",
        ["'adam' of 'fastnn'", "'adam' of 'fastnn-stranger'"],
    ),
    "an alias of the library": (
        """
def value(z): return z
def slope(z, a): return 1.0
@fnn.hookimpl
def fastnn_activations(): return [fnn.Activation('sigmoid', value, slope)]
""",
        ["'logistic' of 'fastnn'", "'sigmoid' of 'fastnn-stranger'"],
    ),
    "a hook that fails": (
        "@fnn.hookimpl\ndef fastnn_losses(): return 1 / 0\n",
        ["hook 'fastnn_losses' failed: ZeroDivisionError", "'fastnn-stranger' 1.0"],
    ),
    "a hook that returns no list": (
        "@fnn.hookimpl\ndef fastnn_losses(): return 'mse'\n",
        ["hook 'fastnn_losses' returned 'mse', not a list"],
    ),
    "a hook of another kind": (
        """
def values(eta, t): return eta + 0 * t
@fnn.hookimpl
def fastnn_losses(): return [fnn.Schedule('mine', values)]
""",
        ["schedule 'mine' came through the hook 'fastnn_losses'"],
    ),
    "a hook with arguments": (
        "@fnn.hookimpl\ndef fastnn_losses(register): return []\n",
        ["cannot be registered", "register"],
    ),
    "something that is no plugin": (
        "@fnn.hookimpl\ndef fastnn_layers(): return [3]\n",
        ["this is no plugin", "'fastnn-stranger'"],
    ),
    "a layer that is an object": (
        """
class Mine:
    name = 'mine'
    def __call__(self, net, a): return a
@fnn.hookimpl
def fastnn_layers(): return [Mine()]
""",
        ["layer 'mine' is an object", "its class", "Mine"],
    ),
    "a solver without its needs": (
        """
class Mine:
    name = 'mine'
    def start(self, theta): return None
    def step(self, objective, theta, state): return None
@fnn.hookimpl
def fastnn_optimizers(): return [Mine]
""",
        ["solver 'mine' lacks needs"],
    ),
    "no hook at all": ("x = 1\n", ["has no hook", "fastnn_optimizers"]),
    "an exit when imported": ("import sys; sys.exit(3)\n", ["cannot be imported: SystemExit: 3"]),
    "a syntax error": ("def f(:\n", ["cannot be imported: SyntaxError"]),
    "a contract that is broken": (
        """
def step(w, g, eta, alpa): return w
@fnn.hookimpl
def fastnn_optimizers(): return [fnn.Rule('x', step, defaults={'eta': 1.0, 'alpha': 2.0})]
""",
        ["takes 'alpa', which is no setting; did you mean 'alpha'?"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_named_and_the_rest_goes_on(tmp_path, case):
    text, words = BROKEN[case]
    site = write_plugin(tmp_path, "fastnn-stranger", "import fastnn as fnn\n" + text)
    found = run(install(site, LION), LIST)
    assert found["warned"] == found["problems"]
    problem(found, *words)
    assert len(found["problems"]) == 1
    assert {"lion", "sgd", "newton"} <= set(found["names"])
