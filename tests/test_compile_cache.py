"""The cache: a second process compiles nothing, what changed is compiled anew, and nothing that lies in the folder can mislead or stop anybody.

Every test works in processes of its own with a folder of its own.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from fastnn.compile import Unit, listeners
from fastnn.compile.folders import write_file
from fastnn.compile.machinecode import address_of

PLUGIN = """
from fastnn import Activation
from helpers import doubled

def half(z):
    return z * 0.5

def value(z):
    return doubled(half(z)) + 1

def slope(z, a):
    return 1

shifted = Activation("shifted", value, slope)
"""
HELPERS = """
def doubled(z):
    return 2 * z
"""
USE = """
import json, pathlib, sys
import numpy as np
from numba.core import event
from fastnn.compile import cache_folder, listeners
compiled = []
listeners.append(lambda name, seconds: seconds is None or compiled.append(name))

def apply(activation, z=(1.0, 2.0)):
    from fastnn.testing.compiled import run_kernel
    from fastnn.testing.ptx import kernels_of
    out = np.zeros(len(z), np.float32)
    run_kernel(kernels_of(activation)[0], "float32", out, np.array(z, np.float32))
    return out.tolist()

result = None
with event.install_recorder("numba:compile") as recorder:
    exec(pathlib.Path(sys.argv[1]).read_text())
print(json.dumps({"result": result, "compiled": compiled, "numba": len(recorder.buffer), "folder": str(cache_folder())}))
"""


class Folder:
    """A folder with plugins, and a cache of its own beside them."""

    def __init__(self, path):
        self.path, self.cache = path, path / "cache"
        (path / "helpers.py").write_text(HELPERS)
        (path / "plugin.py").write_text(PLUGIN)
        (path / "use.py").write_text(USE)

    def start(self, code="import plugin; result = apply(plugin.shifted)", **environment):
        """Begin to run code that knows `apply` in a process of its own."""
        path = self.path / f"code{len(list(self.path.glob('code*')))}.py"
        path.write_text(code)
        settings = {
            "FASTNN_CACHE_DIR": str(self.cache),
            "PYTHONPATH": str(self.path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", str(self.path / "use.py"), str(path)],
            env={**os.environ, **settings, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, *arguments, **environment):
        """What the code leaves in `result`, and what was compiled."""
        return ended(self.start(*arguments, **environment))


def ended(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A first use: its folder and what it said."""
    folder = Folder(tmp_path_factory.mktemp("first"))
    return folder, folder()


@pytest.fixture
def use(first, tmp_path):
    """A folder that was used once."""
    folder = Folder(tmp_path)
    shutil.copytree(first[0].cache, folder.cache)
    return folder


UNIT = "activate_forward_float32"


def test_a_second_process_compiles_nothing(first, use):
    said, second = first[1], use()
    assert said["result"] == second["result"] == [2.0, 3.0]
    assert sorted(said["compiled"]) == [UNIT, "runner"] and said["numba"] > 0
    assert second["compiled"] == [] and second["numba"] == 0
    assert second["folder"] == str(use.cache)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("plugin.py", "+ 1", "+ 2"),
        ("plugin.py", "z * 0.5", "z * 0.5 + 0.5"),
        ("helpers.py", "2 * z", "2 * z + 1"),
    ],
    ids=["the function", "a helper in its module", "a helper in another module"],
)
def test_what_changed_is_compiled_anew(use, tmp_path, file, old, new):
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new))
    changed = use()
    assert changed["result"] == [3.0, 4.0] and changed["compiled"] == [UNIT]
    path.write_text(path.read_text().replace(new, old))
    back = use()
    assert back["result"] == [2.0, 3.0] and back["compiled"] == []


CELL = """
import linecache
from fastnn import Activation

def cell(number, text):
    '''What a notebook does: the source of a cell is known to linecache under a name that is no file.'''
    name = f"<cell {number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())

SLOPE = "def slope(z, a):\\n    return 1\\n"
DOUBLE = "def value(z):\\n    return 2 * z\\n" + SLOPE + "double = Activation('mine', value, slope)\\n"
TRIPLE = "def value(z):\\n    return 3 * z\\n" + SLOPE + "triple = Activation('mine', value, slope)\\n"
"""


def test_two_functions_of_one_name_do_not_mix(use):
    """Numba's own cache computes with the wrong one of two functions of one qualified name."""
    both = CELL + "cell(1, DOUBLE); cell(2, TRIPLE); result = apply(double) + apply(triple)"
    assert use(CELL + "cell(1, DOUBLE); result = apply(double)")["result"] == [2.0, 4.0]
    there = use(both.replace("apply(double) + apply(triple)", "apply(triple) + apply(double)"))
    assert there["result"] == [3.0, 6.0, 2.0, 4.0] and there["compiled"] == [UNIT]
    assert use(both)["result"] == [2.0, 4.0, 3.0, 6.0]


def test_a_constant_changed_in_a_notebook_counts(use):
    code = CELL + (
        "cell(1, 'factor = 2.0'); cell(2, DOUBLE.replace('2 * z', 'factor * z')); result = apply(double); "
        "cell(3, 'factor = 5.0'); result += apply(Activation('again', value, slope))"
    )
    assert use(code)["result"] == [2.0, 4.0, 5.0, 10.0]


