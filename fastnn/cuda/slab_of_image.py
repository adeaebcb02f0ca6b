"""The sides of a convolution on tensor cores: "steps" and both of "image" of sides.py, for the slabs of slab.py.

Steps are read one by one along k, eight rows of one k by a thread; images across k, four k of two columns: whichever way neighbouring k of an image lie,
its taps and pixels share lines of the cache.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn.cuda.mma import address_at, read_real
from fastnn.cuda.places import place_of
from fastnn.cuda.sides import OUTSIDE, column, inside, pixel
from fastnn.cuda.toolkit import cuda, inlined

__all__ = ["of_image", "of_steps"]

ZERO = np.float32(0)


def of_steps(lanes: SimpleNamespace) -> SimpleNamespace:
    """start, read, onward of a thread; held: where its rows begin, how many are inside, its k, and where k ends."""
    SLAB, SLABS, SHARERS, TEAMS, IDLE = lanes.SLAB, lanes.SLABS, lanes.SHARERS, lanes.TEAMS, lanes.IDLE
    PARTS, HALVES, k_of, n_of = lanes.PARTS, lanes.HALVES, lanes.k_of, lanes.n_of

    @inlined
    def start(of, i0, beyond, first, last):  # type: ignore[no-untyped-def]
        t, team = cuda.threadIdx.x & (SHARERS - 1), cuda.threadIdx.x // SHARERS
        i = i0 + t // 32 * 16 + (t // 16 & 1) * 8
        rows = max(min(beyond - i, 8), 0)
        if IDLE and team >= TEAMS:
            rows = 0
        return (
            np.int32(i * of[1] + of[3][3]),
            np.int32(rows),
            np.int32(first + (t & 15) + team * SLAB),
            np.int32(last),
        )

    @inlined
    def read(reals, of, held, left):  # type: ignore[no-untyped-def]
        by = of[3]
        for part in range(PARTS):
            k, n = np.int32(held[2] + k_of(part)), n_of(part)
            m, p, q = place_of(k, of[2])
            at = np.int32(held[0] + m * by[0] + p * by[1] + q * by[2])
            count = held[1] if k < held[3] else np.int32(0)
            for r in range(8):
                index: Any = np.int32(at + r * of[1])
                reals[n + r * HALVES] = read_real(address_at(of[0], index)) if r < count else ZERO

    @inlined
    def onward(held):  # type: ignore[no-untyped-def]
        return held[0], held[1], np.int32(held[2] + SLABS * SLAB), held[3]

    return SimpleNamespace(start=start, read=read, onward=onward)


def of_image(lanes: SimpleNamespace, points: bool) -> SimpleNamespace:
    """start, read, onward of a thread; held: (y, x, place) of both its columns for the first k, its k, and where k ends."""
    SLAB, SLABS, SHARERS, TEAMS, IDLE = lanes.SLAB, lanes.SLABS, lanes.SHARERS, lanes.TEAMS, lanes.IDLE
    PARTS, HALVES, k_of, n_of = lanes.PARTS, lanes.HALVES, lanes.k_of, lanes.n_of
    SIXTEENS, HALF = lanes.SIXTEENS, lanes.HALF

    @inlined
    def start(of, j0, beyond, first, last):  # type: ignore[no-untyped-def]
        t, team = cuda.threadIdx.x & (SHARERS - 1), cuda.threadIdx.x // SHARERS
        j = np.int32(j0 + (t // 8 & (SIXTEENS - 1)) * 16 + (t & 7))
        y, x, at = column(of, j, beyond)
        y8, x8, at8 = column(of, np.int32(j + 8), beyond)
        if IDLE and team >= TEAMS:
            y, y8 = OUTSIDE, OUTSIDE
        return y, x, at, y8, x8, at8, np.int32(first + t // HALF * 4 + team * SLAB), np.int32(last)

    @inlined
    def read(reals, of, held, left):  # type: ignore[no-untyped-def]
        for part in range(PARTS):
            n = n_of(part)
            for w in range(4):
                k = np.int32(held[6] + k_of(part) + w)
                for row in range(2):
                    y, x, at = held[3 * row], held[3 * row + 1], held[3 * row + 2]
                    if points:
                        at = np.int32(at + k * of[3][6])
                        there = k < held[7] and y >= 0
                    else:
                        y, x, at = pixel(of, k, y, x, at)
                        there = k < held[7] and inside(of, y, x)
                    reals[n + (4 * row + w) * HALVES] = read_real(address_at(of[0], at)) if there else ZERO

    @inlined
    def onward(held):  # type: ignore[no-untyped-def]
        y, x, at, y8, x8, at8, k, last = held
        return y, x, at, y8, x8, at8, np.int32(k + SLABS * SLAB), last

    return SimpleNamespace(start=start, read=read, onward=onward)
