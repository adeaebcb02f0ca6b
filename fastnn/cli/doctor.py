"""fastnn doctor: what this machine has, what is missing, and why.

Every look is taken in its own try: whatever is broken here, the doctor reports it and goes on.
"""

from __future__ import annotations

import os
import platform
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
    """The GPUs, their memory and their driver, and what is absent of driver, toolkit wheels and device, with the step that mends it."""
    from fastnn.cuda import presence

    lines = _lines(presence.why_not)
    return "\n".join([*(["no:", *lines] if lines else []), *_lines(_devices), *_lines(_driver)])


def _lines(look: Callable[[], str | None]) -> list[str]:
    """A look that has nothing to say says nothing; one that breaks leaves the others to say what they see."""
    try:
        text = look()
    except Exception as error:  # noqa: BLE001  as above
        return [f"cannot tell: {type(error).__name__}: {error}"]
    return [text] if text else []


def _devices() -> str:
    from fastnn.cuda import presence
    from fastnn.cuda.failure import size

    lines = []
    for name, cc, total, free in presence.devices():
        memory = f"{size(free)} free of {size(total)}" if free is not None else size(total)
        lines.append(f"{name}, compute capability {cc[0]}.{cc[1]}, memory {memory}")
    return "\n".join(lines)


def _driver() -> str | None:
    from fastnn.cuda import presence

    version = presence.driver_version()
    return None if version is None else f"driver {version}"
