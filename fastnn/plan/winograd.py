"""Which convolutions of a plan for a CPU go by Winograd's minimal filtering (ops/winograd.py), and the instructions that they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastnn.ops.winograd import PLACES, WEIGHTS, WINOGRAD
from fastnn.plan.buffer import Buffer
from fastnn.plan.instruction import Instruction

__all__ = ["with_winograd"]

CHANNELS = 24
"""Channels in and out from which on the transforms cost less than the multiplications that they save."""
MOST = 8192
"""Channels whose transformed weights fit into the workspace row by row."""
PIECES = 128
"""Pieces of 2 x 2 outputs in the batch from which on transforming the weights pays."""


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
    s = instruction.settings
    if W.shape[2:] != (3, 3) or min(W.shape[:2]) < CHANNELS or max(W.shape[:2]) > MOST:
        return False
    plain = s["stride_u"] == s["stride_v"] == s["dilation_u"] == s["dilation_v"] == 1
    pieces = result.shape[0] * (-(-result.shape[2] // 2)) * (-(-result.shape[3] // 2))
    return plain and {result.shape[1], image.shape[1]} == set(W.shape[:2]) and pieces >= PIECES
