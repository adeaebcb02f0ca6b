"""The asv suite: enrols whatever is registered, works as the guide says, and its page needs no network."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_registry_thirdparty import LION, install, run, write_metadata

from fastnn.registry import registry
from fastnn.testing import benchmarks

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("optimizer", benchmarks.Optimizers),
        ("activation", benchmarks.Activations),
        ("loss", benchmarks.Losses),
    ],
)
def test_everything_built_in_is_enrolled_and_runs(kind, cls):
    built_in = {entry.name for entry in registry.entries(kind) if entry.distribution == "fastnn"}
    assert built_in <= set(cls.params)
    for name in sorted(built_in):
        case = cls()
        case.setup(name)
        case.time_twenty_epochs(name)


def test_the_error_is_tracked_in_percent_and_falls():
    case = benchmarks.Optimizers()
    case.setup("adam")
    assert 0 <= case.track_error_after_twenty_epochs("adam") < 20
    assert case.track_error_after_twenty_epochs.unit == "%"


def test_a_strangers_optimizer_is_enrolled_by_being_installed(tmp_path):
    code = (
        "from fastnn.testing.benchmarks import Optimizers\n"
        "case = Optimizers(); case.setup('lion'); case.time_twenty_epochs('lion')\n"
        "show(names=Optimizers.params, error=case.track_error_after_twenty_epochs('lion'))"
    )
    told = run(install(tmp_path, LION), code)
    assert "lion" in told["names"] and told["error"] < 20


def guide_files(folder):
    """What the guide's commands for authors of plugins write, by the shell that they are pasted into."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    chapter = text.split("## A dashboard of your own")[1].split("\n## ")[0]
    commands = "\n".join(re.findall(r"^```bash\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL))
    files = "".join(
        match.group() for match in re.finditer(r"^cat > .*?^END$\n", commands, re.MULTILINE | re.DOTALL)
    )
    made = "FASTNN=/somewhere/fastnn-0.1.0-py3-none-any.whl\n" + "".join(
        f"mkdir -p {name}\n" for name in re.findall(r"mkdir -p (\S+)", commands)
    )
    subprocess.run(["bash", "-e"], input=made + files, cwd=folder, text=True, check=True)
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_guide_for_authors_makes_a_suite_with_their_optimizer(tmp_path):
    written = guide_files(tmp_path)
    assert {"pyproject.toml", "benchmarks/asv.conf.json", "benchmarks/suite/__init__.py"} <= set(written)
    config = json.loads((tmp_path / "benchmarks" / "asv.conf.json").read_text())
    ours = json.loads((FOLDER / "asv.conf.json").read_text())
    own = {"project", "install_command"}
    assert {key: ours[key] for key in config.keys() - own} == {
        key: config[key] for key in config.keys() - own
    }
    assert [command.split()[-1] for command in config["install_command"]] == [
        "/somewhere/fastnn-0.1.0-py3-none-any.whl",
        "{wheel_file}",
    ]
    plugin = next(name for name in written if name.startswith("fastnn_"))
    module = plugin.removesuffix(".py")
    write_metadata(tmp_path, module.replace("_", "-"), "0.1", {"fastnn": {"mine": module}})
    code = (
        "import sys; sys.path.insert(0, 'benchmarks')\n"
        "from fastnn.testing import check_optimizer\n"
        "import suite\n"
        "check_optimizer('gentle')\n"
        "case = suite.Optimizers(); case.setup('gentle')\n"
        "show(names=list(suite.Optimizers.params), error=case.track_error_after_twenty_epochs('gentle'))"
    )
    told = run(tmp_path, code)
    assert "gentle" in told["names"] and told["error"] < 20


PAGE = """<script src="https://code.example/jquery-3.3.1.min.js" integrity="sha256-x" crossorigin="anonymous"></script>
<link rel="stylesheet" href="https://code.example/css/bootstrap.min.css">
<script src="asv.js"></script><a href="https://example.org/asv/">asv</a>
"""


def test_scripts_of_other_servers_are_vendored(tmp_path):
    page, files = tmp_path / "html" / "index.html", {}
    page.parent.mkdir()
    page.write_text(PAGE)
    for name in ("jquery.js", "bootstrap.css"):
        files[name] = tmp_path / name
        files[name].write_text(name)
    script("publish").vendor(page, files)
    text = page.read_text()
    assert 'src="vendor/jquery.js"' in text and 'href="vendor/bootstrap.css"' in text
    assert "code.example" not in text and "integrity" not in text and 'src="asv.js"' in text
    assert sorted(p.name for p in (page.parent / "vendor").iterdir()) == ["bootstrap.css", "jquery.js"]
    again = page.read_text()
    script("publish").vendor(page, files)
    assert page.read_text() == again


def test_a_script_that_no_package_has_is_named(tmp_path):
    page = tmp_path / "index.html"
    page.write_text('<script src="https://code.example/surprise.js"></script>')
    with pytest.raises(SystemExit, match=r"index.html loads https://code.example/surprise.js"):
        script("publish").vendor(page, {})


def test_the_suite_reads_its_classes_from_this_checkout():
    """Whatever fastnn is installed: each commit is measured in one way."""
    code = "import suite.plugins as p, json; print(json.dumps(p.Optimizers.setup.__code__.co_filename))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert (
        Path(json.loads(done.stdout)).resolve() == (ROOT / "fastnn" / "testing" / "benchmarks.py").resolve()
    )


def test_every_benchmark_has_a_version():
    """Without one, asv forgets the history of a benchmark when its text is touched."""
    for path in sorted((FOLDER / "suite").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            timed = isinstance(node, ast.ClassDef) and any(
                isinstance(part, ast.FunctionDef) and part.name.startswith(("time", "track_", "peakmem_"))
                for part in node.body
            )
            assigned = [part for part in getattr(node, "body", []) if isinstance(part, ast.Assign)]
            names = {ast.unparse(target) for part in assigned for target in part.targets}
            assert not timed or "version" in names, f"{path.name}: {node.name}"
