"""Where buffers of the arena lie, and where threads must meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastnn.memory import ALIGNMENT
from fastnn.plan.buffer import PRIVATE, Buffer
from fastnn.plan.instruction import Instruction

__all__ = ["GIVEN", "Touch", "conflict", "mark_meetings", "place_buffers"]

_INT64 = 8
GIVEN = ("X", "y", "order", "weights", "ones")
"""Spaces that no kernel writes."""

Touch = tuple[str, int, int, bool, int]
"""Space, first byte, the byte behind the last, whether it is written, how many parts are dealt out to threads in order (0: anyone touches all)."""
EACH = -1
"""In the place of parts: every thread writes it all, and reads what it wrote itself."""


def place_buffers(instructions: Sequence[Instruction]) -> int:
    """Give every buffer of the arena an offset; two may share a place if the last use of one is before the first use of the other.

    Returns the bytes needed. First fit in the order of the tape, larger buffers first among those that begin together: at most 1.4 times the
    largest live set on the networks of the tests. (The largest first of all would come within 3 %, but have threads meet twice as often.)
    """
    lives: dict[Buffer, list[int]] = {}
    for index, instruction in enumerate(instructions):
        for buffer in instruction.operands:
            if buffer.root.space == "arena":
                life = lives.setdefault(buffer.root, [index, index])
                life[1] = index
    placed: list[tuple[int, int, int, int]] = []  # first use, last use, start, end
    total = 0
    for buffer, (first, last) in sorted(lives.items(), key=lambda item: (item[1][0], -item[0].bytes)):
        need = -(-max(buffer.bytes, 1) // ALIGNMENT) * ALIGNMENT
        start = 0
        for _, _, other_start, other_end in sorted(
            (p for p in placed if p[0] <= last and first <= p[1]), key=lambda p: p[2]
        ):
            if start + need <= other_start:
                break
            start = max(start, other_end)
        placed.append((first, last, start, start + need))
        buffer.offset = start // buffer.itemsize
        total = max(total, start + need)
    return total


def mark_meetings(instructions: Sequence[Instruction]) -> None:
    """Set `meet` where an instruction touches what another thread wrote, or overwrites what another thread may still read.

    Two instructions that both work sample by sample on one place of memory touch the same samples in the same thread, and need no meeting,
    even where they know it as two buffers, one dead before the other begins. The same holds for the rows of W, of its gradient and its update.
    """
    since: list[Touch] = []
    for instruction in instructions:
        touched = list(_touches(instruction))
        instruction.meet = any(conflict(a, b) for a in touched for b in since)
        if instruction.meet:
            since = []
        since += touched


def _touches(instruction: Instruction) -> Iterator[Touch]:
    results = 1 + instruction.kernel.extra_results
    for position, buffer in enumerate(instruction.operands):
        written = position < results
        if buffer.space in GIVEN or buffer.space == PRIVATE:
            continue
        parts = 0
        if instruction.each:
            parts = EACH if written else 0
        elif instruction.axes == 2:
            parts = instruction.units if position < results or _of_one_channel(instruction, buffer) else 0
        elif not instruction.by_column and (
            (instruction.result.batched and buffer.batched) or instruction.kernel.elementwise or position == 0
        ):
            parts = instruction.units
        start = buffer.offset * buffer.itemsize
        yield buffer.space, start, start + buffer.bytes, written, parts
    if instruction.checks:
        yield "bad", 0, _INT64, False, EACH


def _of_one_channel(instruction: Instruction, buffer: Buffer) -> bool:
    """Whether what is dealt out by channels reads of this operand nothing but its own channels."""
    if instruction.kernel.elementwise:
        return True
    return instruction.kernel.counted == 2 and buffer.shape[:2] == instruction.result.shape[:2]


def conflict(a: Touch, b: Touch) -> bool:
    """Whether one writes what the other touches, and not the same thread the same part of it."""
    if a[0] != b[0] or not (a[3] or b[3]) or a[2] <= b[1] or b[2] <= a[1]:
        return False
    return not (a[4] != 0 and a[4] == b[4] and a[1:3] == b[1:3])
