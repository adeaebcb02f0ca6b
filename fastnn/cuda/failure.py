"""What the CUDA driver refuses, as an error: which call, CUDA's name for the reason, what to try."""

from __future__ import annotations

from typing import Any

from fastnn.errors import DeviceError, DeviceMemoryError, FastnnError

__all__ = ["failure", "out_of_memory", "size"]

OUT_OF_MEMORY = 2
LOST = frozenset({214, 700, 702, 710, 714, 715, 716, 717, 718, 719})
"""After these, every call of the process fails: CUDA does not let a context go on."""

_OTHER_GPU = (
    "the kernel was compiled for another GPU or for a newer driver: update the driver, or empty the cache "
    "folder that fastnn doctor names"
)
_CAPTURE = "record launches, copies and zeroing only; what they use is allocated and loaded before"
_DESTROYED = "something in this process has reset the GPU or destroyed its context: start a new process"
HINTS = {
    1: "an address or a size is outside of what was allocated, or not what the call takes",
    3: "CUDA does not survive a fork: start worker processes by multiprocessing's 'spawn' or 'forkserver'",
    46: "another process has the GPU for itself: end it, or nvidia-smi -c DEFAULT",
    200: _OTHER_GPU,
    201: _DESTROYED,
    209: _OTHER_GPU,
    218: _OTHER_GPU,
    222: _OTHER_GPU,
    701: "fewer threads in a block, or less shared memory",
    702: "the GPU also drives a screen, and the system ends kernels that take long: a smaller batch",
    709: _DESTROYED,
    720: "at most as many blocks as the GPU holds at once (Gpu.blocks_at_once)",
    802: "the GPUs of this machine are not ready: start its fabric manager (systemctl start nvidia-fabricmanager)",
    803: "the driver was updated and the old one still runs: restart the machine",
    804: "an NVIDIA driver that fits this GPU: take CUDA's compat folder out of LD_LIBRARY_PATH",
    999: "restart the machine, or sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm",
    **dict.fromkeys(range(900, 909), _CAPTURE),
}
_LOST_HINT = (
    "a kernel that ran before did this, and this process cannot use the GPU any more: start a new one; "
    "compute-sanitizer python ... finds the kernel"
)


def failure(
    driver: Any, code: int, call: str, what: str, got: object = None, expected: object = None
) -> FastnnError:
    """The error for a call that returned `code`; `what` says what was attempted: "launching kernel 'affine'"."""
    number = int(code)
    text = f"{what} failed: {call} gives {_name(driver, code)}"
    if number == OUT_OF_MEMORY:
        return DeviceMemoryError(
            text, got=got, expected=expected, hint="a smaller batch, or end what else uses the GPU"
        )
    return DeviceError(
        text, got=got, expected=expected, hint=_LOST_HINT if number in LOST else HINTS.get(number)
    )


def out_of_memory(nbytes: int, what: str, free: int, total: int, name: str) -> DeviceMemoryError:
    """The error for memory that does not fit."""
    needs = f"{what} needs {size(nbytes)}" if what else f"{size(nbytes)} are needed"
    return DeviceMemoryError(
        f"{needs}, more than the GPU has free",
        got=f"{size(free)} free of {size(total)} ({name})",
        hint="a smaller batch, data that stay on the host, or end what else uses the GPU (nvidia-smi lists it)",
    )


def size(nbytes: int) -> str:
    """Bytes for people, in powers of 1000.

    >>> size(1536), size(85_029_158_912)
    ('1.54 kB', '85 GB')
    """
    value, unit = float(nbytes), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def _name(driver: Any, code: int) -> str:
    """CUDA_ERROR_INVALID_VALUE (invalid argument); the number alone where there are no words for it."""
    words = []
    for ask in (driver.cuGetErrorName, driver.cuGetErrorString):
        unknown, text = ask(code)
        if text and not unknown:
            words.append(text.decode(errors="replace"))
    return f"{words[0]} ({', '.join([*words[1:], f'error {int(code)}'])})" if words else f"error {int(code)}"
