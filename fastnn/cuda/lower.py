"""From a plan to stages: which kernels run one after the other, with what words, and where all threads must meet between them.

A stage is an instruction and the element-wise ones behind it that touch nothing but the elements it has written: the activation behind its product, the slope behind
delta's, the rule behind the gradient. The thread that wrote an element does them, so they cost no launch and no meeting.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from fastnn.cuda.convolution import Convolution, Cut, convolution_of
from fastnn.cuda.reciprocal import reciprocal
from fastnn.cuda.tile import LARGE, Geometry, Tile
from fastnn.cuda.unit import Part, StageText
from fastnn.errors import CapabilityError
from fastnn.plan import Instruction, Plan
from fastnn.plan.layout import GIVEN, Touch, conflict
from fastnn.plan.words import Place, Product, Word, body_words, product_of

__all__ = ["BAD", "PARTS", "Stage", "stages_of"]

PARTS, BAD = Place(None, "parts"), Place(None, "bad")
"""Where a split sum leaves its parts; the flag of a loss that is not finite."""
NOTHING = 0
MOST_SPLITS = 4
"""Parts that a sum may be split into for the sake of a larger tile: each writes C once more."""
LONG = 512
"""Numbers of k that pay for writing a tile of C once more."""
MOST = 2**31
"""Numbers that one instruction may write: what can be counted in the 31 bits of a grid."""
_PLANES = ("batch_norm.plane_moments", "batch_norm.plane_sums")
_ALONE = ("data.collect", "data.check", "data.gather_rows", *_PLANES)
"""Kernels whose form lets nothing follow."""


@dataclass
class Stage:
    """One turn of all threads. `parts`: numbers that it leaves for the next stage to add up; `meet`: all threads meet before it."""

    node: str
    text: StageText
    words: list[Word]
    blocks: int
    parts: int = 0
    touches: list[Touch] = field(default_factory=list)
    meet: bool = False


def stages_of(plan: Plan, geometry: Geometry, precision: str = "float32") -> list[Stage]:
    """The stages of a plan, in order."""
    stages: list[Stage] = []
    for group in _groups(plan.instructions):
        size = max(prod(i.result.shape) for i in group)
        if size >= MOST:
            raise CapabilityError(
                f"{group[0].node!r} writes {size:,} numbers at once",
                expected=f"fewer than {MOST:,} on a GPU",
                hint="a smaller batch",
            )
        stages += _lowered(group, plan.dtype, geometry, precision)
    _mark_meetings(stages)
    return stages


# ---- grouping
def _groups(instructions: Sequence[Instruction]) -> Iterator[list[Instruction]]:
    group: list[Instruction] = []
    for instruction in instructions:
        if group and not _follows(group, instruction):
            yield group
            group = []
        group.append(instruction)
    if group:
        yield group


def _follows(group: Sequence[Instruction], nxt: Instruction) -> bool:
    """Whether the thread that wrote element i can go on with `nxt` for it."""
    head = group[0]
    if head.kernel.by_row or head.kernel.name in _ALONE or not nxt.kernel.elementwise:
        return False
    if _elements(nxt) != _elements(head) or nxt.kernel.by_row or head.kernel.counted is not None:
        return False
    before = [touch for i in group for touch in _touches(i)]
    return not any(conflict(a, b) for a in _touches(nxt) for b in before)


def _elements(instruction: Instruction) -> int:
    return instruction.units * instruction.inner


def _touches(instruction: Instruction, dealt: bool = True) -> Iterator[Touch]:
    """What it reads and writes; where `dealt`, element i of what it writes, and of all that an element-wise kernel touches, belongs to one thread."""
    results = 1 + instruction.kernel.extra_results
    n = _elements(instruction)
    for position, buffer in enumerate(instruction.operands):
        mine = dealt and (position == 0 or instruction.kernel.elementwise)
        if buffer.space not in GIVEN:
            start = buffer.offset * buffer.itemsize
            yield buffer.space, start, start + buffer.bytes, position < results, n if mine else 0
    if instruction.checks:
        yield "bad", 0, 8, False, 0


def _mark_meetings(stages: Sequence[Stage]) -> None:
    """Set `meet` where a stage touches what others wrote since the last meeting, or writes what they may still read."""
    since: list[Touch] = []
    for stage in stages:
        stage.meet = any(conflict(a, b) for a in stage.touches for b in since)
        since = [*([] if stage.meet else since), *stage.touches]


# ---- words
def _lowered(group: list[Instruction], dtype: str, geometry: Geometry, precision: str) -> list[Stage]:
    head, tails = group[0], group[1:]
    factors = product_of(head)
    if factors is not None:
        return _product(head, tails, factors, dtype, geometry, precision)
    convolved = convolution_of(head)
    if convolved is not None:
        return _convolution(head, tails, convolved, dtype, geometry, precision)
    if head.kernel.name == "affine.gradient_b":
        return _column_sums(head, tails, dtype, geometry)
    if head.kernel.name == "convolve.gradient_b":
        return _channel_sums(head, tails, dtype, geometry)
    if head.kernel.name in _PLANES:
        return [_planes(head, dtype, geometry)]
    n, words = head.operands[-1].size, list[Word]()
    if head.kernel.name == "data.collect":
        form, words = f"forms.collect(real, {geometry.threads})", [Place(head.operands[1]), n]
        return [_formed(form, words, head, [], dtype, 1, "np.float64")]
    if head.kernel.name == "data.check":
        words = [Place(head.operands[1]), n]
        return [_formed("forms.check(real)", words, head, [], dtype, _blocks(n, geometry), "np.int64")]
    if head.kernel.name == "data.gather_rows":
        out, X, order = head.operands
        words = [Place(X), out.row_size, Place(order), out.shape[0]]
        return [_formed("forms.gather_rows(real)", words, head, [], dtype, _blocks(out.size, geometry))]
    return [_bodies(head, tails, dtype, geometry)]


def _bodies(head: Instruction, tails: list[Instruction], dtype: str, geometry: Geometry) -> Stage:
    words = body_words(head, lambda value: _real_word(value, dtype))
    bad = len(words)
    words.append(BAD)
    parts = _parts(tails, head, words, dtype)
    first = Part(head.kernel, head.accumulate, 0, (), head.checks)
    touches = [touch for i in (head, *tails) for touch in _touches(i)]
    text = StageText("", first, parts, bad=bad)
    return Stage(_named(head, tails), text, words, _blocks(_elements(head), geometry), touches=touches)


def _formed(
    form: str,
    words: Sequence[Word],
    head: Instruction,
    tails: list[Instruction],
    dtype: str,
    blocks: int,
    result_type: str = "real",
) -> Stage:
    """A stage whose head is computed by one of forms.py; its words come first, then the result, the flag, and those of what follows."""
    all_words: list[Word] = [*words, Place(head.result), BAD]
    parts = _parts(tails, head, all_words, dtype)
    text = StageText(form, None, parts, len(words), result_type, len(words) + 1)
    # a form deals out elements in its own way: nothing that it touches is known to stay with a thread
    touches = [touch for i in (head, *tails) for touch in _touches(i, dealt=False)]
    return Stage(_named(head, tails), text, all_words, blocks, touches=touches)


def _parts(tails: list[Instruction], head: Instruction, words: list[Word], dtype: str) -> tuple[Part, ...]:
    parts = []
    for tail in tails:
        same = tuple(p for p, buffer in enumerate(tail.operands) if buffer.same_place(head.result))
        parts.append(Part(tail.kernel, tail.accumulate, len(words), same, tail.checks))
        words += body_words(tail, lambda value: _real_word(value, dtype))
    return tuple(parts)


def _product(
    head: Instruction, tails: list[Instruction], p: Product, dtype: str, geometry: Geometry, precision: str
) -> list[Stage]:
    rows, columns = head.result.shape[0], head.result.row_size
    tile, splits = _cut(rows, columns, p.depth, dtype, geometry, precision)
    start: list[Word] = [NOTHING, 0]
    if p.bias is not None:
        start = [Place(p.bias), 0]
    elif head.accumulate:
        start = [Place(head.result), columns]
    words: list[Word] = [*start, Place(p.A), p.a_row, p.a_k, Place(p.B), p.b_column, p.b_k]
    words += [rows, columns, p.depth, splits, PARTS]
    split = splits > 1
    form = f'forms.product(real, "{tile.name}", "{precision}", {p.a_k == 1}, {p.b_k == 1}, {split}, {{then}})'
    blocks = -(-rows // tile.rows) * -(-columns // tile.columns) * splits
    if not split:
        return [_formed(form, words, head, tails, dtype, blocks)]
    return _split(form, words, head, tails, dtype, geometry, blocks, splits, start)


def _convolution(
    head: Instruction,
    tails: list[Instruction],
    p: Convolution,
    dtype: str,
    geometry: Geometry,
    precision: str,
) -> list[Stage]:
    tile, splits = _cut_images(p, dtype, geometry, precision)
    start: list[Word] = [NOTHING, 0]
    if p.bias is not None:
        start = [Place(p.bias), 0]
    elif head.accumulate:
        start = [Place(head.result), 1]
    numbers = p.words(Cut(tile.rows, tile.columns, tile.depth, splits))
    blocks = numbers[0]
    words: list[Word] = [*start, Place(p.A), Place(p.image), PARTS, head.result.size, *numbers]
    sides = f'"{p.sides[0]}", "{p.sides[1]}"'
    form = f'forms.convolution(real, "{tile.name}", "{precision}", {sides}, {splits > 1}, {{then}})'
    if splits == 1:
        return [_formed(form, words, head, tails, dtype, blocks)]
    first, second = _split(form, words, head, tails, dtype, geometry, blocks, splits, [NOTHING, 0])
    if head.accumulate:  # the first part begins with what is there
        first.touches += [(*touch[:3], False, 0) for touch in _touches(head, dealt=False) if touch[3]]
    return [first, second]


def _channel_sums(head: Instruction, tails: list[Instruction], dtype: str, geometry: Geometry) -> list[Stage]:
    samples, channels, *image = head.operands[1].shape
    numbers = samples * prod(image)
    splits = max(1, min(geometry.enough // channels, numbers // (8 * geometry.least_depth)))
    start: list[Word] = [Place(head.result) if head.accumulate else NOTHING, 0]
    words: list[Word] = [start[0], Place(head.operands[1]), channels, prod(image), numbers]
    words += [-(-numbers // splits), splits, PARTS, *reciprocal(channels), *reciprocal(prod(image))]
    form = f"forms.channel_sums(real, {geometry.threads}, {splits > 1}, {{then}})"
    if splits == 1:
        return [_formed(form, words, head, tails, dtype, channels)]
    return _split(form, words, head, tails, dtype, geometry, channels * splits, splits, start)


def _planes(head: Instruction, dtype: str, geometry: Geometry) -> Stage:
    """Sums over a sample's channel: as many threads share one as leaves each some numbers."""
    _, other, data, *more = head.operands
    size, planes = int(head.settings["size"]), head.result.size
    lanes = min(geometry.threads, 1 << (max(size // 4, 1) - 1).bit_length())
    words: list[Word] = [Place(data), planes, size, lanes, Place(other)]
    if more:
        words += [Place(buffer) for buffer in more] + [int(head.settings["channels"])]
    form = f"forms.{head.kernel.name.partition('.')[2]}(real, {geometry.threads})"
    return _formed(form, words, head, [], dtype, -(-planes * lanes // geometry.threads))


def _tiles(all_tiles: tuple[Tile, ...], dtype: str, geometry: Geometry, precision: str) -> tuple[Any, ...]:
    """Those that this precision has, largest first."""
    if precision != "float32":
        from fastnn.cuda.tensor import TENSOR_TILES

        return tuple(tile for tile in TENSOR_TILES.values() if tile.threads == geometry.threads)
    if dtype == "float64":  # the sums of the largest alone would fill the registers
        return tuple(tile for tile in all_tiles if tile is not LARGE)
    return all_tiles


def _cut(
    rows: int, columns: int, depth: int, dtype: str, geometry: Geometry, precision: str
) -> tuple[Any, int]:
    """The tile for a product, and into how many parts its sum over k is split."""
    tiles = _tiles(geometry.tiles, dtype, geometry, precision)
    for tile in tiles:
        blocks = -(-rows // tile.rows) * -(-columns // tile.columns)
        fits = 2 * rows > tile.rows and 2 * columns > tile.columns
        if tile is tiles[-1] or (
            fits and blocks * min(MOST_SPLITS, depth // geometry.least_depth) >= geometry.enough
        ):
            break
    return tile, max(1, min(geometry.enough // blocks, depth // geometry.least_depth))


def _cut_images(p: Convolution, dtype: str, geometry: Geometry, precision: str) -> tuple[Any, int]:
    """The same for a convolution: its sums may be so long that many parts pay, and its rows so few that the tile with the fewest holds them."""
    tiles = _tiles(geometry.images, dtype, geometry, precision)
    least = min(tile.rows for tile in tiles)
    parts = min(max(MOST_SPLITS, p.depth // LONG), p.depth // geometry.least_depth)
    for tile in tiles:
        blocks = -(-p.rows // tile.rows) * -(-p.columns // tile.columns) * p.times
        filled = p.rows <= least if tile.rows == least else 2 * p.rows > tile.rows
        fits = filled and 2 * p.columns > tile.columns
        if tile is tiles[-1] or (fits and blocks * parts >= geometry.enough):
            break
    return tile, max(1, min(geometry.enough // blocks, p.depth // geometry.least_depth))


def _split(
    form: str,
    words: list[Word],
    head: Instruction,
    tails: list[Instruction],
    dtype: str,
    geometry: Geometry,
    blocks: int,
    splits: int,
    start: list[Word],
) -> list[Stage]:
    """Two stages: parts of the sums, and the sums of the parts with what follows."""
    n, columns = head.result.size, head.result.row_size if len(head.result.shape) > 1 else head.result.size
    first = _formed(form, words, head, [], dtype, blocks)
    first.parts = n * splits
    reads = [touch for touch in _touches(head, dealt=False) if not touch[3]]
    first.touches = [*reads, ("parts", 0, 1, True, 0)]
    second_words: list[Word] = [*start, columns, n, splits, PARTS]
    second = _formed(
        "forms.sum_of_parts(real, {then})", second_words, head, tails, dtype, _blocks(n, geometry)
    )
    second.touches.append(("parts", 0, 1, False, 0))
    return [first, second]


def _column_sums(head: Instruction, tails: list[Instruction], dtype: str, geometry: Geometry) -> list[Stage]:
    rows, columns = head.operands[1].shape
    groups = -(-columns // min(32, geometry.threads))
    splits = max(1, min(geometry.enough // groups, rows // (8 * geometry.least_depth)))
    start: list[Word] = [Place(head.result) if head.accumulate else NOTHING, 0]
    words: list[Word] = [start[0], Place(head.operands[1]), rows, columns, splits, PARTS]
    form = f"forms.column_sums(real, {geometry.threads}, {splits > 1}, {{then}})"
    if splits == 1:
        return [_formed(form, words, head, tails, dtype, groups)]
    return _split(form, words, head, tails, dtype, geometry, groups * splits, splits, start)


def _blocks(elements: int, geometry: Geometry) -> int:
    return max(1, -(-elements // geometry.threads))


def _real_word(value: float, dtype: str) -> int:
    """The bits of a real number in the network's dtype, as an int64."""
    kinds = ("<i", "<f") if dtype == "float32" else ("<q", "<d")
    word: int = struct.unpack(kinds[0], struct.pack(kinds[1], float(value)))[0]
    return word


def _named(head: Instruction, tails: Sequence[Instruction]) -> str:
    return " + ".join(f"{i.node} {i.kernel.name}" for i in (head, *tails))
