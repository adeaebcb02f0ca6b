"""From an instruction of a convolution to its tuned kernel and words."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from fastnn.compile import Unit
from fastnn.cpu.convolve import LONGEST
from fastnn.cpu.convolve_back import ROOM
from fastnn.cpu.convolve_direct import COPY, MOST_ROWS, TAPS_AT_ONCE, WEIGHTS
from fastnn.cpu.unit import HEADER, OPTIONS
from fastnn.plan.winograd import winograd_pays
from fastnn.plan.words import Place, Word

if TYPE_CHECKING:
    from fastnn.plan import Instruction
    from fastnn.plan.buffer import Buffer

__all__ = [
    "bias_gradient",
    "convolution",
    "convolution_backward",
    "weight_gradient",
    "winograd_convolution",
    "winograd_weights",
]

ZEROS = Place(None, "zeros")
SHRANK = 0.75
"""Pixels that are multiplied, over those that `convolve_direct` would multiply, up to which the other way back pays."""
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


def _pointwise(a: Buffer, z: Buffer, W: Buffer, settings: Mapping[str, float]) -> bool:
    """Whether every pixel of z sees just the pixel of a at its own place: then an image may as well be one long row."""
    stays = settings["stride_u"] == settings["stride_v"] == 1 and settings["pad_u"] == settings["pad_v"] == 0
    return stays and W.shape[2:] == (1, 1) and a.shape[2:] == z.shape[2:]


def _extents(buffer: Buffer, in_one_row: bool) -> tuple[int, int]:
    """Rows and columns of an image."""
    _, _, height, width = buffer.shape
    return (1, height * width) if in_one_row else (height, width)


def _images(buffer: Buffer) -> list[Word]:
    """Where images lie, and how far it is to the next sample and channel."""
    _, channels, height, width = buffer.shape
    return [Place(buffer), channels * height * width, height * width]


def _phases(phases: list[Phase], by_channel: bool) -> list[Word]:
    """Their number, whether channels are dealt out, then all of them, then the taps of all."""
    heads: list[Word] = [len(phases), int(by_channel)]
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
    one_row = _pointwise(a, z, W, settings)
    phases: list[Phase] = [(0, *_extents(z, one_row), taps)]
    words = [
        *_images(z), phases[0][2], 1, *start, Place(W), prod(W.shape[1:]), height * width, W.size // groups, 1,
        *_images(a), *_extents(a, one_row), *stride, W.shape[0] // groups, W.shape[1], groups,
        *_phases(phases, instruction.axes == 2),
    ]  # fmt: skip
    direct = (
        instruction.axes == 1
        and stride == (1, 1)
        and _few(W.shape[0] // groups, W.size // groups, a, W.shape[1], phases)
    )
    return _product_unit(direct, dtype), [instruction.units, 0, *words]


def convolution_backward(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]] | None:
    """dC/da = start + W turned around * delta, a product for each phase of the pixels."""
    da, delta, W = instruction.operands
    if prod(W.shape[2:]) > LONGEST:
        return None
    s = {name: int(value) for name, value in instruction.settings.items()}
    n_out, n_in, height, width = W.shape
    groups = da.shape[1] // n_in
    one_row = _pointwise(da, delta, W, instruction.settings)
    rows, columns = _extents(da, one_row)
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
        *_images(da), s["stride_u"] * columns, s["stride_v"], ZEROS, int(instruction.accumulate),
        Place(W), height * width, n_in * height * width, W.size // groups, 0, *_images(delta), *_extents(delta, one_row),
        1, 1, n_in, n_out // groups, groups,
    ]  # fmt: skip
    words = [instruction.units, 0, *words, *_phases(phases, instruction.axes == 2)]
    direct = instruction.axes == 1 and _few(n_in, W.size // groups, delta, n_out // groups, phases)
    if direct and len(phases) == 1 and _shrank(n_in, n_out // groups, delta, phases[0]):
        return _unit("convolve_back", "convolve_back", dtype), words
    return _product_unit(direct, dtype), words


def _product_unit(direct: bool, dtype: str) -> Unit:
    if direct:
        return _unit("convolve_direct", "convolve_direct", dtype)
    return _unit("convolve", "convolve", dtype)


def _few(rows: int, weights: int, image: Buffer, channels: int, phases: list[Phase]) -> bool:
    """Whether so few output channels see images so small that reading the images where they lie is faster (convolve_direct)."""
    if rows > MOST_ROWS or weights > WEIGHTS or not all(len(taps) > 1 for *_, taps in phases):
        return False
    height, width = image.shape[2:]
    for _, grid_rows, grid_columns, taps in phases:
        dy, dx = [tap[0] for tap in taps], [tap[1] for tap in taps]
        tall = max(height, grid_rows, grid_rows + max(dy)) - min(min(dy), 0)
        long = max(width, grid_columns, grid_columns + max(dx)) - min(min(dx), 0)
        if channels * tall * long > COPY:
            return False
    return True


def _shrank(rows: int, channels: int, delta: Buffer, phase: Phase) -> bool:
    """Whether delta is so much smaller than the image that adding up shifted products (convolve_back) is less work than reading delta with zeros around it."""
    _, grid_rows, grid_columns, taps = phase
    height, width = delta.shape[2:]
    dy, dx = [tap[0] for tap in taps], [tap[1] for tap in taps]
    tall = max(grid_rows, height - min(dy)) + max(0, *dy)
    long = max(grid_columns, width - min(dx)) + max(0, *dx)
    read = grid_rows * (max(width, grid_columns + max(dx)) - min(0, *dx))
    fits = channels * height * long <= ROOM and rows * tall * long <= ROOM
    return fits and height * long <= SHRANK * read


def weight_gradient(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]] | None:
    """dC/dW = start + sum over pixels of delta and patches."""
    g, delta, a = instruction.operands
    n_out, n_in, height, width = g.shape
    if height * width > LONGEST:
        return None
    s = instruction.settings
    groups, one_row = a.shape[1] // n_in, _pointwise(a, delta, g, s)
    words = [
        Place(g), int(instruction.accumulate), *_images(delta), *_images(a), *_extents(a, one_row), *_extents(delta, one_row),
        int(s["stride_u"]), int(s["stride_v"]), delta.shape[0], n_out // groups, n_in, groups, height * width,
    ]  # fmt: skip
    taps = [number for tap in _forward_taps(s, height, width) for number in tap]
    if instruction.by_column:
        units = -(-n_in * height * width // TAPS_AT_ONCE)
        return _unit("convolve_direct", "direct_gradient", dtype), [units, 0, *words, *taps]
    if winograd_pays(delta, a, g, s):
        images = [
            *_images(delta),
            *delta.shape[2:],
            *_images(a),
            *a.shape[2:],
            int(s["pad_u"]),
            int(s["pad_v"]),
        ]
        by_winograd = [Place(g), int(instruction.accumulate), *images, delta.shape[0], n_in]
        return _unit("winograd_gradient", "winograd_gradient", dtype), [n_out, 0, *by_winograd]
    return _unit("convolve_gradient", "patch_gradient", dtype), [n_out, 0, *words, *taps]


def bias_gradient(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """dC/db = start + sum over pixels of delta."""
    g, delta = instruction.operands
    words = [Place(g), int(instruction.accumulate), *_images(delta), delta.shape[0]]
    return _unit("convolve_gradient", "channel_sums", dtype), [g.size, 0, *words]


def winograd_convolution(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """A convolution by 3 x 3 of stride 1, forward or backward, whose weights have been transformed."""
    result, image, W, *bias, U = instruction.operands
    s = instruction.settings
    backward = instruction.kernel.name.endswith("backward")
    pads = [2 - int(s[name]) if backward else int(s[name]) for name in ("pad_u", "pad_v")]
    start: tuple[Word, int] = (ZEROS, int(instruction.accumulate))
    if bias:
        start = Place(bias[0]), 2
    n_out, n_in = W.shape[:2]
    rows, channels = (n_in, n_out) if backward else (n_out, n_in)
    words = [
        *_images(result), *result.shape[2:], *start, Place(U), *_images(image), *image.shape[2:], *pads,
        rows, channels, int(instruction.axes == 2),
    ]  # fmt: skip
    return _unit("winograd", "winograd", dtype), [instruction.units, 0, *words]


def winograd_weights(instruction: Instruction, dtype: str) -> tuple[Unit, list[Word]]:
    """U = G W G^T, of W turned around for the way back."""
    U, W = instruction.operands
    turned = int(instruction.settings["turned"])
    n_out, n_in = W.shape[:2]
    rows, channels = (n_in, n_out) if turned else (n_out, n_in)
    steps = (9, 9 * n_in) if turned else (9 * n_in, 9)
    return _unit("winograd", "transform_weights", dtype), [
        rows,
        0,
        Place(U),
        Place(W),
        rows,
        channels,
        *steps,
        turned,
    ]
