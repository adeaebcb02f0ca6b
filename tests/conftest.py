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

REFERENCES = {
    "PyTorch": "torch",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "SciPy": "scipy",
    "scikit-learn": "sklearn",
}


def pytest_configure() -> None:
    """A shell starts what runs in the background with Ctrl-C ignored, and every child inherits that: tests that press it would wait for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
LEFT_OUT = pytest.StashKey[tuple[int, str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need a GPU are left out where there is none, and the closing line says so; the simulator takes the tiny ones."""
    of_gpu = [item for item in items if item.get_closest_marker("cuda")]
    if not of_gpu:
        return
    why, left = no_gpu(), of_gpu
    if SIMULATED:
        left = [item for item in of_gpu if not item.get_closest_marker("tiny")]
        why = "too large for the simulator"
    if why is None or not left:
        return
    config.stash[LEFT_OUT] = len(left), why
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]


def no_gpu() -> str | None:
    """Why no GPU can be used, in one line; None where one can."""
    from fastnn.cuda import presence

    why = presence.why_not()
    return None if why is None else "; ".join(why.splitlines())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in (devices(), gpu(terminalreporter, config), references()):
        terminalreporter.write_line(line)


def gpu(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> str:
    """Whether a GPU, the simulator or nothing ran the tests that are marked `cuda`."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    ran = sum(report.when == "call" and "cuda" in report.keywords for report in reports)
    left, why = config.stash.get(LEFT_OUT, (0, ""))
    out = f"{left} tests were left out: {why}" if left else ""
    if SIMULATED:
        return f"CUDA simulator: {ran} tests ran on it" + f"; {out}" * bool(left)
    if left:
        return f"no GPU ran anything; {out}"
    if not ran:
        return "no GPU ran anything: no test that needs one was chosen"
    from fastnn.cuda import presence

    device = presence.devices()[0]
    return f"GPU: {ran} tests ran on an {device.name} (compute capability {device.cc[0]}.{device.cc[1]})"


def devices() -> str:
    from fastnn.cpu import core_count
    from fastnn.cpu.vector import register_bytes

    cpu = f"CPU ({platform.machine()}, {core_count()} cores, {8 * register_bytes()}-bit registers)"
    if importlib.util.find_spec("numba_cuda") is None:
        return f"devices: {cpu}; nothing was compiled for CUDA: numba-cuda is not installed"
    return f"devices: {cpu}; kernels were compiled by numba-cuda {importlib.metadata.version('numba-cuda')}"


def references() -> str:
    there, absent = [], []
    for name, module in REFERENCES.items():
        if importlib.util.find_spec(module) is None:
            absent.append(name)
        else:
            there.append(f"{name} {importlib.import_module(module).__version__}")
    line = f"outside references: {', '.join(there) or 'none'}"
    return line + (f"; not installed, so not compared with: {', '.join(absent)}" if absent else "")
