"""Two pieces of vector code that everything dense rests on, emitted as LLVM vector IR.

    tile              C[r, 0:n] = I[r, 0:n] + sum_k A[r, k] B[k, 0:n]       rows x vectors accumulators in registers
    transpose_block   D[k, j]   = S[j, k]                                   lanes x lanes, in registers

All sizes and strides count elements, all pointers are int64 addresses. Every element of C is one chain of fused multiply-adds
in the order of k, whatever the tile: so a result does not depend on how rows and columns are dealt out to threads.
Columns n and beyond are neither read from I nor written to C; B must be readable in all lanes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastnn.cpu.vector import IR_TYPE, lanes

__all__ = [
    "Registers",
    "copy_lanes",
    "make_tile",
    "transpose_block",
    "transpose_exact_block",
    "transpose_full_block",
]

_INT32, _INT64, _BIT = ir.IntType(32), ir.IntType(64), ir.IntType(1)
_SUFFIX = {"float32": "f32", "float64": "f64"}


class Registers:
    """Vector IR of one element type and width inside one function."""

    def __init__(self, builder: Any, dtype: str) -> None:
        self.builder, self.width, self.element = builder, lanes(dtype), IR_TYPE[dtype]
        self.type = ir.VectorType(self.element, self.width)
        self.size = 8 if dtype == "float64" else 4
        self.mask_type = ir.VectorType(_BIT, self.width)
        self.name = f"v{self.width}{_SUFFIX[dtype]}"
        self.undefined = ir.Constant(self.type, ir.Undefined)
        self.zero = ir.Constant(self.type, [0.0] * self.width)

    def _function(self, name: str, result: Any, arguments: list[Any]) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def splat(self, scalar: Any, vector_type: Any) -> Any:
        undefined = ir.Constant(vector_type, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, _INT32(0))
        order = ir.Constant(ir.VectorType(_INT32, self.width), [0] * self.width)
        return self.builder.shuffle_vector(first, undefined, order)

    def at(self, address: Any, offset: Any) -> Any:
        """Pointer to the element `offset` after `address`."""
        start = self.builder.inttoptr(address, self.element.as_pointer())
        return self.builder.gep(start, [offset])

    def mask(self, valid: Any, first: int) -> Any:
        """Lanes whose column number, counted from `first`, is below `valid`."""
        index_type = ir.VectorType(_INT64, self.width)
        columns = ir.Constant(index_type, list(range(first, first + self.width)))
        return self.builder.icmp_signed("<", columns, self.splat(valid, index_type))

    def between(self, low: Any, high: Any, first: int) -> Any:
        """Lanes l with low <= l + first < high."""
        return self.builder.and_(self.mask(high, first), self.builder.not_(self.mask(low, first)))

    def _as_vector(self, place: Any) -> Any:
        return self.builder.bitcast(place, self.type.as_pointer())

    def load(self, place: Any) -> Any:
        value = self.builder.load(self._as_vector(place))
        value.align = 4
        return value

    def store(self, value: Any, place: Any) -> None:
        self.builder.store(value, self._as_vector(place)).align = 4

    def masked_load(self, place: Any, mask: Any) -> Any:
        function = self._function(
            f"llvm.masked.load.{self.name}.p0",
            self.type,
            [self.type.as_pointer(), _INT32, self.mask_type, self.type],
        )
        return self.builder.call(function, [self._as_vector(place), _INT32(4), mask, self.zero])

    def masked_store(self, value: Any, place: Any, mask: Any) -> None:
        function = self._function(
            f"llvm.masked.store.{self.name}.p0",
            ir.VoidType(),
            [self.type, self.type.as_pointer(), _INT32, self.mask_type],
        )
        self.builder.call(function, [value, self._as_vector(place), _INT32(4), mask])

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        """x y + total; fused where the processor can, never a call into libm where it can't."""
        function = self._function(f"llvm.fmuladd.{self.name}", self.type, [self.type] * 3)
        return self.builder.call(function, [x, y, total])

    def shuffled(self, a: Any, b: Any, order: list[int]) -> Any:
        """Lanes `order` of a and b taken together (b's numbers start where a's end)."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, len(order)), order))

    def pieces(self, places: list[Any]) -> Any:
        """One register made of a piece of 4 numbers from each place."""
        piece = ir.VectorType(self.element, 4)
        parts = [self.builder.load(self.builder.bitcast(place, piece.as_pointer())) for place in places]
        for part in parts:
            part.align = 4
        while len(parts) > 1:
            together = list(range(2 * parts[0].type.count))
            parts = [self.shuffled(a, b, together) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    def added_lanes(self, v: list[Any]) -> list[Any]:
        """The sum over the lanes of each register: the upper half on the lower half, until one is left. Two registers share the work of one."""
        width = size = self.width
        while size > 1 and len(v) > 1 and len(v) % 2 == 0:
            # groups of `size` lanes belong to one sum each; two registers become one of groups half as long
            half = size // 2
            low = [group + lane for group in range(0, width, size) for lane in range(half)]
            low += [width + lane for lane in low]
            high = [lane + half for lane in low]
            pairs = zip(v[::2], v[1::2], strict=True)
            v = [self.builder.fadd(self.shuffled(a, b, low), self.shuffled(a, b, high)) for a, b in pairs]
            size = half
        return [total for register in v for total in self._groups(register, size)]

    def _groups(self, register: Any, size: int) -> list[Any]:
        """Sums of groups of `size` neighbouring lanes of one register."""
        half = size // 2
        while half:
            order = [lane ^ half for lane in range(self.width)]
            register = self.builder.fadd(register, self.shuffled(register, self.undefined, order))
            half //= 2
        return [self.builder.extract_element(register, _INT32(g)) for g in range(0, self.width, size)]

    def transpose_pieces(self, v: list[Any]) -> list[Any]:
        """4 x 4 transposes inside the pieces of four registers."""
        w = self.width
        groups = range(0, w, 4)
        low = [x for g in groups for x in (g, w + g, g + 1, w + g + 1)]
        high = [x for g in groups for x in (g + 2, w + g + 2, g + 3, w + g + 3)]
        first = [x for g in groups for x in (g, g + 1, w + g, w + g + 1)]
        second = [x for g in groups for x in (g + 2, g + 3, w + g + 2, w + g + 3)]
        a, b = self.shuffled(v[0], v[1], low), self.shuffled(v[0], v[1], high)
        c, d = self.shuffled(v[2], v[3], low), self.shuffled(v[2], v[3], high)
        return [self.shuffled(x, y, order) for x, y in ((a, c), (b, d)) for order in (first, second)]

    def transpose(self, rows: list[Any]) -> list[Any]:
        """Square transpose by log2(width) rounds of perfect shuffles."""
        width, half = self.width, self.width // 2
        index_type = ir.VectorType(_INT32, width)
        low = [i // 2 + (i % 2) * width for i in range(width)]
        high = [k + half for k in low]
        for _ in range(width.bit_length() - 1):
            mixed = []
            for i in range(half):
                for order in (low, high):
                    mixed.append(
                        self.builder.shuffle_vector(rows[i], rows[i + half], ir.Constant(index_type, order))
                    )
            rows = mixed
        return rows


def make_tile(rows: int, vectors: int, numbers: bool = False, table: bool = False) -> Any:
    """The intrinsic tile(dtype, A, a_row, a_k, B, b_k, I, i_row, C, c_row, n, depth), `rows` x `vectors` registers.

    With `numbers`, a negative i_row says that I has one number for each row. With `table`, row k of B lies the k-th int64 at address b_k behind B,
    I has all columns, and n is the address of runs of columns: how many, then for each first column, the one behind the last, and how far behind C column 0 lies.
    """

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typing_context, dtype, A, a_row, a_k, B, b_k, I, i_row, C, c_row, n, depth
    ):
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            A, a_row, a_k, B, b_k, I, i_row, C, c_row, n, depth = arguments[1:]
            vec = Registers(builder, str(dtype.dtype))
            places = [(r, v) for r in range(rows) for v in range(vectors)]
            wide = _INT64(vectors * vec.width) if table else n
            masks = [vec.mask(wide, v * vec.width) for v in range(vectors)]

            def element(address: Any, stride: Any, r: int, v: int) -> Any:
                offset = builder.add(builder.mul(stride, _INT64(r)), _INT64(v * vec.width))
                return vec.at(address, offset)

            if numbers:
                start = _start(builder, vec, I, i_row, element, masks, places)
            else:
                start = {(r, v): vec.masked_load(element(I, i_row, r, v), masks[v]) for r, v in places}
            row_starts = [vec.at(A, builder.mul(a_row, _INT64(r))) for r in range(rows)]
            entry = builder.block
            loop = builder.append_basic_block("depth")
            done = builder.append_basic_block("done")
            builder.cbranch(builder.icmp_signed(">", depth, _INT64(0)), loop, done)

            builder.position_at_end(loop)
            k = builder.phi(_INT64)
            k.add_incoming(_INT64(0), entry)
            sums = {}
            for place in places:
                sums[place] = builder.phi(vec.type)
                sums[place].add_incoming(start[place], entry)
            if table:
                b_start = builder.load(builder.gep(builder.inttoptr(b_k, _INT64.as_pointer()), [k]))
            else:
                b_start = builder.mul(k, b_k)
            b = [vec.load(vec.at(B, builder.add(b_start, _INT64(v * vec.width)))) for v in range(vectors)]
            a_offset = builder.mul(k, a_k)
            new = {}
            for r in range(rows):
                a = vec.splat(builder.load(builder.gep(row_starts[r], [a_offset])), vec.type)
                for v in range(vectors):
                    new[r, v] = vec.multiply_add(a, b[v], sums[r, v])
            following = builder.add(k, _INT64(1))
            k.add_incoming(following, loop)
            for place in places:
                sums[place].add_incoming(new[place], loop)
            builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)

            builder.position_at_end(done)
            for r, v in places:
                result = builder.phi(vec.type)
                result.add_incoming(start[r, v], entry)
                result.add_incoming(new[r, v], loop)
                start[r, v] = result
            if table:
                _store_runs(builder, vec, start, C, element, c_row, n)
            else:
                for r, v in places:
                    vec.masked_store(start[r, v], element(C, c_row, r, v), masks[v])
            return context.get_dummy_value()

        return types.void(dtype, *[types.int64] * 11), codegen

    return tile


def _store_runs(
    builder: Any, vec: Registers, sums: dict[Any, Any], C: Any, element: Any, c_row: Any, runs: Any
) -> None:
    """Columns of C run by run: the same registers with other masks, to other places."""
    table = builder.inttoptr(runs, _INT64.as_pointer())
    count = builder.load(table)
    entry, run, end = builder.block, builder.append_basic_block("run"), builder.append_basic_block("end")
    builder.branch(run)
    builder.position_at_end(run)
    i = builder.phi(_INT64)
    i.add_incoming(_INT64(0), entry)
    words = [
        builder.load(builder.gep(table, [builder.add(builder.mul(i, _INT64(3)), _INT64(1 + word))]))
        for word in range(3)
    ]
    c = builder.add(C, builder.mul(words[2], _INT64(vec.size)))
    masks = {v: vec.between(words[0], words[1], v * vec.width) for _, v in sums}
    for (r, v), total in sums.items():
        vec.masked_store(total, element(c, c_row, r, v), masks[v])
    following = builder.add(i, _INT64(1))
    i.add_incoming(following, run)
    builder.cbranch(builder.icmp_signed("<", following, count), run, end)
    builder.position_at_end(end)


def _start(
    builder: Any, vec: Registers, I: Any, i_row: Any, element: Any, masks: list[Any], places: list[Any]
) -> dict[Any, Any]:
    """What the sums start from: vectors of I, or where i_row is negative one number of I for each row."""
    numbers, vectors, begin = (builder.append_basic_block(name) for name in ("numbers", "vectors", "begin"))
    builder.cbranch(builder.icmp_signed("<", i_row, _INT64(0)), numbers, vectors)
    builder.position_at_end(numbers)
    one = {r: vec.splat(builder.load(vec.at(I, _INT64(r))), vec.type) for r in {r for r, _ in places}}
    builder.branch(begin)
    builder.position_at_end(vectors)
    many = {(r, v): vec.masked_load(element(I, i_row, r, v), masks[v]) for r, v in places}
    builder.branch(begin)
    builder.position_at_end(begin)
    start = {}
    for r, v in places:
        start[r, v] = builder.phi(vec.type)
        start[r, v].add_incoming(one[r], numbers)
        start[r, v].add_incoming(many[r, v], vectors)
    return start


@intrinsic
def transpose_block(typing_context, dtype, S, s_row, rows, columns, D, d_row):  # type: ignore[no-untyped-def]
    """D[k, j] = S[j, k], zero where j >= rows: reads rows x columns of S (both at most `lanes`), writes lanes x lanes of D."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        S, s_row, rows, columns, D, d_row = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        taken = []
        for j in range(vec.width):
            present = builder.icmp_signed("<", _INT64(j), rows)
            mask = vec.mask(builder.select(present, columns, _INT64(0)), 0)
            taken.append(vec.masked_load(vec.at(S, builder.mul(s_row, _INT64(j))), mask))
        for k, column in enumerate(vec.transpose(taken)):
            vec.store(column, vec.at(D, builder.mul(d_row, _INT64(k))))
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 6), codegen


