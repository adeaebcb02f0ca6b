"""Parameters by name, as views of theta, and their first values."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.graph import Parameter

__all__ = ["Views", "first_values"]

Array = NDArray[Any]


class Views(Mapping[str, Array]):
    """The parameters by name, as views of theta."""

    def __init__(self, parameters: Mapping[str, Parameter], theta: Array) -> None:
        self._parameters, self._theta = parameters, theta

    def __getitem__(self, name: str) -> Array:
        p = self._parameters[name]
        return self._theta[p.offset : p.offset + p.size].reshape(p.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)


def first_values(parameter: Parameter, seed: int) -> Array:
    """What the initializer draws; it depends on the seed and on the parameter's name, not on what was drawn before."""
    rng = np.random.default_rng([seed % 2**32, zlib.crc32(parameter.name.encode())])
    values: Array = parameter.initializer.draw(rng, parameter.shape, *_fans(parameter))
    return values


def _fans(parameter: Parameter) -> tuple[int, int]:
    """What a unit reads and what reads an input: W is (n_out, n_in, ...)."""
    if len(parameter.shape) < 2:
        return parameter.size, parameter.size
    field = parameter.size // (parameter.shape[0] * parameter.shape[1])
    return parameter.shape[1] * field, parameter.shape[0] * field
