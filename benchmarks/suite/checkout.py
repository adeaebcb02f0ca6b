"""Modules of this checkout by their file, whichever fastnn is being measured: yesterday's commit is measured as today's is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def load(file: str) -> ModuleType:
    """The module in ROOT/file; asv lets the suite import nothing that lies beside it."""
    name = "checkout_" + Path(file).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
