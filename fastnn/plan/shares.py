"""How the work of an instruction is dealt out: to threads by samples or by outputs, and to one thread in bands that stay in its caches.

Neither changes a result: every element is computed in the same way whoever computes it, and when.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.ops.data import GATHER_ROWS
from fastnn.plan.buffer import PRIVATE
from fastnn.plan.instruction import Instruction

__all__ = ["make_private", "mark_bands", "mark_channels", "mark_columns"]

MEETING = 20_000
"""Numbers that a thread can fetch from the other's cache in the time that two meetings take."""
COLUMNS = 64
"""Outputs from which on a product can be dealt out by outputs."""
FEW_SAMPLES = 8
"""Samples below which channels are dealt out, in instructions that are large enough for the meetings that this costs."""
CHANNEL_FLOPS, CHANNEL_BYTES = 4_000_000, 131_072
FEW_CHANNELS = 24
"""Output channels of a convolution up to which its weights' (channel, tap) are dealt out, not its output channels."""
BAND_BYTES = 65_536
"""What the samples of a band take: of the order of an L1 cache, far below L2."""
BAND_ROWS = 128
"""Samples that a band has at least: fewer, and the products pack their weights too often."""


def mark_columns(instructions: Sequence[Instruction]) -> None:
    """Deal out the outputs of a dense layer, not its samples, where W is much larger than the activations.

    By samples every thread fetches all of W, half of which another thread has just updated, and packs it; by outputs, all of a, and the team meets before and after.
    """
    for instruction in instructions:
        if instruction.kernel.name == "convolve.gradient_W":
            instruction.by_column = _few_channels(instruction)
            continue
        if not instruction.kernel.by_column or len(instruction.result.shape) != 2:
            continue
        batch, n_out = instruction.result.shape
        _, a, W, *_ = instruction.operands
        by_samples = W.size
        by_outputs = a.size + 2 * instruction.result.size + MEETING
        instruction.by_column = batch > 1 and n_out >= COLUMNS and by_samples > by_outputs


def _few_channels(instruction: Instruction) -> bool:
    """Whether a convolution's weights are so few that (channel, tap) is dealt out, where there are too few output channels for lanes and threads."""
    g, delta, a = instruction.operands
    n_out, n_in, height, width = g.shape
    s = instruction.settings
    if not s["stride_u"] == s["stride_v"] == s["dilation_u"] == s["dilation_v"] == 1 or n_in != a.shape[1]:
        return False
    # of the image with zeros around it, behind as many as delta reaches
    tall = int(s["pad_u"]) + max(a.shape[2], delta.shape[2] + max(height - 1 - int(s["pad_u"]), 0))
    long = int(s["pad_v"]) + max(a.shape[3], delta.shape[3] + max(width - 1 - int(s["pad_v"]), 0))
    image = n_in * long * tall
    rows = -(-n_out // 6) * 6  # of a tile of dot products, as columns are 4 and lanes 16, at most
    sums = rows * -(-n_in * height * width // 4) * 4 * 16
    return (
        n_out <= FEW_CHANNELS
        and image <= 16_384
        and rows * (delta.shape[2] * long + 16) <= 49_152
        and sums <= 65_536
    )


def mark_channels(instructions: Sequence[Instruction]) -> None:
    """Deal out the channels of few large samples: one image can keep all threads busy."""
    for instruction in instructions:
        result, kernel = instruction.result, instruction.kernel
        if (
            not result.batched
            or len(result.shape) != 4
            or result.shape[0] >= FEW_SAMPLES
            or not kernel.by_channel
        ):
            continue
        work = instruction.flops >= CHANNEL_FLOPS if kernel.name.startswith("convolve.") else False
        if work or instruction.result.bytes >= CHANNEL_BYTES:
            instruction.axes = 2


def make_private(instructions: Sequence[Instruction]) -> int:
    """A batch that is gathered for layers that are dealt out by outputs is gathered by every thread, all of it, into memory of its own; gives its bytes.

    Each needs all of it, and reads it sooner from the data, which nobody writes, than from what another thread has just written.
    """
    gather = instructions[0]
    batch = gather.result
    if gather.kernel is not GATHER_ROWS or not any(
        i.by_column and batch.root in (b.root for b in i.operands[1:]) for i in instructions
    ):
        return 0
    gather.each = True
    for buffer in {b for i in instructions for b in i.operands if b.root is batch.root} | {batch.root}:
        buffer.space = PRIVATE
    return batch.bytes


def mark_bands(instructions: Sequence[Instruction]) -> None:
    """Runs of instructions that work sample by sample on more memory than the caches hold go through the batch in bands."""
    start = 0
    while start < len(instructions):
        stop = start
        while (
            stop < len(instructions)
            and _by_sample(instructions[stop])
            and (stop == start or not (instructions[stop].meet or instructions[stop].checks))
        ):
            stop += 1
        if stop - start > 1:
            _band(instructions[start:stop])
        start = max(stop, start + 1)


def _by_sample(instruction: Instruction) -> bool:
    return (
        instruction.result.batched
        and instruction.axes == 1
        and not (instruction.by_column or instruction.each)
    )


def _band(run: Sequence[Instruction]) -> None:
    batch = run[0].units
    if any(i.units != batch for i in run):
        return
    batched = {b.root: b.bytes for i in run for b in i.operands if b.batched}
    others = {b.root: b.bytes for i in run for b in i.operands if not b.batched and b.space == "theta"}
    bands = min(sum(batched.values()) // BAND_BYTES, batch // BAND_ROWS)
    if bands > 1 and sum(others.values()) <= BAND_BYTES // 2:
        run[0].members, run[0].bands = len(run), bands
