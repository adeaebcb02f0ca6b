"""Compiled units: a small module file each in the cache folder, named by a hash of all that it depends on, and its machine code beside it.

Numba's own cache keys a function by its own file alone, and links functions by their qualified names: a changed callee is missed, and two closures of one name
get mixed up. A file per unit, whose name holds the hash of its text, of the library's sources and of the versions, rules both out; and anyone can open the file to see
what runs, and disassemble the .o.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from numba.core import config as numba_config
from numba.core.errors import NumbaError

from fastnn.compile.folders import cache_folder, read_folders, write_file
from fastnn.compile.machinecode import address_of, machine_code, processor
from fastnn.errors import FastnnError, PluginError

__all__ = ["Unit", "fingerprint", "listeners", "reason"]

config: Any = numba_config

listeners: list[Callable[[str, float | None], None]] = []
"""Called with (name, None) before a unit is compiled and (name, seconds) after; cached units are silent."""

_addresses: dict[str, int] = {}
_modules: list[ModuleType] = []
_lock = threading.RLock()
_EVERYWHERE = ("compile", "numerics")


class Unit:
    """A named module text, whose function `kernel` is a cfunc."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    def load(self) -> int:
        """The address of the compiled kernel, from memory, the cache folder or anew; PluginError where it cannot be compiled."""
        stem = f"fastnn_unit_{self.name}_{self._key()}"
        with _lock:  # once, whoever asks
            if stem not in _addresses:
                _addresses[stem] = self._cached(stem) or self._compiled(stem)
            return _addresses[stem]

    def _key(self) -> str:
        return hashlib.sha256((fingerprint(("cpu",)) + self.name + self.text).encode()).hexdigest()[:20]

    def _cached(self, stem: str) -> int | None:
        for folder in read_folders():
            try:
                stored = (folder / f"{stem}.{processor()}.o").read_bytes()
            except OSError:
                continue
            address = address_of(stem, stored)
            if address is not None:
                return address
        return None

    def _compiled(self, stem: str) -> int:
        for listener in listeners:
            listener(self.name, None)
        start = time.perf_counter()
        path = cache_folder() / f"{stem}.py"
        write_file(path, self.text.encode())
        try:
            kernel = _executed(stem, self.text, path).kernel
        except NumbaError as error:
            if config.DISABLE_JIT:
                raise FastnnError(
                    "NUMBA_DISABLE_JIT is set, and fastnn runs compiled", hint="unset it"
                ) from None
            raise PluginError(
                f"kernel {self.name} cannot be compiled: {reason(error)}", got=f"the code in {path}"
            ) from error
        code = machine_code(kernel)
        if code is not None:
            write_file(path.with_suffix(f".{processor()}.o"), code)
        for listener in listeners:
            listener(self.name, time.perf_counter() - start)
        address: int = kernel.address
        return address


@cache
def fingerprint(parts: tuple[str, ...]) -> str:
    """Hash of what every unit of a device depends on: the library's compiled sources (its own `parts`), Numba, Python and what Numba is told."""
    import numba

    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for part in (*_EVERYWHERE, *parts):
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if path.exists():
                digest.update(path.read_bytes())
    told = (config.CPU_NAME, config.CPU_FEATURES, config.OPT, config.BOUNDSCHECK)
    digest.update(repr((numba.__version__, sys.version_info[:2], told)).encode())
    return digest.hexdigest()


def _executed(name: str, text: str, path: Path) -> Any:
    """The module of this text; its name makes its symbols unlike those of any other."""
    module = ModuleType(name)
    module.__file__ = os.fspath(path)
    exec(compile(text, path, "exec"), module.__dict__)  # noqa: S102
    _modules.append(module)  # the code of a module that nobody keeps may be freed
    return module


def reason(error: NumbaError) -> str:
    """The first line of Numba's message that says something."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("Failed in", "During:", "There are", "-", "File", ">>>")
    telling = [line for line in said if not line.startswith(noise)]
    return telling[0] if telling else type(error).__name__
