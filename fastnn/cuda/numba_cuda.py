"""The one module that imports numba.cuda: what fastnn needs of numba-cuda, so that its successor can take its place.

numba-cuda is in maintenance. It types and lowers kernels here, and simulates them; loading and launching is the driver's (driver.py).
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from numba.core import config

__all__ = ["SIMULATED", "Compiled", "capabilities", "compiled", "cuda", "intrinsic"]

SIMULATED: bool = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]
"""Whether NUMBA_ENABLE_CUDASIM=1 was set when Python started: numba.cuda is its simulator then."""

cuda: Any = importlib.import_module("numba.cuda")


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba-cuda's decorator for functions that are written in LLVM's language; the simulator has none."""
    return importlib.import_module("numba.cuda.extending").intrinsic(function)


@dataclass(frozen=True)
class Compiled:
    """A kernel's machine code (cubin), the PTX it was made of, its name in both, and whether its blocks meet and must be launched cooperatively."""

    code: bytes
    ptx: str
    entry: str
    cooperative: bool


def capabilities() -> tuple[tuple[int, int], ...]:
    """The compute capabilities that the installed compiler makes code for."""
    nvrtc: Any = importlib.import_module("numba.cuda.cudadrv.nvrtc")
    return tuple(nvrtc.get_supported_ccs())


def compiled(function: Any, arguments: int, cc: tuple[int, int], **options: Any) -> Compiled:
    """A kernel of int64 arguments as numba-cuda's dispatcher makes it at a first launch, up to the point where it loads the code."""
    from numba import types

    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    with _on(cc):
        kernel = dispatcher._Kernel(
            function, (types.int64,) * arguments, **cuda.jit(function, **options).targetoptions
        )
        library = kernel._codelibrary
        code, ptx = bytes(library.get_cubin().code), str(library.get_asm_str())
    return Compiled(code, ptx, str(kernel.entry_name), bool(kernel.cooperative))


@contextlib.contextmanager
def _on(cc: tuple[int, int]) -> Iterator[None]:
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
