"""Hypothesis settings for all tests, and closing lines that say which devices and outside references took part."""

import importlib.metadata
import importlib.util
import os

import pytest
from hypothesis import settings

settings.register_profile(
    "every run the same", deadline=None, derandomize=True, max_examples=25, print_blob=True
)
settings.register_profile("explore", deadline=None, max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "every run the same"))

REFERENCES = {"torch": "PyTorch", "scipy": "SciPy", "sklearn": "scikit-learn", "onnxruntime": "ONNX Runtime"}
DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    there, absent = [], []
    for module, name in REFERENCES.items():
        if importlib.util.find_spec(module) is None:
            absent.append(name)
        else:
            there.append(f"{name} {importlib.metadata.version(DISTRIBUTIONS.get(module, module))}")
    line = f"outside references: {', '.join(there) or 'none'}"
    terminalreporter.write_line(
        line + (f"; not installed, so not compared with: {', '.join(absent)}" if absent else "")
    )
