"""Compiled units: one small module file each in the cache folder, named by a hash of all that it depends on.

Numba's own cache keys a function by its own file alone, and links functions by their qualified names: a changed callee is missed, and two closures of one name
get mixed up. A file per unit, whose name holds the hash of its text, of the library's sources and of the versions, rules both out; and anyone can open the file to see
what runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

from numba.core.errors import NumbaError

from fastnn.errors import PluginError

__all__ = ["Unit", "cache_folder", "listeners", "load_unit"]

listeners: list[Callable[[str, float | None], None]] = []
"""Called with (name, None) before a unit is compiled and (name, seconds) after; cached units are silent."""

_loaded: dict[str, ModuleType] = {}
_lock = threading.RLock()
_FINGERPRINTED = ("compile", "cpu", "numerics")


class Unit:
    """A named module text; `load()` gives the compiled module."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    def load(self) -> ModuleType:
        return load_unit(self.name, self.text)


@cache
def cache_folder() -> Path:
    """Where units are kept: FASTNN_CACHE_DIR, else the user's cache folder, else a temporary one for this process."""
    named = os.environ.get("FASTNN_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME")
    places = [Path(named)] if named else []
    places.append((Path(home) if home else Path(os.path.expanduser("~")) / ".cache") / "fastnn")
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=place):
                return place
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="fastnn-"))


@cache
def _fingerprint() -> str:
    """Hash of what every unit depends on: the library's compiled sources, Numba, NumPy and the target processor."""
    import numba
    from numba import config

    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for part in _FINGERPRINTED:
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if path.exists():
                digest.update(path.read_bytes())
    settings = (numba.__version__, sys.version_info[:2], config.CPU_NAME, config.CPU_FEATURES, config.OPT)
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def load_unit(name: str, text: str) -> ModuleType:
    """The module of this text, compiled, from memory, the cache folder or anew; PluginError where it cannot be compiled."""
    with _lock:  # once, whoever asks: the code of a module that nobody keeps may be freed
        return _load(name, text)


def _load(name: str, text: str) -> ModuleType:
    key = hashlib.sha256((_fingerprint() + name + text).encode()).hexdigest()[:20]
    module_name = f"fastnn_unit_{name}_{key}"
    if module_name in _loaded:
        return _loaded[module_name]
    path = cache_folder() / f"{module_name}.py"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        _write(path, text)
    compiling = not _is_compiled(path)
    if compiling:
        for listener in listeners:
            listener(name, None)
    start = time.perf_counter()
    try:
        module = _import(module_name, path)
    except NumbaError as error:
        raise PluginError(
            f"kernel {name} cannot be compiled: {_reason(error)}", got=f"the code in {path}"
        ) from error
    if compiling:
        for listener in listeners:
            listener(name, time.perf_counter() - start)
    _loaded[module_name] = module
    return module


def _reason(error: NumbaError) -> str:
    """The first line of Numba's message that says something."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line
        for line in said
        if not line.startswith(("Failed in", "During:", "There are", "-", "File", ">>>"))
    ]
    return telling[0] if telling else type(error).__name__


def _is_compiled(path: Path) -> bool:
    """Whether Numba's cache holds this module's kernel (beside it, or where NUMBA_CACHE_DIR says)."""
    from numba import config

    if config.CACHE_DIR:
        return any(Path(config.CACHE_DIR).rglob(f"{path.stem}.*.nbi"))
    return any((path.parent / "__pycache__").glob(f"{path.stem}.*.nbi"))


def _write(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
