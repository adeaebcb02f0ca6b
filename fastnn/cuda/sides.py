"""The sides of a product by tiles: how the threads of a block find their numbers of a slab in global memory.

    side            of      (tuple)                                   neighbouring threads take
    "along"         A, B    M, by_i, 1                                neighbouring k: M[i * by_i + k]
    "across"        A, B    M, 1, by_k                                neighbouring rows of A, or columns of B: M[i + k * by_k]
    "steps"         A       M, by_i, by_k, (a_m, a_p, a_q, a_first)   neighbouring k = (m, p, q): M[a_first + i * by_i + m * a_m + p * a_p + q * a_q]
    "image across"  B       image, by_n, by_k, numbers                neighbouring columns n = (e, u, v)
    "points across" B       the same                                  neighbouring columns, which are one pixel each, inside the image: k = (m, 0, 0)
    "image along"   B       the same                                  neighbouring k = (m, p, q)

`by_n`, `by_k` split n and k into places (places.py); image elements are those of convolution.py, and `numbers` are image_numbers() there. A side has

    place(n)                                   (k, i) of this thread's n-th number of a slab
    start(held, of, beyond, first, i0)         what the thread holds of its operand, HELD numbers of type WORD: once for a tile
    load(to, of, held, beyond, last, i0, k0)   its numbers of the slab that begins with k0; zero beyond the edges
    onward(held, of)                           to the next slab

Places in an image are counted in 32 bits, and split by multiplications: where a thread's column lies once for a tile, where its k lie once for a slab.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from fastnn.cuda.places import place_of
from fastnn.cuda.tile import Tile
from fastnn.cuda.toolkit import cuda, inlined

__all__ = ["OUTSIDE", "side"]

OUTSIDE = np.int32(-(1 << 30))
"""The row of a pixel that no image has: of columns beyond the edge."""


def side(kind: str, real: Any, tile: Tile, extent: int) -> SimpleNamespace:
    """The side of this kind for slabs of `extent` rows or columns."""
    along = kind in ("along", "steps", "image along")
    lanes = _lanes(tile, extent, along)
    if kind in ("along", "across"):
        return _matrix(real, tile, lanes)
    if kind == "steps":
        return _steps(real, lanes)
    return _points(real, lanes) if kind == "points across" else _image(real, lanes)


def _lanes(tile: Tile, extent: int, along: bool) -> SimpleNamespace:
    """Who takes what: LINE numbers that lie side by side are taken by neighbouring threads, a thread's numbers lie STEP lines apart."""
    line = tile.depth if along else extent
    each, step = extent * tile.depth // tile.threads, tile.threads // line

    @cuda.jit(device=True)
    def place(n):  # type: ignore[no-untyped-def]
        near, far = cuda.threadIdx.x % line, cuda.threadIdx.x // line + n * step
        return (near, far) if along else (far, near)

    return SimpleNamespace(ALONG=along, LINE=line, STEP=step, EACH=each, place=place)


def _matrix(real: Any, tile: Tile, lanes: SimpleNamespace) -> SimpleNamespace:
    K, ALONG, LINE, STEP, EACH, place = (
        tile.depth,
        lanes.ALONG,
        lanes.LINE,
        lanes.STEP,
        lanes.EACH,
        lanes.place,
    )
    zero = real(0)
    STRIDE = 1 if ALONG else 2  # which of `of` it is

    @inlined
    def start(held, of, beyond, first, i0):  # type: ignore[no-untyped-def]
        near, far = cuda.threadIdx.x % LINE, cuda.threadIdx.x // LINE
        held[0] = (i0 + far) * of[STRIDE] + first + near if ALONG else (first + far) * of[STRIDE] + i0 + near

    @inlined
    def load(to, of, held, beyond, last, i0, k0):  # type: ignore[no-untyped-def]
        for n in range(EACH):
            k, i = place(n)
            to[n] = zero
            if i0 + i < beyond and k0 + k < last:
                to[n] = of[0][held[0] + n * STEP * of[STRIDE]]

    @inlined
    def onward(held, of):  # type: ignore[no-untyped-def]
        held[0] += K if ALONG else K * of[STRIDE]

    return SimpleNamespace(place=place, start=start, load=load, onward=onward, HELD=1, WORD=np.int64)


