"""What is installed is what lies in the repository."""

import importlib
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_folder_with_python_files_is_packaged():
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "fastnn").rglob("*.py")}
    there = {".".join(folder.parts) for folder in folders} | {"fastnn.plugins"}
    assert there == set(PYPROJECT["tool"]["setuptools"]["packages"]), (
        "pyproject.toml: [tool.setuptools] packages"
    )
    assert not [folder for folder in folders if not (ROOT / folder / "__init__.py").exists()]


def test_every_plugin_file_is_importable_as_fastnn_plugins():
    package = importlib.import_module("fastnn.plugins")
    installed = {path.name for folder in package.__path__ for path in Path(folder).glob("*.py")}
    assert installed == {path.name for path in (ROOT / "plugins").glob("*.py")}
    for name in sorted(installed - {"__init__.py"}):
        importlib.import_module(f"fastnn.plugins.{name.removesuffix('.py')}")


def test_a_clone_finds_its_plugins_whatever_is_installed():
    code = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path.insert(0, sys.argv[1])
import fastnn, fastnn.plugins.relu
print(fastnn.__file__, fastnn.registry.get("activation", "relu").name, len(fastnn.registry.problems()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [str(ROOT / "fastnn" / "__init__.py"), "relu", "0"], done.stderr


def test_the_version_is_one():
    import fastnn

    assert fastnn.__version__ == PYPROJECT["project"]["version"]
    # an editable install keeps the version it was made with
    assert metadata.version("fastnn") == fastnn.__version__, "install fastnn again"


def test_type_information_and_licence_are_installed():
    import fastnn

    assert (Path(fastnn.__file__).parent / "py.typed").exists()
    about = metadata.metadata("fastnn")
    assert about["License-Expression"] == "BSD-3-Clause" and about.get_all("License-File") == ["LICENSE"]
    assert about["Requires-Python"] == ">=3.11"


def test_the_command_is_installed():
    (command,) = metadata.entry_points(group="console_scripts", name="fastnn")
    assert callable(command.load())


def test_the_module_runs():
    run = [sys.executable, "-m", "fastnn", "--help"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "fit" in done.stdout, done.stderr


def test_dependencies_are_lower_bounds_only():
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    for requirement in [*PYPROJECT["project"]["dependencies"], *(r for extra in extras for r in extra)]:
        assert not any(sign in requirement for sign in ("<", "==", "~=", "!=")), requirement


def test_a_clone_without_an_installer_finds_its_plugins(tmp_path):
    """`python -m fastnn` in a clone imports its fastnn/, whose plugins lie beside it and not inside."""
    (tmp_path / "fastnn").symlink_to(ROOT / "fastnn")
    (tmp_path / "plugins").symlink_to(ROOT / "plugins")
    code = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
import fastnn
print("relu" in fastnn.registry.names("activation"), fastnn.registry.problems())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True []", done.stderr