def test_without_a_home_a_temporary_folder_serves_and_goes(use, tmp_path):
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "home")  # below a file there are no folders, not even for root
    done = use(FASTNN_CACHE_DIR=nowhere, HOME=nowhere, XDG_CACHE_HOME=nowhere, TMPDIR=str(tmp_path))
    assert done["result"] == [2.0, 3.0]
    assert os.path.dirname(done["folder"]) == str(tmp_path) and not os.path.exists(done["folder"])


def test_without_any_folder_kernels_are_compiled_in_memory(use):
    shutil.rmtree(use.cache)
    code = """
import tempfile
def nowhere(*arguments, **options):
    raise FileNotFoundError("No usable temporary directory found")
tempfile.mkdtemp = tempfile.NamedTemporaryFile = tempfile.mkstemp = nowhere
import plugin; result = apply(plugin.shifted)
"""
    done = use(code)
    assert done["result"] == [2.0, 3.0] and UNIT in done["compiled"]


def test_a_folder_that_can_only_be_read_is_read(use, tmp_path):
    """An image of a container, warmed up by root and run by somebody else."""
    code = f"""
import tempfile
there = tempfile.NamedTemporaryFile
def writable(*arguments, dir=None, **options):
    if str(dir) == {str(use.cache)!r}:
        raise PermissionError(13, "Permission denied")
    return there(*arguments, dir=dir, **options)
tempfile.NamedTemporaryFile = writable
import plugin; result = apply(plugin.shifted)
"""
    done = use(code, XDG_CACHE_HOME=str(tmp_path / "user"))
    assert done["compiled"] == [] and done["result"] == [2.0, 3.0]
    assert done["folder"] == str(tmp_path / "user" / "fastnn")


def tampered(cache, how):
    code = next(cache.glob(f"*{UNIT}*.o"))
    content = code.read_bytes()
    match how:
        case "empty":
            code.write_bytes(b"")
        case "cut short":
            code.write_bytes(content[: len(content) // 2])
        case "without its last line":
            code.write_bytes(content.rpartition(b"\n")[0])
        case "one bit changed":
            code.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
        case "noise":
            code.write_bytes(bytes(range(256)) * 10)
        case "another unit's":
            code.write_bytes(next(cache.glob("*runner*.o")).read_bytes())
        case "a folder":
            code.unlink()
            code.mkdir()


@pytest.mark.parametrize(
    "how",
    ["empty", "cut short", "without its last line", "one bit changed", "noise", "another unit's", "a folder"],
)
def test_a_damaged_file_is_compiled_anew(use, how):
    tampered(use.cache, how)
    done = use()
    assert done["result"] == [2.0, 3.0] and done["compiled"] == [UNIT]
    if how == "cut short":
        assert use()["compiled"] == []


def test_an_edited_text_is_put_right_and_not_trusted(use):
    path = next(use.cache.glob(f"*{UNIT}*.py"))
    text = path.read_text()
    path.write_text(text.replace("real(1)", "real(100)"))
    next(use.cache.glob(f"*{UNIT}*.o")).unlink()
    assert use()["result"] == [2.0, 3.0]
    assert path.read_text() == text


def test_processes_may_begin_together(use):
    shutil.rmtree(use.cache)
    for process in [use.start() for _ in range(3)]:
        assert ended(process)["result"] == [2.0, 3.0]
    assert use()["compiled"] == []
    assert {path.suffix for path in use.cache.iterdir()} == {".py", ".o"}


def test_numbas_own_cache_plays_no_part(use, tmp_path):
    assert use(NUMBA_CACHE_DIR=str(tmp_path / "numba"))["compiled"] == []
    shutil.rmtree(use.cache)
    assert use(NUMBA_CACHE_DIR=str(tmp_path / "numba"))["compiled"] != []
    assert not (tmp_path / "numba").exists()


def test_another_processor_has_code_of_its_own(use):
    assert use(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")["compiled"] != []
    assert use()["compiled"] == []


def test_without_the_compiler_the_error_says_so(use):
    shutil.rmtree(use.cache)
    code = """
import plugin
from fastnn.errors import FastnnError
try:
    apply(plugin.shifted)
except FastnnError as error:
    result = str(error)
"""
    assert "NUMBA_DISABLE_JIT is set, and fastnn runs compiled" in use(code, NUMBA_DISABLE_JIT="1")["result"]


def test_units_are_readable(use):
    text = next(use.cache.glob(f"*{UNIT}*.py")).read_text()
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert names == ["value_doubled", "value_half", "value", "body", "kernel"]
    assert "return z * real(0.5)" in text and "real = np.float32" in text


def test_threads_compile_a_unit_once():
    unit = Unit(
        "once", f"from numba import cfunc\n\n\n@cfunc('void()')\ndef kernel():\n    pass  # {os.getpid()}\n"
    )
    heard, addresses = [], []
    listeners.append(lambda name, seconds: heard.append((name, seconds)))
    try:
        threads = [threading.Thread(target=lambda: addresses.append(unit.load())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        listeners.pop()
    assert len(set(addresses)) == 1 and len(addresses) == 4
    assert [name for name, _ in heard] == ["once", "once"] and heard[0][1] is None and heard[1][1] > 0


def test_a_full_disk_loses_the_file_and_nothing_else(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    write_file(tmp_path / "unit.py", b"text")
    assert list(tmp_path.iterdir()) == []


def test_machine_code_of_nowhere_is_refused():
    about = {"sha256": "0", "symbol": "unit"}
    assert address_of("unit", b"code\n" + json.dumps(about).encode()) is None
    assert address_of("unit", b"") is None
    assert address_of("unit", b"code\n[1, 2]") is None
