"""Whole division by a multiplication:  n // d = (n M) >> s  for 0 <= n < 2^31

M = ceil(2^s / d) with s = 31 + ceil(log2 d) fits 32 bits, and is near enough: M d - 2^s < d <= 2^(s - 31) (Granlund and Montgomery, 1994, theorem
4.2). A GPU divides by a call of some 20 (32 bits) to 100 (64 bits) instructions; this is two. The host finds M and s, once, among a stage's words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastnn.cuda.toolkit import inlined

__all__ = ["SPLIT", "place_of", "quotient", "reciprocal", "split", "split_words"]

SPLIT = 6
"""Words of a split."""


def reciprocal(d: int) -> tuple[int, int]:
    """(M, s) of a divisor from 1 to 2^31 - 1."""
    shift = 31 + (d - 1).bit_length()
    return -(-(1 << shift) // d), shift


@inlined
def quotient(n, M, s):  # type: ignore[no-untyped-def]
    """n // d; n is an int32 that is not negative, M a uint32."""
    return np.int32((np.uint64(np.uint32(n)) * np.uint64(M)) >> np.uint64(s))


def split_words(extents: Sequence[int]) -> list[int]:
    """The words that `split` reads: for a place in an array of three axes, of which the last two have these extents."""
    last, both = max(extents[1], 1), max(extents[0] * extents[1], 1)
    return [*reciprocal(both), both, *reciprocal(last), last]


@inlined
def split(w, at):  # type: ignore[no-untyped-def]
    """The words from number `at` on as a tuple."""
    return (
        np.uint32(w[at]), np.int32(w[at + 1]), np.int32(w[at + 2]),
        np.uint32(w[at + 3]), np.int32(w[at + 4]), np.int32(w[at + 5]),
    )  # fmt: skip


@inlined
def place_of(n, by):  # type: ignore[no-untyped-def]
    """(axis 0, axis 1, axis 2) of element n; `by` is a split."""
    first = quotient(n, by[0], by[1])
    rest = np.int32(n - first * by[2])
    second = quotient(rest, by[3], by[4])
    return first, second, np.int32(rest - second * by[5])
