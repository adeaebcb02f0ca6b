"""Machine code of compiled kernels, kept as object files that load in milliseconds: no types are inferred, and Numba's registries stay asleep.

An object file is followed by one line of JSON: its hash, and the symbol of the kernel. What does not fit its hash is compiled anew.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core import config as numba_config
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys

__all__ = ["address_of", "machine_code", "processor"]

config: Any = numba_config


@cache
def processor() -> str:
    """A short name for the processor that code is made for: a folder may be shared by machines that differ."""
    host = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return hashlib.sha256(repr((host, config.CPU_NAME, config.CPU_FEATURES)).encode()).hexdigest()[:8]


def machine_code(kernel: Any) -> bytes | None:
    """What `address_of` needs to bring back a cfunc; None, and a warning, with a Numba whose inside has moved."""
    try:
        _, _, (code, _) = kernel._library.serialize_using_object_code()
    except (AttributeError, TypeError, ValueError) as error:
        warnings.warn(
            f"kernels cannot be kept with Numba {numba.__version__} and are compiled in every process: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    about = {"sha256": hashlib.sha256(code).hexdigest(), "symbol": kernel.native_name}
    footer: bytes = json.dumps(about).encode()
    joined: bytes = code + b"\n" + footer
    return joined


def address_of(name: str, stored: bytes) -> int | None:
    """The address in this process of the kernel of module `name`; None where the file is damaged, another's, or needs what is not here."""
    code, _, footer = stored.rpartition(b"\n")
    try:
        about = json.loads(footer)
        symbol = str(about["symbol"])
        intact = about["sha256"] == hashlib.sha256(code).hexdigest()
    except (ValueError, LookupError, TypeError):
        return None
    if not intact or name not in symbol or not _there(code):
        return None
    stub = llvm.parse_assembly(
        f'define void @"{symbol}"() {{ ret void }}'
    )  # tells Numba that the symbol exists
    codegen = cpu_target.target_context.codegen()
    try:
        library = codegen.unserialize_library((name, "object", (code, stub.as_bitcode())))
    except (AttributeError, TypeError, ValueError):  # as above: compiled anew, with the warning
        return None
    _libraries.append(library)
    address: int = library.get_pointer_to_function(symbol)
    return address or None


_libraries: list[Any] = []
"""Code of a library that nobody keeps may be freed."""


def _there(code: bytes) -> bool:
    """Whether all that the code needs of Numba is in this process: LLVM ends the process over a missing symbol."""
    needed = {name.decode() for name in re.findall(rb"(?<=\0)_?((?:numba|NRT)_\w+)(?=\0)", code)}
    if not all(llvm.address_of_symbol(name) for name in needed):
        rtsys.initialize(cpu_target.target_context)  # where memory is allocated or an error could be raised
    return all(llvm.address_of_symbol(name) for name in needed)
