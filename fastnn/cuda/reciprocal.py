"""Whole division by a multiplication:  n // d = (n M) >> s  for 0 <= n < 2^31

M = ceil(2^s / d) with s = 31 + ceil(log2 d) fits 32 bits, and is near enough: M d - 2^s < d <= 2^(s - 31) (Granlund and Montgomery, 1994, theorem
4.2). A GPU divides by 20 to 100 instructions; this is three. The host finds M and s, once, among a stage's words; places.py uses them.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SPLIT", "reciprocal", "split_words"]

SPLIT = 6
"""Words of a split."""


def reciprocal(d: int) -> tuple[int, int]:
    """(M, s) of a divisor from 1 to 2^31 - 1."""
    shift = 31 + (d - 1).bit_length()
    return -(-(1 << shift) // d), shift


def split_words(extents: Sequence[int]) -> list[int]:
    """What finds a place in an array of three axes, of which the last two have these extents: reciprocal and size of both together, and of the last."""
    last, both = max(extents[1], 1), max(extents[0] * extents[1], 1)
    return [*reciprocal(both), both, *reciprocal(last), last]
