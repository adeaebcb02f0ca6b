"""Which convolutions of a plan for a CPU go by Winograd's minimal filtering (ops/winograd.py), and the instructions that they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fastnn.ops.winograd import PLACES, WEIGHTS, WINOGRAD
from fastnn.plan.buffer import Buffer
from fastnn.plan.instruction import Instruction

__all__ = ["winograd_pays", "with_winograd"]

CHANNELS = 24
"""Channels in and out from which on the transforms cost less than the multiplications that they save."""
MOST = 8192
"""Channels whose transformed weights fit into the workspace row by row."""
PIECES = 128
"""Pieces of 2 x 2 outputs in the batch from which on transforming the weights pays."""
OF_GRADIENT = 256
"""The same for the gradient of the weights, whose way back costs more."""


def with_winograd(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The instructions, in which large convolutions by 3 x 3 of stride 1 first transform their weights."""
    result: list[Instruction] = []
    for instruction in instructions:
        kernel = WINOGRAD.get(instruction.kernel.name)
        if kernel is None or not _pays(instruction):
            result.append(instruction)
            continue
        W = instruction.operands[2]
        turned = instruction.kernel.name == "convolve.backward"
        n_out, n_in = W.shape[:2]
        rows, columns = (n_in, n_out) if turned else (n_out, n_in)
        U = Buffer(f"{W.name} U", "arena", (PLACES * rows, columns), W.dtype, batched=False)
        result.append(Instruction(WEIGHTS, [U, W], {"turned": int(turned)}, False, instruction.node))
        result.append(replace(instruction, kernel=kernel, operands=[*instruction.operands, U]))
    return result


def _pays(instruction: Instruction) -> bool:
    result, image, W = instruction.operands[:3]
    return winograd_pays(result, image, W, instruction.settings, PIECES)


def winograd_pays(
    one: Buffer, other: Buffer, W: Buffer, settings: Mapping[str, float], least: int | None = None
) -> bool:
    """Whether a convolution by W between these images, either way round, is large enough; `least`: pieces of 2 x 2 in the batch (a gradient's)."""
    if W.shape[2:] != (3, 3) or min(W.shape[:2]) < CHANNELS or max(W.shape[:2]) > MOST:
        return False
    names = ("stride_u", "stride_v", "dilation_u", "dilation_v")
    pieces = one.shape[0] * (-(-one.shape[2] // 2)) * (-(-one.shape[3] // 2))
    plain = all(settings[name] == 1 for name in names) and sorted((one.shape[1], other.shape[1])) == sorted(
        W.shape[:2]
    )
    return plain and pieces >= (OF_GRADIENT if least is None else least)
