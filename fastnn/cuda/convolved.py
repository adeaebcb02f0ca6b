"""A convolution by tiles: the form that forms.py hands on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.cuda.convolution import FIRST_PROBLEM, OF_PROBLEM, WORDS
from fastnn.cuda.places import parted, place_of, split
from fastnn.cuda.product import tile_product
from fastnn.cuda.reciprocal import SPLIT
from fastnn.cuda.tile import TILES
from fastnn.cuda.toolkit import cuda, inlined, pointer

__all__ = ["convolution"]

(
    START, BY_ELEMENT, A, IMAGE, PARTS, SIZE_C, WORKS, TILES_BY, ACROSS_BY, SPLITS_BY, GROUPS_BY,
    ROWS, A_ROW, C_ROW, HEIGHT, WIDTH, M_IMAGE, E_IMAGE, C_E, A_GROUP, IMAGE_GROUP, C_GROUP,
) = (WORDS[name] for name in (
    "start", "by_element", "A", "image", "parts", "size", "works", "tiles", "across", "splits", "groups",
    "rows", "a_row", "c_row", "height", "width", "m_image", "e_image", "c_e", "a_group", "image_group", "c_group",
))  # fmt: skip
PROBLEM = len(OF_PROBLEM) + 2 * SPLIT
COLUMNS_P, DEPTH_P, SHARE_P, PLACE = 0, 1, 2, 3 + 2 * SPLIT


@inlined
def numbers_of(w, at):  # type: ignore[no-untyped-def]
    """Origin, step of n, step of k, m_image, e_image, height, width."""
    return (
        np.int32(w[at]), np.int32(w[at + 1]), np.int32(w[at + 2]), np.int32(w[at + 3]), np.int32(w[at + 4]), np.int32(w[at + 5]),
        np.int32(w[M_IMAGE]), np.int32(w[E_IMAGE]), np.int32(w[HEIGHT]), np.int32(w[WIDTH]),
    )  # fmt: skip


def convolution(
    real: Any, tile: str, precision: str, A_side: str, B_side: str, split_sum: bool, operands: Any, after: Any
) -> Any:
    """The products of convolution.py, of each problem and group; where `split_sum`, sums over parts of k go to `parts`, the first with start, and nothing follows."""
    shape: Any
    if precision == "float32":
        shape = TILES[tile]
        form = tile_product(real, shape, A_side, B_side)
    else:
        from fastnn.cuda.tensor import TENSOR_TILES, tensor_product

        shape = TENSOR_TILES[tile]
        form = tensor_product(real, precision, shape, A_side, B_side)
    sums, row_of, column_of, COUNT = form.sums, form.row_of, form.column_of, form.count
    OWN_COLUMNS, column_number, first_of = form.own_columns, form.column_number, form.first_of
    RUN = min(COUNT, 16)
    TILE_ROWS, TILE_COLUMNS, SIZE = shape.rows, shape.columns, np.dtype(real).itemsize
    STEPS, ALONG = A_side == "steps", A_side == "along"

    @inlined
    def column_place(w, p, group, j):  # type: ignore[no-untyped-def]
        """Where column j of C begins; less than 0 beyond the edge."""
        at = p + PLACE + 10
        e, u, v = place_of(j, split(w, p + 3))
        place = np.int32(w[at] + group * w[C_GROUP] + e * w[C_E] + u * w[at + 1] + v * w[at + 2])
        return place if j < w[p + COLUMNS_P] else np.int32(-1)

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        c, places = cuda.local.array(COUNT, real), cuda.local.array(OWN_COLUMNS, np.int32)
        rows, c_row = np.int32(w[ROWS]), np.int32(w[C_ROW])
        start, by_element = pointer(w[START], real), w[BY_ELEMENT] != 0
        for work in range(cuda.blockIdx.x, w[WORKS], cuda.gridDim.x):
            rest, tile_of = parted(w, TILES_BY, np.int32(work))
            down, right = parted(w, ACROSS_BY, tile_of)
            rest, part = parted(w, SPLITS_BY, rest)
            problem, group = parted(w, GROUPS_BY, rest)
            i0, j0 = np.int32(down * TILE_ROWS), np.int32(right * TILE_COLUMNS)
            p = FIRST_PROBLEM + problem * PROBLEM
            columns, depth, share = (
                np.int32(w[p + COLUMNS_P]),
                np.int32(w[p + DEPTH_P]),
                np.int32(w[p + SHARE_P]),
            )
            if j0 >= columns:
                continue
            first = min(np.int32(part * share), depth)
            last = min(np.int32(first + share), depth)
            by_n, by_k, at = split(w, p + 3), split(w, p + 3 + SPLIT), p + PLACE
            M = pointer(w[A] + group * w[A_GROUP] * SIZE, real)
            image = pointer(w[IMAGE] + group * w[IMAGE_GROUP] * SIZE, real), by_n, by_k, numbers_of(w, at)
            of_A: Any
            if STEPS:
                by = np.int32(w[at + 7]), np.int32(w[at + 8]), np.int32(w[at + 9]), np.int32(w[at + 6])
                of_A = M, np.int32(w[A_ROW]), by_k, by
            else:
                of_A = M, w[A_ROW], (1 if ALONG else w[at + 7])
            sums(of_A, image, rows, columns, first, last, i0, j0, c)
            for n in range(OWN_COLUMNS):
                places[n] = column_place(w, p, group, np.int32(j0 + column_of(first_of(n))))
            # loops of 16: longer ones are not unrolled, and the sums would leave the registers
            if w[START] != 0 and part == 0:
                for m in range(COUNT // RUN):
                    for k in range(RUN):
                        n = m * RUN + k
                        i, place = np.int32(i0 + row_of(n)), places[column_number(n)]
                        if i < rows and place >= 0:
                            c[n] += start[
                                np.int32(place + i * c_row) if by_element else np.int32(group * rows + i)
                            ]
            to = pointer(w[PARTS] + part * w[SIZE_C] * SIZE, real) if split_sum else C
            for m in range(COUNT // RUN):
                for k in range(RUN):
                    n = m * RUN + k
                    i, place = np.int32(i0 + row_of(n)), places[column_number(n)]
                    if i < rows and place >= 0:
                        to[np.int32(place + i * c_row)] = c[n]
            if not split_sum:
                o = operands(w, C, step, row, seed, eta)
                for n in range(COUNT):  # not unrolled: where a column lies is found anew
                    i = np.int32(i0 + row_of(n))
                    place = column_place(w, p, group, np.int32(j0 + column_of(n)))
                    if i < rows and place >= 0:
                        after(np.int64(place + i * c_row), o)

    return run
