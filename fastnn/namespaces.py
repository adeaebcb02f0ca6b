"""Namespaces over the registry: fastnn.optimizers.Adagrad(eta=0.05), fastnn.losses.huber,
fastnn.activations.relu.

>>> optimizers.Adagrad(eta=0.05)
<optimizer adagrad(eta=0.05)>
>>> "cross_entropy" in dir(losses)
True
"""

from __future__ import annotations

from typing import Any

from fastnn.errors import UnknownNameError
from fastnn.registry import registry

__all__ = ["activations", "initializers", "layers", "losses", "optimizers", "schedules"]


class Namespace:
    """Everything registered of one kind, as attributes; case and underscores do not matter."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return registry.find(self._kind, name)
        except UnknownNameError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return registry.names(self._kind)

    def __repr__(self) -> str:
        return f"<{self._kind}s: {', '.join(dir(self))}>"


activations = Namespace("activation")
layers = Namespace("layer")
losses = Namespace("loss")
optimizers = Namespace("optimizer")
schedules = Namespace("schedule")
initializers = Namespace("initializer")
