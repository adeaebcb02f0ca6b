"""Places in arrays, in 32 bits and without a division: by the words of reciprocal.py."""

from __future__ import annotations

import numpy as np

from fastnn.cuda.toolkit import inlined

__all__ = ["parted", "place_of", "quotient", "split"]


@inlined
def quotient(n, M, s):  # type: ignore[no-untyped-def]
    """n // d; n is an int32 that is not negative, M a uint32."""
    return np.int32((np.uint64(np.uint32(n)) * np.uint64(M)) >> np.uint64(s))


@inlined
def parted(w, at, n):  # type: ignore[no-untyped-def]
    """(n // d, n % d) by the three words of d."""
    whole = quotient(n, np.uint32(w[at]), w[at + 1])
    return whole, np.int32(n - whole * w[at + 2])


@inlined
def split(w, at):  # type: ignore[no-untyped-def]
    """The words of a split from number `at` on, as a tuple."""
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
