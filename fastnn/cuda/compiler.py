"""Machine code for NVIDIA GPUs, by the path that production uses, on machines with a GPU and without.

numba-cuda types a kernel and lowers it, NVVM makes PTX or LTO-IR of it, nvJitLink a cubin. No driver is asked: the compute capability is given. Cubins are kept in
the cache folder by the hash of all that they depend on, as the CPU's object files are; a file that does not fit its hash is compiled anew.

`from numba import cuda` also works where only Numba is installed, whose own CUDA target is deprecated and old: the distribution numba-cuda is asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import linecache
import threading
import time
import types as python_types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from numba.core.errors import NumbaError

from fastnn.compile.folders import cache_folder, read_folders, write_file
from fastnn.compile.units import fingerprint, listeners, reason
from fastnn.cuda.presence import absent_wheels, wheel_versions
from fastnn.cuda.tile import THREADS
from fastnn.errors import MissingExtraError, PluginError

__all__ = ["Image", "compile_ptx", "image", "missing", "module_of"]

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
    """The PTX of the kernel in a module of this text, for a compute capability such as (9, 0)."""
    _require()
    from numba import types

    cuda: Any = importlib.import_module("numba.cuda")
    module = module_of(text, name)
    with _as_if_on(cc):
        ptx: str = cuda.compile(
            module.kernel,
            types.void(*[types.int64] * arguments),
            cc=cc,
            device=False,
            abi="numba",
            output="ptx",
        )[0]
    return ptx


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
        made = _made(module_of(text, stem).kernel, cc, arguments)
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
    return made


def _made(function: Any, cc: tuple[int, int], arguments: int) -> Image:
    """What numba-cuda's dispatcher does at a first launch, up to the point where it loads the code."""
    from numba import types

    cuda: Any = importlib.import_module("numba.cuda")
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    options = cuda.jit(function, launch_bounds=(THREADS, BLOCKS)).targetoptions
    with _as_if_on(cc):
        kernel = dispatcher._Kernel(function, (types.int64,) * arguments, **options)
        code = kernel._codelibrary.get_cubin().code
    return Image(bytes(code), str(kernel.entry_name), bool(kernel.cooperative))


@contextlib.contextmanager
def _as_if_on(cc: tuple[int, int]) -> Iterator[None]:
    """The compiler asks the current device for its compute capability; here there need not be one, and none is touched."""
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    codegen: Any = importlib.import_module("numba.cuda.codegen")
    library = codegen.CUDACodeLibrary
    there = dispatcher.get_current_device, codegen.devices, library.modules
    device = SimpleNamespace(compute_capability=cc, id=0)
    dispatcher.get_current_device = lambda: device
    codegen.devices = SimpleNamespace(get_context=lambda *_: SimpleNamespace(device=device))
    library.modules = property(_once)
    try:
        yield
    finally:
        dispatcher.get_current_device, codegen.devices, library.modules = there


def _once(library: Any) -> list[Any]:
    """All modules of a library and of what it links. numba-cuda lists one that two others call twice, and NVVM refuses its shared memory then."""
    below = (module for linked in library._linking_libraries for module in linked.modules)
    return list({id(module): module for module in (library._module, *below)}.values())
