"""An instruction: one kernel with its operands, and the plan that lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from fastnn.graph import Graph
from fastnn.ops.kernel import Kernel
from fastnn.plan.buffer import Buffer

__all__ = ["Instruction", "Plan"]


@dataclass(eq=False)
class Instruction:
    """One kernel at work on `units` x `inner` elements, dealt out to threads by units.

    A unit is a sample where the result is batched, else an element (or row of W) of the result. `accumulate`: add to the result, else
    overwrite it. `checks`: the step ends before this instruction if the loss was not finite, which is to say that it reads `bad`.
    `meet`: a team of threads has to meet before it, because it touches what another thread wrote or still reads.
    `each`: every thread does all of it, and writes what the others write. `by_column`: the columns of the result are dealt out, not its rows.
    `axes`: how many axes of the result units count; 2 where the channels of few samples are dealt out.
    `members`, `bands`: with the next members - 1 instructions it is run on one band of units after the other, which stay in the caches.
    """

    kernel: Kernel
    operands: list[Buffer]
    settings: dict[str, float]
    accumulate: bool
    node: str
    checks: bool = False
    meet: bool = False
    each: bool = False
    by_column: bool = False
    axes: int = 1
    members: int = 1
    bands: int = 1

    @property
    def result(self) -> Buffer:
        return self.operands[0]

    @property
    def units(self) -> int:
        return prod(self.result.shape[: self.axes])

    @property
    def inner(self) -> int:
        return self.kernel.inner(self.result.shape, self.axes)

    @property
    def flops(self) -> int:
        shapes = [buffer.shape for buffer in self.operands]
        return self.kernel.flops(*shapes) if self.kernel.flops is not None else max(prod(shapes[0]), 0)

    @property
    def bytes(self) -> int:
        """Bytes that the instruction reads and writes at least."""
        return sum(buffer.bytes for buffer in self.operands)


@dataclass
class Plan:
    """Instructions in order; `arena_bytes` is all the memory that a pass needs beside the flat vectors and the data, but for `private_bytes` for each thread."""

    graph: Graph
    batch: int
    dtype: str
    mode: str
    instructions: list[Instruction]
    arena_bytes: int
    externals: dict[str, Buffer] = field(default_factory=dict)
    private_bytes: int = 0

    @property
    def flops(self) -> int:
        return sum(i.flops for i in self.instructions)

    @property
    def meetings(self) -> int:
        """How often a team of threads has to meet in one pass."""
        return sum(i.meet for i in self.instructions)

    def __str__(self) -> str:
        from fastnn.plan.table import table

        return table(self)
