"""Hypothesis settings for all tests, and closing lines that say which devices and outside references took part."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import signal

import pytest
from hypothesis import settings

settings.register_profile(
    "every run the same", deadline=None, derandomize=True, max_examples=25, print_blob=True
)
settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "every run the same"))

REFERENCES = {"PyTorch": "torch", "SciPy": "scipy", "scikit-learn": "sklearn"}


def pytest_configure() -> None:
    """A shell starts what runs in the background with Ctrl-C ignored, and every child inherits that: tests that press it would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in (devices(), references()):
        terminalreporter.write_line(line)


def devices() -> str:
    from fastnn.cpu import core_count
    from fastnn.cpu.vector import register_bytes

    cpu = f"CPU ({platform.machine()}, {core_count()} cores, {8 * register_bytes()}-bit registers)"
    if importlib.util.find_spec("numba_cuda") is None:
        return f"devices: {cpu}; nothing was compiled for CUDA: numba-cuda is not installed"
    gpu = (
        "a GPU is there"
        if os.path.exists("/dev/nvidiactl")
        else "no GPU, so kernels were compiled and not run"
    )
    return f"devices: {cpu}; CUDA by numba-cuda {importlib.metadata.version('numba-cuda')}, {gpu}"


def references() -> str:
    there, absent = [], []
    for name, module in REFERENCES.items():
        if importlib.util.find_spec(module) is None:
            absent.append(name)
        else:
            there.append(f"{name} {importlib.import_module(module).__version__}")
    line = f"outside references: {', '.join(there) or 'none'}"
    return line + (f"; not installed, so not compared with: {', '.join(absent)}" if absent else "")
