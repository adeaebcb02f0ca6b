"""Matrix product  C[r, j] = I[r, j] + sum_k A[r, k] B[k, j]  on the micro-kernel, for all three products of a dense layer.

A is read one number at a time, so any strides will do; B and C have their columns j side by side, or B is handed
over transposed (B[k, j] at j * ldb + k). I is what the sums start from: C itself (accumulate), a bias row or zeros
(row stride 0). Every element is one chain in the order of k, however the work is cut: rows may be dealt out to
threads in any way, and the bits stay the same.

Cut for the caches, as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): blocks of
ROWS x DEPTH of A are packed for L2 where they are used often, panels of DEPTH x 2 registers of B for L1, and tiles of
rows pass over them. Small products skip the packing that would not pay.
"""

from __future__ import annotations

from numba import njit

from fastnn.cpu.microkernel import copy_lanes, make_tile, transpose_block, transpose_full_block
from fastnn.cpu.vector import lanes, lanes_of, register_count, size_of

__all__ = [
    "DEPTH",
    "DIRECT_DEPTH",
    "HEIGHTS",
    "PACKED_DEPTH",
    "ROWS",
    "block_offset",
    "gemm",
    "panel_of_tiles",
    "scratch_size",
]

DEPTH = 200
"""Depth of a packed panel, at most: 200 x 32 float32 are 25 KiB, in L1 beside the rows they come from."""
DIRECT_DEPTH = 512
"""Depth taken at once where B is read where it lies."""
PACKED_DEPTH = 256
"""Depth of a block where A is packed as well: 192 is 3 % slower, and would cut the gradients of a batch of 256 in two."""
ROWS = 560
"""Rows that one packed block of A has at most: 560 x 256 float32 are 560 KiB of L2. B is packed again for every block."""
FAR = 4096
"""Bytes between two rows of B from which on it is packed for two tiles or more: its lines would fall into a few sets of L1, and every row on another page."""
COLUMNS = 1024
"""Columns of C that are finished before the next: they stay near while block after block of the depth is added to them (4096 wide: 8 % faster)."""
_PANEL_DEPTH = max(DEPTH, PACKED_DEPTH)

HEIGHTS = (14, 8, 4, 2, 1) if register_count() == 32 else (6, 4, 3, 2, 1)
"""Rows of the tiles: the first fills the registers with sums, the others take what is left."""
_H0, _H1, _H2, _H3, _H4 = HEIGHTS
_wide0, _wide1, _wide2, _wide3, _wide4 = (make_tile(rows, 2) for rows in HEIGHTS)
_thin0, _thin1, _thin2, _thin3, _thin4 = (make_tile(rows, 1) for rows in HEIGHTS)


def scratch_size(dtype: str) -> int:
    """Elements that one thread needs to pack a panel of B and a block of A."""
    width = lanes(dtype)
    return (_PANEL_DEPTH + width) * 2 * width + (ROWS + 1) * PACKED_DEPTH + 2 * width


@njit(nogil=True, error_model="numpy", inline="always")
def block_offset(real):
    """Where in the workspace a packed block of A begins; products of less than 96 rows leave it free."""
    width = lanes_of(real)
    return (_PANEL_DEPTH + width) * 2 * width


