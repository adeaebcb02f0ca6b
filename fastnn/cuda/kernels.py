"""A kernel of a loaded cubin: its handle, and what the driver knows of it."""

from __future__ import annotations

from typing import Any

from fastnn.cuda.context import Context
from fastnn.cuda.failure import failure
from fastnn.cuda.held import ARGUMENTS, Function, Image
from fastnn.errors import DeviceError

__all__ = ["load_function"]

OPT_IN = 48 << 10
"""Shared memory of a block, static and dynamic, beyond which a kernel has to ask."""


def load_function(context: Context, image: Image, entry: str, what: str) -> Function:
    """The kernel `entry`, ready to launch: on the device now, not at its first launch, which may be while a graph is recorded."""
    driver = context.driver
    handle = context.do(what, driver.cuModuleGetFunction, image.handle, entry.encode())
    try:
        context.do(what, driver.cuFuncLoad, handle)
    except DeviceError:
        raise
    except RuntimeError:  # the driver is older than this function, and loads kernels at once
        pass
    function = Function(image, handle, entry, _parameters(context, handle, entry, what))
    of = driver.CUfunction_attribute
    for name, attribute in (
        ("registers", of.CU_FUNC_ATTRIBUTE_NUM_REGS),
        ("local_bytes", of.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES),
        ("shared_bytes", of.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES),
        ("most_threads", of.CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
    ):
        setattr(function, name, int(context.do(what, driver.cuFuncGetAttribute, attribute, handle)))
    function.dynamic_bytes = max(0, OPT_IN - function.shared_bytes)
    return function


def _parameters(context: Context, handle: Any, entry: str, what: str) -> int | None:
    """How many arguments a kernel takes, all int64; None where the driver is too old to tell."""
    driver = context.driver
    count = 0
    while count <= ARGUMENTS:
        try:
            code, _, nbytes = driver.cuFuncGetParamInfo(handle, count)
        except RuntimeError:
            return None
        if code is driver.CUresult.CUDA_ERROR_INVALID_VALUE:  # there is no such parameter
            return count
        if code is not context.success:
            raise failure(driver, code, "cuFuncGetParamInfo", what)
        if nbytes != 8:
            raise DeviceError(
                f"argument {count} of kernel {entry!r} is no int64", got=f"{nbytes} bytes", expected="8 bytes"
            )
        count += 1
    raise DeviceError(f"kernel {entry!r} has too many arguments", expected=f"at most {ARGUMENTS}")
