"""A program: a plan lowered for the CPU. A table of instructions (address of code, first word, meet?, check?) and all their words."""

from __future__ import annotations

import numpy as np

from fastnn.cpu.lower import lower
from fastnn.plan import Plan
from fastnn.plan.words import Place

__all__ = ["TABLE_COLUMNS", "Program"]

TABLE_COLUMNS = 7
"""Address, first word, 1 to meet before, 1 to stop before if the loss was not finite, 1 where every thread does all, members and bands of the group it begins."""


class Program:
    """Compiled code, and words for each thread; `bind` fills in where memory lies. `zero_row`: how many zeros the widest product starts from."""

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        self.plan = plan
        words: list[int] = []
        table: list[tuple[int, ...]] = []
        places: list[tuple[int, str, int]] = []
        self.zero_row = 0
        for instruction in plan.instructions:
            unit, operands = lower(instruction, plan.dtype)
            how = (
                instruction.meet,
                instruction.checks,
                instruction.each,
                instruction.members,
                instruction.bands,
            )
            table.append((unit.load(), len(words), *map(int, how)))
            for word in operands:
                if isinstance(word, Place):
                    buffer = word.buffer
                    if word.constant == "zeros":
                        result = instruction.result
                        columns = result.row_size if len(result.shape) > 1 else result.size
                        self.zero_row = max(self.zero_row, columns, result.shape[0])
                    space = word.constant if buffer is None else buffer.space
                    places.append(
                        (len(words), space, 0 if buffer is None else buffer.offset * buffer.itemsize)
                    )
                    words.append(0)
                else:
                    words.append(word)
        self.table = np.array(table, dtype=np.int64).reshape(-1, TABLE_COLUMNS)
        self.words = np.tile(np.array(words, dtype=np.int64), (threads, 1))
        self.places: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for space in {place[1] for place in places}:
            chosen = [(index, offset) for index, name, offset in places if name == space]
            self.places[space] = tuple(
                np.array(column, dtype=np.int64) for column in zip(*chosen, strict=True)
            )  # type: ignore[assignment]

    def bind(self, space: str, address: int, stride: int = 0) -> None:
        """Everything in `space` lies from `address` on; what is private of thread t, t times `stride` bytes behind."""
        if space in self.places:
            index, offset = self.places[space]
            for t, words in enumerate(self.words):
                words[index] = offset + address + t * stride
