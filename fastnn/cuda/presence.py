"""What of a GPU is there: the driver, NVIDIA's compiler wheels, a device. Asked through the driver's own C functions, without any wheel."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import os
import sys
from typing import Any, NamedTuple

__all__ = ["Device", "absent_wheels", "devices", "driver_version", "wheel_versions", "why_not"]

EXTRA = 'pip install "fastnn[cuda]"'
WHEELS = {
    "cuda-bindings": (("cuda-bindings",), None),
    "numba-cuda": (("numba-cuda",), None),
    "nvidia-nvvm": (("nvidia-nvvm", "nvidia-cuda-nvcc-cu12"), "nvvm"),
    "nvidia-nvjitlink": (("nvidia-nvjitlink", "nvidia-nvjitlink-cu12"), "nvJitLink"),
}
"""Name: (distributions that bring it, the library to look for where none of them is installed: conda and NVIDIA's own installer have it too)."""

OLDEST_DRIVER = {12: 525, 13: 580}
"""The first driver that runs programs of this major version of CUDA."""

OLDEST_DEVICE = {12: (5, 0), 13: (7, 5)}
"""The first compute capability that the compiler of this major version makes code for."""

_NO_DEVICE = 100
_STEPS = {
    3: "this process was forked from one that used CUDA: start it by multiprocessing's 'spawn'",
    34: "the library found is the stub for linking: take the toolkit's folder stubs out of LD_LIBRARY_PATH",
    802: "sudo systemctl start nvidia-fabricmanager",
    803: "the driver was updated while the old one runs: restart the machine",
    804: "take CUDA's folder compat out of LD_LIBRARY_PATH",
}


class Device(NamedTuple):
    """A GPU as the driver describes it; None where it does not tell."""

    name: str
    cc: tuple[int, int]
    total_bytes: int
    free_bytes: int | None


def why_not() -> str | None:
    """What is absent between this process and a GPU, a line each with the step that mends it; None where nothing is.

    Starts CUDA in this process, as every use of it does: children that are forked later cannot use it.
    """
    lines = [line for look in (_driver_lacks, _wheels_lack, _device_lacks) if (line := look())]
    return "\n".join(lines) or None


def driver_version() -> str | None:
    """The driver's own version and the newest CUDA it knows, as "580.65.06, for CUDA 13.0"; None without a driver."""
    library = _library()
    if library is None:
        return None
    major, minor = _cuda_version(library)
    own = _management(lambda nvml: _text(nvml.nvmlSystemGetDriverVersion, 80))
    return (f"{own}, " if own else "") + f"for CUDA {major}.{minor}"


def devices() -> list[Device]:
    """The GPUs that the driver lets this process see; none where it does not start."""
    library = _library()
    if library is None or library.cuInit(0):
        return []
    count = ctypes.c_int()
    library.cuDeviceGetCount(ctypes.byref(count))
    return [_device(library, number) for number in range(count.value)]


def _device(library: Any, number: int) -> Device:
    handle, total = ctypes.c_int(), ctypes.c_size_t()
    library.cuDeviceGet(ctypes.byref(handle), number)
    library.cuDeviceTotalMem_v2(ctypes.byref(total), handle)
    name = _text(library.cuDeviceGetName, 256, handle) or "a GPU without a name"
    cc = (_attribute(library, 75, handle), _attribute(library, 76, handle))
    bus = _text(library.cuDeviceGetPCIBusId, 32, handle)
    free = _management(lambda nvml: _free_bytes(nvml, bus)) if bus else None
    return Device(name, cc, total.value, free)


def _driver_lacks() -> str | None:
    library = _library()
    if library is None:
        if os.path.exists("/proc/driver/nvidia/version"):
            return (
                f"driver: it runs, but this process has no {_NAME}; start the container with --gpus all "
                "and NVIDIA_DRIVER_CAPABILITIES=compute,utility"
            )
        return (
            f"driver: there is no NVIDIA driver here ({_NAME} is not found); install version {OLDEST_DRIVER[13]} or newer "
            "from nvidia.com/drivers, or start the container with --gpus all"
        )
    code = library.cuInit(0)
    if code and code != _NO_DEVICE:
        return f"driver: it does not start ({_reason(library, code)}); {_STEPS.get(code, 'restart the machine, or look at what nvidia-smi says')}"
    return None


def absent_wheels() -> list[str]:
    """Which parts of NVIDIA's toolkit are not installed, by the names of their wheels."""
    return [name for name, (distributions, library) in WHEELS.items() if not _has(distributions, library)]


def wheel_versions() -> str:
    """The versions of all that takes part in compiling, as far as they are known."""
    known = []
    for distributions, _ in WHEELS.values():
        for name in distributions:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                known.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(known)


def _wheels_lack() -> str | None:
    absent = absent_wheels()
    if absent:
        return f"toolkit wheels: {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed; {EXTRA}"
    return None


def _device_lacks() -> str | None:
    """What keeps the first device from being used: none is there, or driver or device are too old for the wheels."""
    library = _library()
    if library is None:
        return None
    code = library.cuInit(0)
    count = ctypes.c_int()
    if code == _NO_DEVICE or (
        not code and not library.cuDeviceGetCount(ctypes.byref(count)) and not count.value
    ):
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        step = (
            "look whether nvidia-smi lists one; in a container, start it with --gpus all"
            if seen is None
            else f"CUDA_VISIBLE_DEVICES={seen!r} hides those that there may be: unset it"
        )
        return f"device: the driver finds no GPU ({_reason(library, code) if code else 'it counts none'}); {step}"
    wheels = _wheels_version()
    if code or wheels is None:
        return None
    major, minor = _cuda_version(library)
    if major < wheels:
        return (
            f"driver: it is for CUDA {major}.{minor}, and the toolkit wheels are for CUDA {wheels}; "
            f"install driver {OLDEST_DRIVER.get(wheels, 'of this year')} or newer"
            + (', or pip install "numba-cuda[cu12]"' if major == 12 else "")
        )
    first = devices()[0]
    if first.cc < OLDEST_DEVICE.get(wheels, (0, 0)):
        needs = ".".join(map(str, OLDEST_DEVICE[wheels]))
        return (
            f"device: {first.name} has compute capability {first.cc[0]}.{first.cc[1]}, and the toolkit wheels start at {needs}; "
            + (
                'pip install "numba-cuda[cu12]"'
                if first.cc >= OLDEST_DEVICE[12] and wheels > 12
                else "use a newer GPU"
            )
        )
    return None


_NAME = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def _library() -> Any:
    """The driver's library, or None."""
    try:
        return ctypes.CDLL(_NAME)
    except OSError:
        return None


def _has(distributions: tuple[str, ...], library: str | None) -> bool:
    for name in distributions:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return True
    if library is None:
        return False
    try:
        importlib.import_module("cuda.pathfinder").load_nvidia_dynamic_lib(library)
    except Exception:  # noqa: BLE001  its errors have no common ancestor, and all mean: not found
        return False
    return True


def _wheels_version() -> int | None:
    """The major version of CUDA that the installed bindings are for."""
    try:
        return int(importlib.metadata.version("cuda-bindings").partition(".")[0])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def _cuda_version(library: Any) -> tuple[int, int]:
    version = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    return version.value // 1000, version.value % 1000 // 10


def _reason(library: Any, code: int) -> str:
    text = ctypes.c_char_p()
    library.cuGetErrorString(code, ctypes.byref(text))
    return f"error {code}: {text.value.decode(errors='replace') if text.value else 'unknown'}"


def _attribute(library: Any, number: int, device: Any) -> int:
    value = ctypes.c_int()
    library.cuDeviceGetAttribute(ctypes.byref(value), number, device)
    return value.value


def _text(call: Any, length: int, *device: Any) -> str | None:
    """What a C function (text, length, device...) writes; None when it returns an error."""
    text = ctypes.create_string_buffer(length)
    return None if call(text, length, *device) else text.value.decode(errors="replace")


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def _management(ask: Any) -> Any:
    """What NVIDIA's management library answers, which takes no memory of the GPU as a context would; None where it cannot tell."""
    try:
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        return ask(nvml) if nvml.nvmlInit_v2() == 0 else None
    except (OSError, AttributeError):  # no such library, or one without these functions
        return None


def _free_bytes(nvml: Any, bus: str) -> int | None:
    handle, memory = ctypes.c_void_p(), _Memory()
    if nvml.nvmlDeviceGetHandleByPciBusId_v2(bus.encode(), ctypes.byref(handle)):
        return None
    return None if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) else int(memory.free)