@intrinsic
def transpose_exact_block(typing_context, dtype, S, s_row, rows, columns, D, d_row):  # type: ignore[no-untyped-def]
    """`transpose_block` that writes columns x rows of D and nothing beyond."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        S, s_row, rows, columns, D, d_row = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))

        def mask(number: int, of: Any, width: Any) -> Any:
            present = builder.icmp_signed("<", _INT64(number), of)
            return vec.mask(builder.select(present, width, _INT64(0)), 0)

        taken = [
            vec.masked_load(vec.at(S, builder.mul(s_row, _INT64(j))), mask(j, rows, columns))
            for j in range(vec.width)
        ]
        for k, column in enumerate(vec.transpose(taken)):
            vec.masked_store(column, vec.at(D, builder.mul(d_row, _INT64(k))), mask(k, columns, rows))
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 6), codegen


@intrinsic
def transpose_full_block(typing_context, dtype, S, s_row, D, d_row):  # type: ignore[no-untyped-def]
    """`transpose_block` where all lanes x lanes numbers are there: loads put pieces of rows together, shuffles stay inside pieces."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        S, s_row, D, d_row = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        row = [vec.at(S, builder.mul(s_row, _INT64(j))) for j in range(vec.width)]
        if vec.width < 4:
            columns = vec.transpose([vec.load(place) for place in row])
        else:
            columns = []
            for k in range(0, vec.width, 4):
                taken = [
                    vec.pieces([builder.gep(row[g + i], [_INT64(k)]) for g in range(0, vec.width, 4)])
                    for i in range(4)
                ]
                columns += vec.transpose_pieces(taken)
        for k, column in enumerate(columns):
            vec.store(column, vec.at(D, builder.mul(d_row, _INT64(k))))
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 4), codegen


@intrinsic
def copy_lanes(typing_context, dtype, S, columns, D):  # type: ignore[no-untyped-def]
    """D[j] = S[j] for j < columns and zero in the other lanes of one register; reads no further than columns."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        S, columns, D = arguments[1:]
        vec = Registers(builder, str(dtype.dtype))
        value = vec.masked_load(vec.at(S, _INT64(0)), vec.mask(columns, 0))
        vec.store(value, vec.at(D, _INT64(0)))
        return context.get_dummy_value()

    return types.void(dtype, *[types.int64] * 3), codegen
