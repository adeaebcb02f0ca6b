"""A program: the stages of a plan, their words, and the table that the tape's kernel walks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.lower import Stage, stages_of
from fastnn.cuda.tape import TABLE_COLUMNS
from fastnn.cuda.tile import Geometry
from fastnn.cuda.unit import StageText
from fastnn.plan import Plan
from fastnn.plan.words import Place

__all__ = ["Program", "kinds_of"]

Array = NDArray[np.int64]


class Program:
    """Stages in order, `firsts` their first words; `parts` are the numbers that the largest split sum leaves."""

    def __init__(self, plan: Plan, geometry: Geometry, precision: str) -> None:
        self.plan = plan
        self.stages: list[Stage] = stages_of(plan, geometry, precision)
        self.firsts: list[int] = []
        self.places: list[tuple[int, str, int]] = []
        words: list[int] = []
        for stage in self.stages:
            self.firsts.append(len(words))
            for word in stage.words:
                if isinstance(word, Place):
                    buffer = word.buffer
                    space = word.constant if buffer is None else buffer.space
                    offset = 0 if buffer is None else buffer.offset * buffer.itemsize
                    self.places.append((len(words), space, offset))
                words.append(word if isinstance(word, int) else 0)
        self.words: Array = np.array(words, np.int64)
        self.parts = max((stage.parts for stage in self.stages), default=0)

    def table(self, kinds: list[StageText]) -> Array:
        """Which kind each stage is of, its first word, and whether all meet before it."""
        numbers = {kind.text: number for number, kind in enumerate(kinds)}
        rows = [
            (numbers[stage.text.text], first, int(stage.meet))
            for stage, first in zip(self.stages, self.firsts, strict=True)
        ]
        return np.array(rows, np.int64).reshape(-1, TABLE_COLUMNS)

    def spaces(self) -> set[str]:
        """Names of all memory that the words point to."""
        return {space for _, space, _ in self.places}

    def address(self, bases: dict[str, int], near: set[str]) -> tuple[Array, Array]:
        """The words with every place filled in, and marks for those that lie in one of the spaces `near`; what is not bound yet stays 0."""
        words, marks = self.words.copy(), np.zeros_like(self.words)
        for index, space, offset in self.places:
            if space in bases:
                words[index] = bases[space] + offset
                marks[index] = space in near
        return words, marks


def kinds_of(programs: list[Program]) -> list[StageText]:
    """The stages that differ, in order of appearance: what the tape's kernel is made of."""
    stages = [stage.text for program in programs for stage in program.stages]
    return list({stage.text: stage for stage in reversed(stages)}.values())[::-1]