@inlined
def stay(held, of):  # type: ignore[no-untyped-def]
    """Places of k are found from k: nothing moves on."""


def _steps(real: Any, lanes: SimpleNamespace) -> SimpleNamespace:
    STEP, EACH, place = lanes.STEP, lanes.EACH, lanes.place
    zero = real(0)

    @inlined
    def start(held, of, beyond, first, i0):  # type: ignore[no-untyped-def]
        _, i = place(0)
        held[0] = (i0 + i) * of[1] + of[3][3]

    @inlined
    def load(to, of, held, beyond, last, i0, k0):  # type: ignore[no-untyped-def]
        k, _ = place(0)
        m, p, q = place_of(np.int32(k0 + k), of[2])
        by = of[3]
        at = np.int32(held[0] + m * by[0] + p * by[1] + q * by[2])
        for n in range(EACH):
            _, i = place(n)
            to[n] = zero
            if i0 + i < beyond and k0 + k < last:
                to[n] = of[0][np.int32(at + n * STEP * of[1])]

    return SimpleNamespace(place=place, start=start, load=load, onward=stay, HELD=1, WORD=np.int32)


def _image(real: Any, lanes: SimpleNamespace) -> SimpleNamespace:
    ALONG, EACH, place = lanes.ALONG, lanes.EACH, lanes.place
    COLUMNS = EACH if ALONG else 1  # of a thread
    zero = real(0)

    @inlined
    def start(held, of, beyond, first, i0):  # type: ignore[no-untyped-def]
        for n in range(COLUMNS):
            _, j = place(n)
            y, x, at = column(of, np.int32(i0 + j), beyond)
            held[3 * n], held[3 * n + 1], held[3 * n + 2] = y, x, at

    @inlined
    def load(to, of, held, beyond, last, i0, k0):  # type: ignore[no-untyped-def]
        for n in range(EACH):
            k, _ = place(n)
            k = np.int32(k0 + k)
            column = 3 * n if ALONG else 0
            y, x, at = pixel(of, k, held[column], held[column + 1], held[column + 2])
            to[n] = zero
            if k < last and inside(of, y, x):
                to[n] = of[0][at]

    return SimpleNamespace(place=place, start=start, load=load, onward=stay, HELD=3 * COLUMNS, WORD=np.int32)


def _points(real: Any, lanes: SimpleNamespace) -> SimpleNamespace:
    EACH, place = lanes.EACH, lanes.place
    zero = real(0)

    @inlined
    def start(held, of, beyond, first, i0):  # type: ignore[no-untyped-def]
        _, j = place(0)
        held[0], _, held[1] = column(of, np.int32(i0 + j), beyond)

    @inlined
    def load(to, of, held, beyond, last, i0, k0):  # type: ignore[no-untyped-def]
        for n in range(EACH):
            k, _ = place(n)
            k = np.int32(k0 + k)
            to[n] = zero
            if k < last and held[0] >= 0:
                to[n] = of[0][np.int32(held[1] + k * of[3][6])]

    return SimpleNamespace(place=place, start=start, load=load, onward=stay, HELD=2, WORD=np.int32)


@inlined
def column(of, n, beyond):  # type: ignore[no-untyped-def]
    """(y, x, place in the image) of column n for the first k."""
    origin_y, origin_x, n_y, n_x, _, _, _, e_image, _, width = of[3]
    e, u, v = place_of(n, of[1])
    y, x = np.int32(origin_y + u * n_y), np.int32(origin_x + v * n_x)
    at = np.int32(e * e_image + y * width + x)
    return (y if n < beyond else OUTSIDE), x, at


@inlined
def pixel(of, k, y, x, at):  # type: ignore[no-untyped-def]
    """The same of number k of a column."""
    _, _, _, _, k_y, k_x, m_image, _, _, width = of[3]
    m, p, q = place_of(k, of[2])
    down, right = np.int32(p * k_y), np.int32(q * k_x)
    return np.int32(y + down), np.int32(x + right), np.int32(at + m * m_image + down * width + right)


@inlined
def inside(of, y, x):  # type: ignore[no-untyped-def]
    return np.uint32(y) < np.uint32(of[3][8]) and np.uint32(x) < np.uint32(of[3][9])  # below 0 is above all
