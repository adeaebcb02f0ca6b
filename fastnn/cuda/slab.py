"""How slabs of A and B get from global memory, float32, to shared memory, rounded, in the order that the tensor cores' instructions ask for.

A slab is `extent` rows (of A, or columns of B) of 16 words: one number each in TF32, two in bf16. Word w of a row holds k = w, or k = w and
k = w + 16. The order of k is ours, as long as A and B agree, for a product does not see it: the instruction that `mma` calls word `member` and
word `member + 4`, of a lane's (group, member) = (lane / 4, lane % 4), gets words 4 member + 2 s and 4 member + 2 s + 1 in step s = 0, 1.

So 16 rows are 64 quads of 4 words, one for each step and lane, which is what the lane needs of rows `group` and `group + 8` in that step:

    of A    (group, w)  (group + 8, w)  (group, w + 1)      (group + 8, w + 1)         all of one instruction
    of B    (group, w)  (group, w + 1)  (group + 8, w)      (group + 8, w + 1)         two instructions', 8 columns each

**Banks.** 8 quads fill the 32 banks, and 128-bit accesses are served 8 lanes at a time. Quad (step, group, member) lies at place
32 step + 4 (group ^ step) + (member ^ group / 2), 16 rows take 64 places. No two of the lanes that are served together meet in a bank:

    multiplying      2 groups that differ in the lowest bit, 4 members     places differ in group and in member
    QUADS_APART      the same
    REALS_ACROSS     8 groups, 1 member                                    (group % 2, member ^ group / 2): 8 places
    REALS_APART      32-bit: 2 steps, 4 members, 4 words of the quad       (group ^ step) % 2, member: 8 places of 4 words
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn.cuda.mma import address_at, here, pack, read_real, read_reals, write_word, write_words
from fastnn.cuda.slab_of_image import of_image, of_steps
from fastnn.cuda.toolkit import cuda, inlined

__all__ = ["DEPTH", "WORDS", "place", "slab"]

DEPTH = {"tf32": 16, "bf16": 32}
"""How many k a slab holds."""

BYTES = 4

WORDS = 16
"""Words of a row in a slab."""

QUADS_APART, REALS_APART, REALS_ACROSS = 0, 1, 2
"""How a slab is read: quads along k (128 bits), single numbers along k, single numbers along the rows."""

ZERO = np.float32(0)
ZEROS = (ZERO, ZERO, ZERO, ZERO)


@inlined
def place(sixteen, step, group, member):  # type: ignore[no-untyped-def]
    """Where a quad begins, in words: of the sixteen rows with this number."""
    return (sixteen * 64 + step * 32 + ((group ^ step) << 2) + ((member ^ (group >> 1)) & 3)) * 4


def slab(extent: int, threads: int, slabs: int, precision: str, side: str, kind: str = "along") -> Any:
    """How a thread carries its part of `slabs` slabs: start, once; read, to REALS registers; write, to shared memory; onward, to the next.

    Every 2 extent threads share a slab; each takes 8 words of it, of rows i and i + 8 (with t = threadIdx.x % (2 extent), lane = t % 32):

        way             sixteen              i mod 16     words of the rows                      a warp reads at once
        QUADS_APART     t / 32               t / 4 % 8    4 (t % 4) ... 4 (t % 4) + 3            8 rows of 16 numbers
        REALS_ACROSS    t / 8 % sixteens     t % 8        4 (t / (extent / 2)) ... + 3           8 rows' same number, in up to 4 places
        REALS_APART     t / 32               0 ... 7      lane % 16, of row i + 8 (lane / 16)    2 rows of 16 numbers
    """
    SLAB = DEPTH[precision]
    HALVES = SLAB // WORDS
    SIXTEENS, SHARERS, HALF = extent // 16, 2 * extent, extent // 2
    TEAMS, IDLE = min(threads // SHARERS, slabs), threads // SHARERS > slabs
    UNITS = slabs // TEAMS
    PARTS, REALS = UNITS * HALVES, 8 * UNITS * HALVES
    SIZE = extent * WORDS
    OF_A = side == "A"
    rounded = pack[precision]

    @inlined
    def start(of, i0, beyond, first, last):  # type: ignore[no-untyped-def]
        """Of the thread's first number: the address; the stride that is not 1; and, in one register, the way, how many rows from it on are inside, its k."""
        p, outer, inner = of
        t, team = cuda.threadIdx.x & (SHARERS - 1), cuda.threadIdx.x // SHARERS
        if inner != 1:
            way, i, k = REALS_ACROSS, (t // 8 & (SIXTEENS - 1)) * 16 + (t & 7), t // HALF * 4
        elif (address_at(p, 0) & 15) == 0 and ((outer | first | last) & 3) == 0:
            way, i, k = QUADS_APART, t // 32 * 16 + (t // 4 & 7), (t & 3) * 4
        else:
            way, i, k = REALS_APART, t // 32 * 16 + (t // 16 & 1) * 8, t & 15
        k += team * SLAB
        rows = max(min(beyond - i0 - i, 16), 0)
        if IDLE and team >= TEAMS:
            rows = 0
        stride = np.int32(inner if inner != 1 else outer)
        at = address_at(p, (i0 + i) * outer + (first + k) * inner)
        return at, stride, np.int32(way | rows << 2 | k << 8)

    @inlined
    def k_of(part):  # type: ignore[no-untyped-def]
        """Where a part's k begin: those of one of the thread's slabs that are lower halves of words, or upper ones."""
        return part // HALVES * TEAMS * SLAB + part % HALVES * WORDS

    @inlined
    def n_of(part):  # type: ignore[no-untyped-def]
        """Where they begin among the registers: halves of a word lie side by side."""
        return part // HALVES * 8 * HALVES + part % HALVES

    @inlined
    def read(reals, of, held, left):  # type: ignore[no-untyped-def]
        at, stride, about = held[0], np.int64(here(held[1])), here(held[2])
        way, rows, ks = (
            about & 3,
            about >> 2 & 63,
            left - (about >> 8),
        )  # rows and k inside, from the first on
        if way == QUADS_APART:
            for part in range(PARTS):
                k, n = k_of(part), n_of(part)
                for row in range(2):
                    inside = 8 * row < rows and k < ks
                    four = read_reals(at + (8 * row * stride + k) * BYTES) if inside else ZEROS
                    for w in range(4):
                        reals[n + (4 * row + w) * HALVES] = four[w]
        elif way == REALS_APART:
            for part in range(PARTS):
                k, n = k_of(part), n_of(part)
                count = rows if k < ks else 0
                for r in range(8):
                    reals[n + r * HALVES] = read_real(at + (r * stride + k) * BYTES) if r < count else ZERO
        else:
            for part in range(PARTS):
                k, n = k_of(part), n_of(part)
                for row in range(2):
                    count = ks - k if 8 * row < rows else 0
                    for w in range(4):
                        address = at + (8 * row + (k + w) * stride) * BYTES
                        reals[n + (4 * row + w) * HALVES] = read_real(address) if w < count else ZERO

    @inlined
    def onward(held):  # type: ignore[no-untyped-def]
        """The same in the next slabs."""
        at, stride, about = held
        at += slabs * SLAB * BYTES * (np.int64(here(stride)) if about & 3 == REALS_ACROSS else 1)
        return at, stride, about

    @inlined
    def word(reals, n):  # type: ignore[no-untyped-def]
        if HALVES == 1:
            return rounded(reals[n])
        return rounded(reals[2 * n], reals[2 * n + 1])

    @inlined
    def write_so(words, begin, reals, way):  # type: ignore[no-untyped-def]
        thread = here(cuda.threadIdx.x)
        t, team = thread & (SHARERS - 1), thread // SHARERS
        if IDLE and team >= TEAMS:
            return
        for u in range(UNITS):
            to = begin + (u * TEAMS + team) * SIZE
            if way == REALS_APART:
                row, w = t // 16 & 1, t & 15
                to += 2 * (w & 1) + row if OF_A else 2 * row + (w & 1)
                for group in range(8):
                    to_word = to + place(t // 32, w // 2 & 1, group, w // 4)
                    write_word(words, to_word, word(reals, 8 * u + group))
            else:
                if way == QUADS_APART:
                    sixteen, group, member = t // 32, t // 4 & 7, t & 3
                else:
                    sixteen, group, member = t // 8 & (SIXTEENS - 1), t & 7, t // HALF
                for step in range(2):
                    n = 8 * u + 2 * step
                    one, other = word(reals, n + 4), word(reals, n + 1)
                    if not OF_A:
                        one, other = other, one
                    four = (word(reals, n), one, other, word(reals, n + 5))
                    write_words(words, to + place(sixteen, step, group, member), four)

    if kind in ("along", "across"):

        @inlined
        def write(words, begin, reals, held):  # type: ignore[no-untyped-def]
            write_so(words, begin, reals, here(held[2]) & 3)

        return SimpleNamespace(start=start, read=read, onward=onward, write=write, REALS=REALS)

    lanes = SimpleNamespace(
        SLAB=SLAB, SLABS=slabs, HALVES=HALVES, SIXTEENS=SIXTEENS, SHARERS=SHARERS, HALF=HALF, TEAMS=TEAMS,
        IDLE=IDLE, PARTS=PARTS, k_of=k_of, n_of=n_of,
    )  # fmt: skip
    found = of_steps(lanes) if kind == "steps" else of_image(lanes, kind == "points across")
    WAY = REALS_APART if kind == "steps" else REALS_ACROSS

    @inlined
    def write_found(words, begin, reals, held):  # type: ignore[no-untyped-def]
        write_so(words, begin, reals, WAY)

    return SimpleNamespace(
        start=found.start, read=found.read, onward=found.onward, write=write_found, REALS=REALS
    )
