"""From an instruction of a convolution to its tuned kernel and words."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from fastnn.compile import Unit
from fastnn.cpu.convolve import LONGEST
from fastnn.cpu.unit import HEADER, OPTIONS
from fastnn.plan.words import Place, Word

if TYPE_CHECKING:
    from fastnn.plan import Instruction
    from fastnn.plan.buffer import Buffer

__all__ = ["bias_gradient", "convolution", "convolution_backward", "weight_gradient"]

ZEROS = Place(None, "zeros")
Taps = list[tuple[int, int, int]]
"""dy, dx, and where the weight lies behind its channel's first."""
Phase = tuple[int, int, int, Taps]
"""Where the phase begins in the result, rows and columns of its pixels, its taps."""


def _unit(module: str, name: str, dtype: str) -> Unit:
    """The unit that is this function of a module of fastnn/cpu/."""
    text = HEADER.format(dtype=dtype) + (
        f"from fastnn.cpu.{module} import {name}\n\n\n@cfunc('void(int64, int64, int64, int64)', _nrt=False, {OPTIONS})\n"
        f"def kernel(words, run, t, team):\n    {name}(real, words, run, t, team)\n"
    )
    return Unit(f"{name}_{dtype}", text)


def _images(buffer: Buffer, row: int, step: int) -> list[Word]:
    """The result: how far it is to the next sample, channel, row and column of a phase."""
    _, channels, height, width = buffer.shape
    return [Place(buffer), channels * height * width, height * width, row, step]


def _source(buffer: Buffer) -> list[Word]:
    _, channels, height, width = buffer.shape
    return [Place(buffer), channels * height * width, height * width, height, width]


def _phases(phases: list[Phase]) -> list[Word]:
    """Their number, then all of them, then the taps of all."""
    heads: list[Word] = [len(phases)]
    numbers: list[Word] = []
    first = 0
    for offset, rows, columns, taps in phases:
        heads += [offset, rows, columns, first, len(taps)]
        first += len(taps)
        numbers += [number for tap in taps for number in tap]
    return heads + numbers


def _forward_taps(settings: Mapping[str, float], height: int, width: int) -> Taps:
    s = {name: int(value) for name, value in settings.items()}
    return [
        (p * s["dilation_u"] - s["pad_u"], q * s["dilation_v"] - s["pad_v"], p * width + q)
        for p in range(height)
        for q in range(width)
    ]


def convolution(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]] | None:
    """z = start + W * a; None where the kernel is too large for a thread's workspace."""
    z, a, W = instruction.operands[:3]
    if prod(W.shape[2:]) > LONGEST:
        return None
    settings = instruction.settings
    stride = int(settings["stride_u"]), int(settings["stride_v"])
    height, width = W.shape[2:]
    taps = _forward_taps(settings, height, width)
    start: tuple[Word, int] = (ZEROS, int(instruction.accumulate))
    if len(instruction.operands) > 3:
        start = Place(instruction.operands[3]), 2
    groups = a.shape[1] // W.shape[1]
    words = [
        *_images(z, z.shape[3], 1), *start, Place(W), prod(W.shape[1:]), height * width, W.size // groups, *_source(a),
        *stride, W.shape[0] // groups, W.shape[1], groups,
    ]  # fmt: skip
    return _unit("convolve", "convolve", dtype), [
        z.shape[0],
        0,
        *words,
        *_phases([(0, z.shape[2], z.shape[3], taps)]),
    ]


def convolution_backward(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]] | None:
    """dC/da = start + W turned around * delta, a product for each phase of the pixels."""
    da, delta, W = instruction.operands
    if prod(W.shape[2:]) > LONGEST:
        return None
    s = {name: int(value) for name, value in instruction.settings.items()}
    n_out, n_in, height, width = W.shape
    groups = da.shape[1] // n_in
    rows, columns = da.shape[2:]
    phases: list[Phase] = []
    for y in range(min(s["stride_u"], rows)):
        for x in range(min(s["stride_v"], columns)):
            taps = []
            for p in range(height):
                for q in range(width):
                    dy, dx = y + s["pad_u"] - p * s["dilation_u"], x + s["pad_v"] - q * s["dilation_v"]
                    if dy % s["stride_u"] == 0 and dx % s["stride_v"] == 0:
                        taps.append((dy // s["stride_u"], dx // s["stride_v"], p * width + q))
            taps.reverse()  # from left to right in the image
            extents = -(-(rows - y) // s["stride_u"]), -(-(columns - x) // s["stride_v"])
            phases.append((y * columns + x, *extents, taps))
    words = [
        *_images(da, s["stride_u"] * columns, s["stride_v"]), ZEROS, int(instruction.accumulate),
        Place(W), height * width, n_in * height * width, W.size // groups, *_source(delta),
        1, 1, n_in, n_out // groups, groups,
    ]  # fmt: skip
    return _unit("convolve", "convolve", dtype), [da.shape[0], 0, *words, *_phases(phases)]


def weight_gradient(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]] | None:
    """dC/dW = start + sum over pixels of delta and patches."""
    g, delta, a = instruction.operands
    n_out, n_in, height, width = g.shape
    if height * width > LONGEST:
        return None
    s = instruction.settings
    groups = a.shape[1] // n_in
    words = [
        Place(g), int(instruction.accumulate), *_source(delta)[:3], *_source(a), *delta.shape[2:],
        int(s["stride_u"]), int(s["stride_v"]), delta.shape[0], n_out // groups, n_in, groups, height * width,
    ]  # fmt: skip
    taps = [number for tap in _forward_taps(s, height, width) for number in tap]
    return _unit("convolve_gradient", "patch_gradient", dtype), [n_out, 0, *words, *taps]


def bias_gradient(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """dC/db = start + sum over pixels of delta."""
    g, delta = instruction.operands
    words = [Place(g), int(instruction.accumulate), *_source(delta)[:3], delta.shape[0]]
    return _unit("convolve_gradient", "channel_sums", dtype), [g.size, 0, *words]
