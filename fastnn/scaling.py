"""Feature scaling, feature by feature over the training set, kept with the network: it takes raw inputs.

    standardise    x' = (x - mean) / deviation                            mean 0, deviation 1
    min_max        x' = low + (high - low) (x - min) / (max - min)        between low and high

Both are x' = (x - shift) / scale. The deviation divides by n. A constant feature has scale 1: it becomes 0 or
`low`. Source: the lecture notes, feature scaling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.errors import DataError, SettingError, ShapeError, UnknownNameError

Array = NDArray[Any]

KINDS = ("standardise", "min_max")
_ALIASES = {"standardize": "standardise", "standard": "standardise", "minmax": "min_max"}
_CHUNK = 1 << 18  # numbers scaled at a time, in float64: small beside the data


@dataclass(frozen=True, eq=False)
class Scaler:
    """x' = (x - shift) / scale, one shift and one scale a feature; both float64, shaped as one sample.

    >>> import numpy as np
    >>> X = np.array([[1.0, 5.0], [3.0, 5.0]])
    >>> Scaler.standardise(X).transform(X)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> Scaler.min_max(X, low=-1).transform(X)
    array([[-1., -1.],
           [ 1., -1.]])
    """

    kind: str
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def standardise(cls, X: ArrayLike) -> Scaler:
        """The scaler after which every feature of X has mean 0 and deviation 1."""
        values, low, high = _range(X)
        constant = low == high
        with np.errstate(over="ignore", invalid="ignore"):
            shift = np.where(constant, low, _mean(values, lambda x: x))
            scale = np.where(constant, 1.0, np.sqrt(_mean(values, lambda x: (x - shift) ** 2)))
        return cls._checked("standardise", shift, scale)

    @classmethod
    def min_max(cls, X: ArrayLike, low: float = 0.0, high: float = 1.0) -> Scaler:
        """The scaler after which every feature of X goes from `low` to `high`."""
        if not (np.isfinite([low, high]).all() and low < high):
            raise SettingError("min_max scaling needs low < high", got=f"low={low!r}, high={high!r}")
        _, least, most = _range(X)
        with np.errstate(over="ignore", invalid="ignore"):
            scale = np.where(least == most, 1.0, (most - least) / (high - low))
            shift = least - low * scale
        return cls._checked("min_max", shift, scale)

    @classmethod
    def _checked(cls, kind: str, shift: Array, scale: Array) -> Scaler:
        fits = np.isfinite(shift) & np.isfinite(scale) & (scale > 0)
        if not fits.all():
            where = tuple(int(i) for i in np.argwhere(~fits)[0])
            raise DataError(
                f"feature {_name(where)} cannot be scaled: its range does not fit float64",
                hint="change its unit",
            )
        return cls(kind, shift, scale)

    def transform(self, X: ArrayLike) -> Array:
        """(X - shift) / scale, computed in float64, in X's own dtype (float64 for integers)."""
        return self._apply(X, lambda x: (x - self.shift) / self.scale)

    def inverse(self, X: ArrayLike) -> Array:
        """X scale + shift: the raw features again."""
        return self._apply(X, lambda x: x * self.scale + self.shift)

    def _apply(self, X: ArrayLike, function: Callable[[Array], Array]) -> Array:
        values = np.asarray(X)
        if values.ndim == 0 or values.shape[1:] != self.shift.shape:
            raise ShapeError(
                "the scaler was made for other features",
                got=f"X.shape = {values.shape}",
                expected=f"(batch, {', '.join(map(str, self.shift.shape))})",
            )
        kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.float64
        out = np.empty(values.shape, kind)
        for part in _parts(values):
            out[part] = function(values[part].astype(np.float64))
        return out

    def config(self) -> dict[str, Any]:
        """What rebuilds the scaler beside its arrays; fit for JSON."""
        return {"kind": self.kind}

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """{"shift", "scale"}, for storage."""
        return {"shift": self.shift, "scale": self.scale}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], arrays: Mapping[str, Array]) -> Scaler:
        """The scaler that gave `config()` and `arrays()`."""
        return cls(config["kind"], np.array(arrays["shift"], float), np.array(arrays["scale"], float))

    def __repr__(self) -> str:
        return f"<Scaler {self.kind}, features {self.shift.shape}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scaler):
            return NotImplemented
        return self.kind == other.kind and all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(self.arrays().values(), other.arrays().values(), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]


def make(kind: str | Scaler, X: ArrayLike) -> Scaler:
    """The scaler of this kind ("standardise" or "min_max") for X; a Scaler stays as it is."""
    if isinstance(kind, Scaler):
        return kind
    name = _ALIASES.get(kind, kind)
    if name not in KINDS:
        raise UnknownNameError.among("scaling", kind, KINDS)
    scaler: Scaler = getattr(Scaler, name)(X)
    return scaler


def _range(X: ArrayLike) -> tuple[Array, NDArray[np.float64], NDArray[np.float64]]:
    """X as an array with the least and the greatest value of each feature; refuses what has none."""
    values = np.asarray(X)
    if values.ndim == 0 or len(values) == 0 or not np.issubdtype(values.dtype, np.number):
        raise DataError(
            "scaling needs numbers, one row a sample", got=f"{values.dtype}, shape {values.shape}"
        )
    low = values.min(axis=0).astype(np.float64)
    high = values.max(axis=0).astype(np.float64)
    fits = np.isfinite(low) & np.isfinite(high)
    if not fits.all():
        where = tuple(int(i) for i in np.argwhere(~fits)[0])
        column = values.reshape(len(values), low.size)[:, np.flatnonzero(~fits)[0]]
        row = int(np.argmin(np.isfinite(column)))
        raise DataError(f"feature {_name(where)} has {column[row]} in row {row}", expected="finite numbers")
    return values, low, high


def _parts(values: Array) -> Iterator[slice]:
    rows = max(1, _CHUNK * len(values) // max(1, values.size))
    return (slice(start, start + rows) for start in range(0, len(values), rows))


def _mean(values: Array, of: Callable[[Array], Array]) -> Array:
    """The mean of a function over the samples, in float64, without a copy of the whole."""
    parts = [of(values[part].astype(np.float64)).sum(axis=0) for part in _parts(values)]
    return np.asarray(np.sum(parts, axis=0) / len(values))


def _name(where: tuple[int, ...]) -> str:
    return str(where[0]) if len(where) == 1 else str(where)
