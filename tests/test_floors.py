"""The house stands: a file imports from its own floor and below, plugins import what is public, one folder touches the GPU."""

import ast
import re
import sys
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).parent.parent
HOUSE = Path(fastnn.__file__).parent
OPTIONAL = {
    "matplotlib",
    "pandas",
    "pyarrow",
    "sklearn",
    "torch",
    "IPython",
    "onnx",
    "mpi4py",
}  # not SciPy: Numba loads it

UPSTAIRS = {
    # what a network or a history can do for its user lives above it, and is fetched when it is asked for
    "network.py": {"onnx", "training", "storage", "summary"},
    "history.py": {"plot"},
    "callbacks.py": {"storage"},
    "plan/instruction.py": {"plan"},
}
"""Imports inside functions that go up, by file: the modules they may fetch."""


def floors():
    """{module: floor} from the table of fastnn/README.md."""
    table = {}
    for floor, files in re.findall(
        r"^\| (\d) \| (.*) \|$", (HOUSE / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    ):
        for name in re.findall(r"`(\w+)(?:\.py|/)`", files):
            table[name] = int(floor)
    return table


FLOORS = floors()
FILES = sorted(
    path for path in HOUSE.rglob("*.py") if path != HOUSE / "__init__.py" and "plugins" not in path.parts
)
PLUGINS = (
    sorted(path for path in Path(fastnn.plugins.__path__[0]).glob("*.py"))
    if hasattr(fastnn, "plugins")
    else []
)


def module(path):
    """The name of the file or folder in the house that this file belongs to."""
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path):
    """(module, names, inside a function?, line) of everything that is imported; what only type checkers see is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, (), id(node) in inside, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield (
                "." * node.level + (node.module or ""),
                tuple(a.name for a in node.names),
                id(node) in inside,
                node.lineno,
            )


def own(name, names):
    """The modules of the house that an import fetches."""
    if name == "fastnn":
        return [n for n in names if (HOUSE / n).is_dir() or (HOUSE / f"{n}.py").exists()]
    return [name.split(".")[1]] if name.startswith("fastnn.") else []


def test_every_file_has_a_floor():
    there = {module(path) for path in FILES} - {"__main__"}
    assert there == set(FLOORS), "the table in fastnn/README.md"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_imports_from_its_own_floor_and_below(path):
    here = path.relative_to(HOUSE).as_posix()
    floor = FLOORS.get(module(path), 9)
    wrong = []
    for name, names, inside, line in imports(path):
        assert not name.startswith("."), f"{here}:{line} imports relatively"
        for target in own(name, names):
            up = target != "plugins" and FLOORS[target] > floor
            if up and not (inside and target in UPSTAIRS.get(here, ())):
                wrong.append(f"{here}:{line} on floor {floor} imports {target} on floor {FLOORS[target]}")
        if name == "fastnn" and not own(name, names) and floor < 8:
            wrong.append(f"{here}:{line} imports the whole house")
    assert not wrong, "\n".join(wrong)


def test_the_stairs_that_are_listed_are_used():
    for here, targets in UPSTAIRS.items():
        used = {t for name, names, inside, _ in imports(HOUSE / here) if inside for t in own(name, names)}
        assert targets <= used, f"{here} doesn't import {targets - used} any more"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_plugin_is_imported_by_name(path):
    for name, names, _, line in imports(path):
        assert not name.startswith("fastnn.plugins."), f"{path}:{line}"
        assert not (name == "fastnn.plugins" and names), f"{path}:{line}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_only_the_cuda_engine_imports_numba_cuda(path):
    if module(path) == "cuda":
        return
    for name, names, _, line in imports(path):
        assert not name.startswith(("numba.cuda", "numba_cuda", "cuda")), f"{path}:{line}"
        assert not (name == "numba" and "cuda" in names), f"{path}:{line}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_optional_packages_are_imported_inside_functions(path):
    for name, _, inside, line in imports(path):
        assert inside or name.split(".")[0] not in OPTIONAL, f"{path}:{line}"


def plugin_files():
    folder = ROOT / "plugins"
    return sorted(folder.glob("*.py")) + sorted((ROOT / "tests" / "thirdparty").glob("*/*.py"))


@pytest.mark.parametrize("path", plugin_files(), ids=lambda path: path.name)
def test_plugins_import_only_what_is_public(path):
    allowed = set(sys.stdlib_module_names) | {"numpy"}
    for name, names, _, line in imports(path):
        where = f"{path.name}:{line}"
        if name.startswith("."):
            assert path.parent == ROOT / "plugins", f"{where} imports relatively"
        elif name == "fastnn":
            unknown = set(names) - set(fastnn.__all__)
            assert not unknown, f"{where} imports {unknown}, which fastnn doesn't show"
        elif name != "fastnn.errors":
            assert name.split(".")[0] in allowed or "absent" in path.name, f"{where} imports {name}"


def test_importing_fastnn_loads_no_optional_package_and_no_plugin():
    import subprocess

    code = "import sys, fastnn; print(*sorted({m.split('.')[0] for m in sys.modules} & set(sys.argv[1:])), *(m for m in sys.modules if m.startswith('fastnn.plugins.')))"
    done = subprocess.run(
        [sys.executable, "-c", code, *OPTIONAL, "rich", "numba_cuda"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
