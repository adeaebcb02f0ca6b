"""fastnn: fast small and medium neural networks on Numba, open to plugins written as plain Python functions.

>>> import fastnn as fnn
>>> net = fnn.Network(64, [fnn.Dense(32, "relu"), fnn.Dense(10)], seed=0)
>>> net
<Network (64,) -> (10,), 2 layers, 2,410 parameters, float32>
"""

from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from fastnn import datasets, onnx, ops, zoo
from fastnn.callbacks import Callback, Checkpoint, CSVLog, EarlyStopping, LambdaCallback
from fastnn.contracts import Activation, Initializer, Layer, Loss, RowActivation, Rule, Schedule, Solver
from fastnn.errors import (
    CapabilityError,
    DataError,
    DeviceError,
    DeviceMemoryError,
    DivergedError,
    FastnnError,
    MissingExtraError,
    PluginError,
    PluginWarning,
    SettingError,
    ShapeError,
    StorageError,
    UnknownNameError,
)
from fastnn.history import History
from fastnn.hookspecs import hookimpl
from fastnn.namespaces import activations, initializers, layers, losses, optimizers, schedules
from fastnn.network import Network
from fastnn.objective import Objective
from fastnn.rbm import RBM, DeepBelief
from fastnn.registry import register, registry
from fastnn.scaling import Scaler
from fastnn.storage import load

if TYPE_CHECKING:
    from fastnn.onnx import from_onnx

__version__ = _version("fastnn")

__all__ = [
    "RBM",
    "Activation",
    "CSVLog",
    "Callback",
    "CapabilityError",
    "Checkpoint",
    "DataError",
    "DeepBelief",
    "DeviceError",
    "DeviceMemoryError",
    "DivergedError",
    "EarlyStopping",
    "FastnnError",
    "History",
    "Initializer",
    "LambdaCallback",
    "Layer",
    "Loss",
    "MissingExtraError",
    "Network",
    "Objective",
    "PluginError",
    "PluginWarning",
    "RowActivation",
    "Rule",
    "Scaler",
    "Schedule",
    "SettingError",
    "ShapeError",
    "Solver",
    "StorageError",
    "UnknownNameError",
    "activations",
    "datasets",
    "from_onnx",
    "hookimpl",
    "initializers",
    "layers",
    "load",
    "losses",
    "onnx",
    "ops",
    "optimizers",
    "register",
    "registry",
    "schedules",
    "zoo",
]


def __getattr__(name: str) -> Any:
    """Layers by their class names, fastnn.Dense, built-in or of a plugin: looked up in the registry. And what is imported when it is asked for."""
    if name == "from_onnx":
        return onnx.from_onnx
    if name[:1].isupper():
        try:
            layer = getattr(layers, name)
        except AttributeError:
            pass
        else:
            return layer
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is here, and the registered layers."""
    return sorted({*globals(), "from_onnx", *(entry.object.__name__ for entry in registry.entries("layer"))})
