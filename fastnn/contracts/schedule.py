"""A learning-rate schedule: eta_t for an array of step numbers t = 0, 1, 2, ..."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.contracts.part import Function, Part
from fastnn.errors import PluginError

_WARMUP = "warmup >= 0"


@dataclass(frozen=True, eq=False, repr=False)
class Schedule(Part):
    """eta_t, with warm-up: eta_t = values(eta, t) min(1, (t + 1) / warmup).

    values(eta, t, ...) -> array as t; plain NumPy. Further arguments by name: `steps` (planned in all),
    `epoch_steps` (steps in an epoch) and own settings. Every schedule has the setting `warmup` (a number of
    steps, default 0), which this class applies.

    >>> import numpy as np
    >>> def values(eta, t): return eta / np.sqrt(t + 1)
    >>> Schedule("inverse_sqrt", values)(warmup=2).rates(1.0, [0, 1, 3], steps=4)
    array([0.5       , 0.70710678, 0.5       ])
    """

    noun: ClassVar[str] = "schedule"
    compiled: ClassVar[bool] = False

    name: str
    values: Function

    def __post_init__(self) -> None:
        if "warmup" not in self.defaults:
            object.__setattr__(self, "defaults", {**self.defaults, "warmup": 0})
        if _WARMUP not in self.domain:
            object.__setattr__(self, "domain", (*self.domain, _WARMUP))
        super().__post_init__()
        self._check("values", self.values, ("eta", "t"), also=("steps", "epoch_steps"))

    def rates(self, eta: float, t: ArrayLike, *, steps: int, epoch_steps: int = 1) -> NDArray[np.float64]:
        """eta_t for the step numbers `t` (from 0), of `steps` planned in all, `epoch_steps` an epoch."""
        t = np.asarray(t, dtype=np.float64)
        known: dict[str, Any] = {"steps": steps, "epoch_steps": epoch_steps, **self.settings}
        wanted = {name: known[name] for name in _names(self.values)}
        values = np.asarray(self.values(eta, t, **wanted), dtype=np.float64)
        if values.shape not in ((), t.shape):
            raise PluginError(
                f"schedule {self.name!r} gave the wrong shape",
                got=f"{values.shape}",
                expected=f"that of t, {t.shape}",
            )
        rates = np.broadcast_to(values, t.shape)
        warmup = self.settings["warmup"]
        return rates * np.minimum(1.0, (t + 1) / warmup) if warmup > 0 else rates.copy()


@lru_cache(maxsize=100)
def _names(values: Function) -> tuple[str, ...]:
    """What a schedule's function asks for beside eta and t; every epoch wants to know."""
    return tuple(inspect.signature(values).parameters)[2:]
