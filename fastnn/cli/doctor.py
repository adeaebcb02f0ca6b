"""fastnn doctor: what this machine has, what is missing, and why.

Every look is taken in its own try: whatever is broken here, the doctor reports it and goes on.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable

import click

CORE = ("numba", "llvmlite", "numpy", "pluggy", "safetensors", "rich", "click")
EXTRAS = {
    "matplotlib": "plot",
    "pandas": "tables",
    "pyarrow": "tables",
    "scikit-learn": "sklearn",
    "numba-cuda": "cuda",
}
VECTORS = (
    "sse4.2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512vl",
    "avx512bf16",
    "amx-tile",
    "neon",
    "sve",
    "sve2",
)


@click.command(
    "doctor",
    epilog="\b\nExamples:\n  fastnn doctor\n  fastnn doctor --json",
    short_help="Look at this machine: versions, threads, CUDA.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(as_json: bool) -> int:
    """Versions, processor, threads, cache folder, plugins, CUDA: what there is, or the reason why not."""
    looks: dict[str, Callable[[], str]] = {
        "fastnn": lambda: f"{_version('fastnn')}, Python {platform.python_version()}, {platform.platform()}",
        "packages": lambda: ", ".join(f"{name} {_version(name)}" for name in CORE),
        "extras": _extras,
        "processor": _processor,
        "threads": _threads,
        "cache": _cache,
        "plugins": _plugins,
        "CUDA": _cuda,
    }
    findings = {name: _look(look) for name, look in looks.items()}
    if as_json:
        import json

        click.echo(json.dumps(findings, indent=2))
        return 0
    try:
        from fastnn.cli import show

        show.show(show.facts(list(findings.items())))
    except Exception:  # noqa: BLE001  rich itself may be what is broken
        for name, text in findings.items():
            click.echo(f"{name:<12} {text}")
    return 0


def _look(look: Callable[[], str]) -> str:
    try:
        return look()
    except Exception as error:  # noqa: BLE001  that is what a doctor is for
        return f"cannot tell: {type(error).__name__}: {error}"


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _extras() -> str:
    found = {name: _version(name) for name in EXTRAS}
    there = [f"{name} {version}" for name, version in found.items() if not version.startswith("(")]
    lacking = [f'{n}: pip install "fastnn[{EXTRAS[n]}]"' for n, v in found.items() if v.startswith("(")]
    return ", ".join(there or ["none"]) + "".join(f"\nno {line}" for line in lacking)


def _processor() -> str:
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    has = [name for name in VECTORS if features.get(name)]
    text = f"{binding.get_host_cpu_name()} ({platform.machine()}): {', '.join(has) or 'no vector instructions known'}"
    named = os.environ.get("NUMBA_CPU_NAME")
    return f"{text}\nNUMBA_CPU_NAME={named} overrides this" if named else text


def _threads() -> str:
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{here} processor{'' if here == 1 else 's'} for this process, {os.cpu_count()} in the machine"
    quota = _quota()
    return f"{text}; a quota of {quota:.3g} processors (cgroup)" if quota is not None else text


def _quota() -> float | None:
    """Processors that a container may use, where it is limited."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _cache() -> str:
    import tempfile

    from fastnn.compile import cache_folder

    folder = cache_folder()
    kernels = list(folder.glob("fastnn_unit_*.py"))
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            state = "writable"
    except OSError as error:
        state = f"NOT writable: {error.strerror}"
    text = f"{folder} ({state}): {len(kernels)} units, {used / 1e6:.1f} MB"
    if folder.name.startswith("fastnn-") and folder.parent == type(folder)(tempfile.gettempdir()):
        text += "\na temporary folder, compiled anew in every process; set FASTNN_CACHE_DIR to a folder you can write to"
    return text


def _plugins() -> str:
    import warnings

    from fastnn.registry import registry

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entries, problems = registry.entries(), registry.problems()
    others = sorted({entry.distribution for entry in entries} - {"fastnn"})
    text = f"{len(entries)} registered" + (f", also by {', '.join(others)}" if others else "")
    return "\n".join([text, *(f"problem: {problem}" for problem in problems)])


def _cuda() -> str:
    """The GPU, or the first reason why there is none to use."""
    import ctypes
    from importlib.util import find_spec

    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return f"no: there is no NVIDIA driver here ({library} is not found)"
    code = driver.cuInit(0)
    if code:
        return (
            f"no: the NVIDIA driver does not start (cuInit gives error {code}: {_cuda_error(driver, code)})"
        )
    count = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    devices = []
    for number in range(count.value):
        name, major, minor = ctypes.create_string_buffer(128), ctypes.c_int(), ctypes.c_int()
        driver.cuDeviceGetName(name, 128, number)
        driver.cuDeviceGetAttribute(ctypes.byref(major), 75, number)  # compute capability
        driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, number)
        devices.append(
            f"{name.value.decode(errors='replace')} (compute capability {major.value}.{minor.value})"
        )
    if not devices:
        return "no: the driver sees no GPU"
    version = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    found = f"{', '.join(devices)}, driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    if find_spec("numba_cuda") is None:
        return f'no: {found}; but numba-cuda is not installed: pip install "fastnn[cuda]"'
    return found


def _cuda_error(driver: object, code: int) -> str:
    import ctypes

    text = ctypes.c_char_p()
    getattr(driver, "cuGetErrorString")(code, ctypes.byref(text))  # noqa: B009  the library's own name
    return text.value.decode() if text.value else "unknown"
