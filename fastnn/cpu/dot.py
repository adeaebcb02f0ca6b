"""Matrix product C[r, j] = I[r, j] + sum_k A[r, k] B[j, k] where both lie with their k side by side, for few rows: nothing is packed.

The lanes of a register are k, k + 1, ...; each adds up its own part, and in the end the lanes are added in pairs: lane l and l + width / 2, then
l + width / 4, and so on. The order depends on the depth alone, so the bits are the same for any tile, and any share of a thread. For many rows `gemm`
is faster, which has B in registers column by column, and packs it for that.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.microkernel import Registers
from fastnn.cpu.vector import size_of

__all__ = ["dot", "dot_pays"]

_INT64 = ir.IntType(64)


def _make_dots(rows: int, columns: int) -> Any:
    """The intrinsic dots(dtype, A, a_row, B, b_row, I, i_row, C, c_row, depth): `rows` x `columns` sums at once."""

    @intrinsic
    def dots(typing_context, dtype, A, a_row, B, b_row, I, i_row, C, c_row, depth):  # type: ignore[no-untyped-def]
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            A, a_row, B, b_row, I, i_row, C, c_row, depth = arguments[1:]
            vec = Registers(builder, str(dtype.dtype))
            a_rows = [vec.at(A, builder.mul(a_row, _INT64(r))) for r in range(rows)]
            b_rows = [vec.at(B, builder.mul(b_row, _INT64(j))) for j in range(columns)]
            places = [(r, j) for r in range(rows) for j in range(columns)]
            whole = builder.and_(depth, _INT64(-vec.width))

            entry = builder.block
            loop, between = builder.append_basic_block("depth"), builder.append_basic_block("between")
            rest, done = builder.append_basic_block("rest"), builder.append_basic_block("done")
            builder.cbranch(builder.icmp_signed(">", whole, _INT64(0)), loop, between)

            def sums_of(blocks: dict[Any, dict[Any, Any]]) -> dict[Any, Any]:
                sums = {}
                for place in places:
                    sums[place] = builder.phi(vec.type)
                    for block, values in blocks.items():
                        sums[place].add_incoming(values[place], block)
                return sums

            def more(sums: dict[Any, Any], a: list[Any], b: list[Any]) -> dict[Any, Any]:
                return {(r, j): vec.multiply_add(a[r], b[j], sums[r, j]) for r, j in places}

            start = dict.fromkeys(places, vec.zero)
            builder.position_at_end(loop)
            k = builder.phi(_INT64)
            k.add_incoming(_INT64(0), entry)
            running = sums_of({entry: start})
            a = [vec.load(builder.gep(row, [k])) for row in a_rows]
            b = [vec.load(builder.gep(row, [k])) for row in b_rows]
            after = more(running, a, b)
            following = builder.add(k, _INT64(vec.width))
            k.add_incoming(following, loop)
            for place in places:
                running[place].add_incoming(after[place], loop)
            builder.cbranch(builder.icmp_signed("<", following, whole), loop, between)

            builder.position_at_end(between)
            so_far = sums_of({entry: start, loop: after})
            builder.cbranch(builder.icmp_signed("<", whole, depth), rest, done)

            builder.position_at_end(rest)
            mask = vec.mask(builder.sub(depth, whole), 0)
            a = [vec.masked_load(builder.gep(row, [whole]), mask) for row in a_rows]
            b = [vec.masked_load(builder.gep(row, [whole]), mask) for row in b_rows]
            with_rest = more(so_far, a, b)
            builder.branch(done)

            builder.position_at_end(done)
            sums = sums_of({between: so_far, rest: with_rest})
            for r in range(rows):
                totals = vec.added_lanes([sums[r, j] for j in range(columns)])
                for j, total in enumerate(totals):
                    first = builder.load(vec.at(I, builder.add(builder.mul(i_row, _INT64(r)), _INT64(j))))
                    place = vec.at(C, builder.add(builder.mul(c_row, _INT64(r)), _INT64(j)))
                    builder.store(builder.fadd(first, total), place)
            return context.get_dummy_value()

        return types.void(dtype, *[types.int64] * 9), codegen

    return dots


_four_by_four, _two_by_four, _one_by_four = _make_dots(4, 4), _make_dots(2, 4), _make_dots(1, 4)
_four_by_one, _two_by_one, _one_by_one = _make_dots(4, 1), _make_dots(2, 1), _make_dots(1, 1)
_one_by_eight = _make_dots(1, 8)


@njit(nogil=True, error_model="numpy", inline="always")
def dot_pays(rows, columns, depth):  # type: ignore[no-untyped-def]
    """Whether it is faster than packing B: measured, 1.1 to 15 times. Of the whole product, not of a thread's share, which would change bits."""
    if depth < 8:
        return False
    if rows <= 2 or columns <= 4:
        return True
    return depth >= 64 and (rows <= 24 or (columns <= 16 and depth >= 128))


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def dot(real, C, ldc, I, i_row, A, a_row, B, b_row, rows, columns, depth):  # type: ignore[no-untyped-def]
    """C = I + A B^T; addresses are int64, strides count elements."""
    size = size_of(real)
    wide = 8 if rows == 1 else 4
    j = 0
    while j < columns:  # outside: a few rows of B, from memory once, meet all of A, which stays in L1
        n = wide if columns - j >= wide else 1
        b, i, c = B + j * b_row * size, I + j * size, C + j * size
        r = 0
        while r < rows:
            height = 4 if rows - r >= 4 else 2 if rows - r >= 2 else 1
            if n == 8:
                _one_by_eight(real, A, a_row, b, b_row, i, i_row, c, ldc, depth)
            elif n == 4:
                if height == 4:
                    _four_by_four(real, A + r * a_row * size, a_row, b, b_row, i, i_row, c, ldc, depth)
                elif height == 2:
                    _two_by_four(real, A + r * a_row * size, a_row, b, b_row, i, i_row, c, ldc, depth)
                else:
                    _one_by_four(real, A + r * a_row * size, a_row, b, b_row, i, i_row, c, ldc, depth)
            elif height == 4:
                _four_by_one(real, A + r * a_row * size, a_row, b, b_row, i, i_row, c, ldc, depth)
            elif height == 2:
                _two_by_one(real, A + r * a_row * size, a_row, b, b_row, i, i_row, c, ldc, depth)
            else:
                _one_by_one(real, A + r * a_row * size, a_row, b, b_row, i, i_row, c, ldc, depth)
            r += height
            i += height * i_row * size
            c += height * ldc * size
        j += n
