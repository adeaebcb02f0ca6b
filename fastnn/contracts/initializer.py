"""An initializer: the first values of a parameter, from a random generator, its shape and its fans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts.part import Function, Part
from fastnn.errors import PluginError


@dataclass(frozen=True, eq=False, repr=False)
class Initializer(Part):
    """First values of a parameter.

    values(rng, shape, fan_in, fan_out, ...) -> float64 array of `shape`; plain NumPy. `fan_in` and `fan_out`
    count what a unit reads and what reads an input; W is (n_out, n_in).

    >>> import numpy as np
    >>> def values(rng, shape, fan_in, fan_out, scale): return np.full(shape, scale / fan_in)
    >>> Initializer("flat", values, defaults={"scale": 1.0}).draw(np.random.default_rng(0), (1, 4), 4, 1)
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    noun: ClassVar[str] = "initializer"
    compiled: ClassVar[bool] = False

    name: str
    values: Function

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("values", self.values, ("rng", "shape", "fan_in", "fan_out"))

    def draw(
        self, rng: np.random.Generator, shape: Sequence[int], fan_in: int, fan_out: int
    ) -> NDArray[np.float64]:
        """The values, checked for their shape."""
        shape = tuple(shape)
        settings = {name: self.settings[name] for name in self.takes(self.values)}
        array = np.asarray(self.values(rng, shape, fan_in, fan_out, **settings), dtype=np.float64)
        if array.shape != shape:
            raise PluginError(
                f"initializer {self.name!r} gave the wrong shape", got=f"{array.shape}", expected=f"{shape}"
            )
        if not np.isfinite(array).all():
            raise PluginError(
                f"initializer {self.name!r} gave numbers that are not finite",
                got=f"{array[~np.isfinite(array)][0]}",
            )
        return array
