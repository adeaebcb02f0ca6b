"""Machine code for NVIDIA GPUs, made on machines that have none.

`from numba import cuda` also works where only Numba is installed, whose own CUDA target is deprecated and old: the distribution numba-cuda is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import linecache
import types as python_types
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from fastnn.errors import MissingExtraError

__all__ = ["compile_ptx", "missing"]


def missing() -> str | None:
    """Why kernels cannot be compiled for CUDA here; None where they can."""
    try:
        importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return "numba-cuda is not installed"
    try:
        importlib.metadata.version("nvidia-nvvm")
    except importlib.metadata.PackageNotFoundError:
        return "numba-cuda is installed without its compiler, which comes with fastnn[cuda]"
    return None


def compile_ptx(text: str, cc: tuple[int, int], name: str = "kernel") -> str:
    """The PTX of the kernel in a module of this text (see `kernel_text`), for a compute capability such as (9, 0)."""
    reason = missing()
    if reason is not None:
        raise MissingExtraError(reason, hint='pip install "fastnn[cuda]"')
    from numba import types

    cuda: Any = importlib.import_module("numba.cuda")
    module = _module(text, name)
    with _as_if_on(cc):
        ptx: str = cuda.compile(
            module.kernel,
            types.void(types.int64, types.int64),
            cc=cc,
            device=False,
            abi="numba",
            output="ptx",
        )[0]
    return ptx


def _module(text: str, name: str) -> Any:
    """A module of this text that exists in memory alone; its lines are there for error messages."""
    module = python_types.ModuleType(f"fastnn_cuda_{name}")
    module.__file__ = f"<{name}>"
    linecache.cache[module.__file__] = (len(text), None, text.splitlines(keepends=True), module.__file__)
    exec(compile(text, module.__file__, "exec"), module.__dict__)  # noqa: S102
    return module


@contextlib.contextmanager
def _as_if_on(cc: tuple[int, int]) -> Iterator[None]:
    """Device functions ask the current device for its compute capability; here there need not be one."""
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    there = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=cc, id=0)
    try:
        yield
    finally:
        dispatcher.get_current_device = there
