"""Machine code for NVIDIA GPUs, by the path that production uses, on machines with a GPU and without.

numba-cuda types a kernel and lowers it, NVVM makes PTX or LTO-IR of it, nvJitLink a cubin. No driver is asked: the compute capability is given. Cubins are kept in
the cache folder by the hash of all that they depend on, as the CPU's object files are; a file that does not fit its hash is compiled anew.

`from numba import cuda` also works where only Numba is installed, whose own CUDA target is deprecated and old: the distribution numba-cuda is asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import linecache
import threading
import time
import types as python_types
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from numba.core.errors import NumbaError

from fastnn.compile.folders import cache_folder, read_folders, write_file
from fastnn.compile.units import fingerprint, listeners, reason
from fastnn.cuda.presence import absent_wheels, wheel_versions
from fastnn.cuda.tile import THREADS
from fastnn.errors import MissingExtraError, PluginError

if TYPE_CHECKING:
    from fastnn.cuda.numba_cuda import Compiled

__all__ = ["Image", "compile_anew", "compile_ptx", "image", "missing", "module_of"]

BLOCKS = 2
"""Blocks of THREADS that a multiprocessor is to hold: a kernel may use 128 registers a thread. With 255 the large tile takes 162, and one block is left."""
_lock = threading.RLock()
_images: dict[str, Image] = {}


@dataclass(frozen=True)
class Image:
    """A cubin and the name of the kernel in it; `cooperative` where all its blocks must be resident together, as they meet."""

    code: bytes
    entry: str
    cooperative: bool


def missing() -> str | None:
    """Why kernels cannot be compiled for CUDA here; None where they can."""
    absent = absent_wheels()
    return f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed" if absent else None


def image(text: str, cc: tuple[int, int], name: str = "kernel", arguments: int = 2) -> Image:
    """The machine code of the kernel in a module of this text (see unit.py), from memory, the cache folder or anew; `arguments` are int64.

    PluginError where it cannot be compiled.
    """
    _require()
    stem = f"fastnn_cuda_{name.replace('.', '_')}_sm{cc[0]}{cc[1]}_{_key(text)}"
    with _lock:
        if stem not in _images:
            _images[stem] = _cached(stem) or _compiled(stem, text, cc, name, arguments)
        return _images[stem]


def compile_ptx(text: str, cc: tuple[int, int], name: str = "kernel", arguments: int = 2) -> str:
    """The PTX of the kernel in a module of this text, for a compute capability such as (9, 0): made anew, and linked to a cubin too."""
    return compile_anew(text, cc, name, arguments).ptx


def compile_anew(text: str, cc: tuple[int, int], name: str = "kernel", arguments: int = 2) -> Compiled:
    """Machine code and PTX of the kernel in a module of this text, without looking for a file that keeps it."""
    _require()
    from fastnn.cuda.numba_cuda import compiled

    return compiled(module_of(text, name).kernel, arguments, cc, launch_bounds=(THREADS, BLOCKS))


def module_of(text: str, name: str) -> Any:
    """A module of this text that exists in memory alone; its lines are there for error messages."""
    module = python_types.ModuleType(f"fastnn_cuda_{name}")
    module.__file__ = f"<{name}>"
    linecache.cache[module.__file__] = (len(text), None, text.splitlines(keepends=True), module.__file__)
    exec(compile(text, module.__file__, "exec"), module.__dict__)  # noqa: S102
    return module


def _require() -> None:
    lacking = missing()
    if lacking is not None:
        raise MissingExtraError(lacking, hint='pip install "fastnn[cuda]"')


@cache
def _versions() -> str:
    return wheel_versions() + fingerprint(("cuda",))


def _key(text: str) -> str:
    return hashlib.sha256(f"{_versions()} {text}".encode()).hexdigest()[:20]


def _cached(stem: str) -> Image | None:
    for folder in read_folders():
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            code, _, footer = (folder / f"{stem}.cubin").read_bytes().rpartition(b"\n")
            about = json.loads(footer)
            if about["sha256"] == hashlib.sha256(code).hexdigest():
                return Image(code, str(about["entry"]), bool(about["cooperative"]))
    return None


def _compiled(stem: str, text: str, cc: tuple[int, int], name: str, arguments: int) -> Image:
    for listener in listeners:
        listener(f"{name} (CUDA)", None)
    start = time.perf_counter()
    path = cache_folder() / f"{stem}.py"
    write_file(path, text.encode())
    try:
        made = compile_anew(text, cc, stem, arguments)
    except NumbaError as error:
        raise PluginError(
            f"kernel {name} cannot be compiled for CUDA: {reason(error)}", got=f"the code in {path}"
        ) from error
    about = {
        "sha256": hashlib.sha256(made.code).hexdigest(),
        "entry": made.entry,
        "cooperative": made.cooperative,
    }
    write_file(path.with_suffix(".cubin"), made.code + b"\n" + json.dumps(about).encode())
    for listener in listeners:
        listener(f"{name} (CUDA)", time.perf_counter() - start)
    return Image(made.code, made.entry, made.cooperative)
