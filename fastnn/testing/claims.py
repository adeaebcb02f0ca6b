"""What every check ends in: a claim that holds, or an AssertionError with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["difference", "nearest_difference", "require", "require_equal", "require_same_bits"]

Array = NDArray[Any]
STEP = 1e-3


def require(holds: object, sentence: str) -> None:
    """Raise AssertionError(sentence) unless it holds. (`assert` would be gone under python -O.)"""
    if not holds:
        raise AssertionError(sentence)


def require_equal(
    got: ArrayLike,
    expected: ArrayLike,
    what: str,
    expected_is: str,
    at: Callable[[tuple[int, ...]], str],
    *,
    rel: float,
    abs: float,
) -> None:
    """Numbers agree, NaN with NaN; the sentence names the worst place, in the words of `at`."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - expected)
        excess = error / (abs + rel * np.abs(expected))
    excess = np.where(
        (got == expected) | (np.isnan(got) & np.isnan(expected)),
        0.0,
        np.where(np.isnan(excess), np.inf, excess),
    )
    if excess.size and excess.max() > 1:
        worst = tuple(int(k) for k in np.unravel_index(int(excess.argmax()), excess.shape))
        raise AssertionError(
            f"{what} {at(worst)}: got {got[worst]:.10g}, but {expected_is} {expected[worst]:.10g}"
        )


def require_same_bits(got: ArrayLike, expected: ArrayLike, sentence: str) -> None:
    """Two arrays hold the same bits."""
    got, expected = np.ascontiguousarray(got), np.ascontiguousarray(expected)
    require(got.dtype == expected.dtype and got.tobytes() == expected.tobytes(), sentence)


def difference(f: Callable[[float], Any], h: float = STEP) -> Any:
    """Derivative of f at 0 by a central difference of fourth order: the error is h^4 / 30 times the fifth derivative."""
    return (8.0 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12.0 * h)


def nearest_difference(f: Callable[[float], Array], got: Array) -> Array:
    """Of the differences for two steps the nearer to `got`, place by place: what spoils one (a kink within it, a strong bend, rounding)
    spares the other, and a wrong derivative is near neither."""
    one, other = difference(f, STEP), difference(f, STEP / 30)
    nearest: Array = np.where(np.abs(one - got) <= np.abs(other - got), one, other)
    return nearest