@njit(nogil=True, error_model="numpy", inline="always")
def _even(size, most):
    """Length of parts of nearly the same length, none longer than `most`: 784 in blocks of 256 would leave one of 16."""
    return -(-size // max(-(-size // most), 1))


@njit(nogil=True, error_model="numpy", inline="always")
def height_of(left):
    """Rows of the next tile when `left` rows are left."""
    if left >= _H0:
        return _H0
    if left >= _H1:
        return _H1
    if left >= _H2:
        return _H2
    return _H3 if left >= _H3 else _H4


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _pack_columns(real, B, ldb, transposed, columns, depth, panel, D):
    """D[k, 0:panel] = B[k, 0:columns], zeros beyond the columns."""
    width = lanes_of(real)
    size = size_of(real)
    if transposed:
        for j in range(0, panel, width):
            # k inside: each load of the block meets the next line of its row, and prefetches
            for k in range(0, depth, width):
                S, T = B + (j * ldb + k) * size, D + (k * panel + j) * size
                rows = min(width, max(columns - j, 0))
                if rows == width and depth - k >= width:
                    transpose_full_block(real, S, ldb, T, panel)
                else:
                    transpose_block(real, S, ldb, rows, min(width, depth - k), T, panel)
    else:
        for k in range(depth):
            for j in range(0, panel, width):
                copy_lanes(real, B + (k * ldb + j) * size, max(columns - j, 0), D + (k * panel + j) * size)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def pack_rows(real, A, a_row, a_k, rows, depth, D):
    """Tile after tile of A, each as D[k, 0:height]; D has room for one register more at the end."""
    width = lanes_of(real)
    size = size_of(real)
    r = 0
    while r < rows:
        height = height_of(rows - r)
        a, d = A + r * a_row * size, D + r * depth * size
        # from the last register's worth of rows to the first: what one writes beyond its rows, the next or k + 1 writes over
        for first in range((height - 1) // width * width, -1, -width):
            taken = min(width, height - first)
            S, T = a + first * a_row * size, d + first * size
            if a_k == 1:
                for k in range(0, depth, width):
                    columns = min(width, depth - k)
                    transpose_block(real, S + k * size, a_row, taken, columns, T + k * height * size, height)
            else:
                for k in range(depth):
                    copy_lanes(real, S + k * a_k * size, taken, T + k * height * size)
        r += height


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _panel(real, C, ldc, I, ldi, A, a_row, a_k, packed, b, b_k, rows, n, depth):
    """All tiles of one panel of n columns; `packed`: A is what `pack_rows` made."""
    wide = n > lanes_of(real)
    size = size_of(real)
    r = 0
    while r < rows:
        left = rows - r
        i, c = I + r * ldi * size, C + r * ldc * size
        if packed:
            a_k = height_of(left)
            a = A + r * depth * size
            a_row = 1
        else:
            a = A + r * a_row * size
        if wide:
            if left >= _H0:
                _wide0(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
                r += _H0
            elif left >= _H1:
                _wide1(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
                r += _H1
            elif left >= _H2:
                _wide2(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
                r += _H2
            elif left >= _H3:
                _wide3(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
                r += _H3
            else:
                _wide4(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
                r += _H4
        elif left >= _H0:
            _thin0(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
            r += _H0
        elif left >= _H1:
            _thin1(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
            r += _H1
        elif left >= _H2:
            _thin2(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
            r += _H2
        elif left >= _H3:
            _thin3(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
            r += _H3
        else:
            _thin4(real, a, a_row, a_k, b, b_k, i, ldi, c, ldc, n, depth)
            r += _H4


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def panel_of_tiles(real, C, ldc, A, lda, B, ldb, rows, columns, depth):
    """C += A B for operands that lie in the caches and are read where they lie; B must be readable in whole registers."""
    width, size = lanes_of(real), size_of(real)
    for j in range(0, columns, 2 * width):
        c = C + j * size
        n = min(2 * width, columns - j)
        _panel(real, c, ldc, c, ldc, A, lda, 1, False, B + j * size, ldb, rows, n, depth)


@njit(nogil=True, error_model="numpy", inline="always")
def gemm(real, C, ldc, I, ldi, A, a_row, a_k, B, ldb, transposed, rows, columns, depth, scratch):
    """C = I + A B; addresses are int64, sizes and strides count elements, scratch holds `scratch_size` elements."""
    width = lanes_of(real)
    size = size_of(real)
    pack_a = columns >= 16 * width and rows >= 96 and depth >= 96 and (a_row == 1 or a_k == 1)
    far = ldb * size >= FAR and rows >= 2 * _H0
    step = max(rows, 1)
    if pack_a:  # blocks of nearly the same number of rows, whole tiles
        blocks = -(-rows // ROWS)
        step = -(-rows // (blocks * _H0)) * _H0
    for r in range(0, rows, step):
        block = min(step, rows - r)
        packed_a = scratch + block_offset(real) * size
        span = 2 * width if not pack_a else columns if depth <= PACKED_DEPTH else COLUMNS
        for j_outer in range(0, columns, span):
            k = 0
            while k < max(depth, 1):
                copy_b = transposed or columns - j_outer < 2 * width or pack_a or far
                d = min(
                    _even(depth, PACKED_DEPTH if pack_a else DEPTH if copy_b else DIRECT_DEPTH), depth - k
                )
                a = A + (r * a_row + k * a_k) * size
                if pack_a:
                    pack_rows(real, a, a_row, a_k, block, d, packed_a)
                    a = packed_a
                for j in range(j_outer, min(j_outer + span, columns), 2 * width):
                    n = min(2 * width, columns - j)
                    panel = 2 * width if n > width else width
                    c = C + (r * ldc + j) * size
                    i, i_row = (I + (r * ldi + j) * size, ldi) if k == 0 else (c, ldc)
                    b, b_k = B + (j * ldb + k if transposed else k * ldb + j) * size, ldb
                    if transposed or n < panel or pack_a or far:
                        _pack_columns(real, b, ldb, transposed, n, d, panel, scratch)
                        b, b_k = scratch, panel
                    _panel(real, c, ldc, i, i_row, a, a_row, a_k, pack_a, b, b_k, block, n, d)
                k += max(d, 1)
