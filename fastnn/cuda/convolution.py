"""A convolution as matrix products, whose second matrix is not in memory: its elements are found in the image.

    C[i,n] = start + sum_k A[i,k] B[k,n]        n = (e, u, v),  k = (m, p, q):  places in arrays of three axes
    B[k,n] = image[e e_image + m m_image + y width + x]      y = u n_y + p k_y + y_0, x likewise; 0 outside the image
    A[i,k] lies at i a_row + m a_m + p a_p + q a_q + a_first
    C[i,n] lies at i c_row + e c_e + u c_u + v c_v + c_first

                  i                 n                             k                          image
    forward       output channel    (sample, output pixel)        (input channel, tap)       a
    backward      input channel     (sample, input pixel)         (output channel, tap)      delta
    gradient_W    output channel    (input channel, tap)          (sample, output pixel)     a

Backward, a term is there only where the stride divides y + pad - p dilation. Input pixels of one remainder by the stride share the taps that do, and these
lie evenly: one product for each remainder, without a term too many. Its taps are counted from behind, so that u grows with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod

from fastnn.cuda.reciprocal import reciprocal, split_words
from fastnn.errors import CapabilityError
from fastnn.plan import Instruction
from fastnn.plan.buffer import Buffer

__all__ = ["FIRST_PROBLEM", "OF_PROBLEM", "WORDS", "Convolution", "Cut", "Problem", "convolution_of"]

MOST = 2**31 - 2**16
"""Numbers in an operand: what 31 bits count, with room for a step beyond the end."""
_BY = ("tiles", "across", "splits", "groups")
"""Numbers that the form divides by: three words each, the reciprocal and the number."""
_NAMES = [
    "start", "by_element", "A", "image", "parts", "size", "works",
    *(f"{name}{part}" for name in _BY for part in ("", " shift", " number")),
    "rows", "a_row", "c_row", "height", "width", "m_image", "e_image", "c_e", "a_group", "image_group", "c_group",
]  # fmt: skip
WORDS = {name: place for place, name in enumerate(_NAMES)}
"""Where the form's words stand: start (or 0), by_element 1 where it has a number for each element and not each row, addresses, numbers in C, ..."""
FIRST_PROBLEM = len(_NAMES)
OF_PROBLEM = (
    "columns", "depth", "share", "y_0", "x_0", "n_y", "n_x", "k_y", "k_x",
    "a_first", "a_m", "a_p", "a_q", "c_first", "c_u", "c_v",
)  # fmt: skip
"""A problem's words; after the third, those of two splits, of n and of k."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Problem:
    """One matrix product; pairs are (y, x). `n`, `k`: the three extents of n and of k."""

    n: tuple[int, int, int]
    k: tuple[int, int, int]
    n_step: Pair
    k_step: Pair
    origin: Pair
    a_first: int
    a_m: int
    a_tap: Pair
    c_first: int
    c_pixel: Pair

    @property
    def columns(self) -> int:
        return prod(self.n)

    @property
    def depth(self) -> int:
        return prod(self.k)

    def words(self, splits: int, slab: int) -> list[int]:
        """OF_PROBLEM; a part of the sum is whole slabs."""
        part = -(-self.depth // splits)
        share = -(-part // slab) * slab
        numbers = [self.columns, self.depth, share, *split_words(self.n[1:]), *split_words(self.k[1:])]
        numbers += [*self.origin, *self.n_step, *self.k_step]
        return [*numbers, self.a_first, self.a_m, *self.a_tap, self.c_first, *self.c_pixel]


@dataclass(frozen=True)
class Cut:
    """How the products are cut: the tile's rows and columns, k in a slab, parts of each sum."""

    rows: int
    columns: int
    depth: int
    splits: int


@dataclass(frozen=True)
class Convolution:
    """The problems of an instruction, of every group. `sides`: how A and B are loaded (sides.py)."""

    A: Buffer
    image: Buffer
    bias: Buffer | None
    sides: tuple[str, str]
    rows: int
    groups: int
    a_row: int
    c_row: int
    size: Pair
    m_image: int
    e_image: int
    c_e: int
    a_group: int
    image_group: int
    c_group: int
    problems: tuple[Problem, ...]

    @property
    def columns(self) -> int:
        return max(problem.columns for problem in self.problems)

    @property
    def depth(self) -> int:
        return max(problem.depth for problem in self.problems)

    @property
    def times(self) -> int:
        """How many products there are."""
        return self.groups * len(self.problems)

    def words(self, cut: Cut) -> list[int]:
        """WORDS from `works` on, then the problems."""
        down, across = -(-self.rows // cut.rows), -(-self.columns // cut.columns)
        numbers = [down * across * cut.splits * self.times]
        for by in (down * across, across, cut.splits, self.groups):
            numbers += [*reciprocal(by), by]
        numbers += [self.rows, self.a_row, self.c_row, *self.size, self.m_image, self.e_image, self.c_e]
        numbers += [self.a_group, self.image_group, self.c_group]
        return numbers + [word for problem in self.problems for word in problem.words(cut.splits, cut.depth)]


def convolution_of(instruction: Instruction) -> Convolution | None:
    """What a convolution's instruction multiplies; None for other kernels, and where a channel sees one channel alone: there is no product in that."""
    if not instruction.kernel.name.startswith("convolve."):
        return None
    for buffer in instruction.operands:
        if buffer.size >= MOST:
            raise CapabilityError(
                f"{instruction.node!r} reads {buffer.size:,} numbers at once",
                expected=f"fewer than {MOST:,} on a GPU",
                hint="a smaller batch",
            )
    find = _FOUND.get(instruction.kernel.name)
    if find is None:
        return None
    found = find(instruction)
    alone = found.groups > 1 and found.rows == 1 and instruction.kernel.name != "convolve.gradient_W"
    return None if alone else found


def _pairs(instruction: Instruction) -> tuple[Pair, Pair, Pair]:
    """(stride, padding before, dilation)."""
    s = instruction.settings
    stride, padding, dilation = (
        (int(s[f"{name}_u"]), int(s[f"{name}_v"])) for name in ("stride", "pad", "dilation")
    )
    return stride, padding, dilation


def _pixels(problem: Problem, size: Sequence[int]) -> str:
    """How an image is read across: without a look at its edges where every column is one pixel, and inside."""
    ends = (
        o + (n - 1) * step for o, n, step in zip(problem.origin, problem.n[1:], problem.n_step, strict=True)
    )
    inside = min(problem.origin) >= 0 and all(end < n for end, n in zip(ends, size, strict=True))
    return "points across" if inside and problem.k[1:] == (1, 1) else "image across"


def _forward(instruction: Instruction) -> Convolution:
    z, a, W, *bias = instruction.operands
    stride, pad, dilation = _pairs(instruction)
    (batch, channels, height, width), (n_out, n_in, *kernel) = a.shape, W.shape
    groups, depth, pixels = channels // n_in, prod(W.shape[1:]), prod(z.shape[2:])
    problem = Problem(
        n=(batch, z.shape[2], z.shape[3]),
        k=(n_in, kernel[0], kernel[1]),
        n_step=stride,
        k_step=dilation,
        origin=(-pad[0], -pad[1]),
        a_first=0,
        a_m=kernel[0] * kernel[1],
        a_tap=(kernel[1], 1),
        c_first=0,
        c_pixel=(z.shape[3], 1),
    )
    rows = n_out // groups
    sides = "along", _pixels(problem, (height, width))
    return Convolution(
        W, a, bias[0] if bias else None, sides, rows, groups, depth, pixels, (height, width),
        height * width, channels * height * width, n_out * pixels,
        rows * depth, n_in * height * width, rows * pixels, (problem,),
    )  # fmt: skip


def _backward(instruction: Instruction) -> Convolution:
    da, delta, W = instruction.operands
    stride, pad, dilation = _pairs(instruction)
    (batch, channels, height, width), (n_out, n_in, *kernel) = da.shape, W.shape
    groups, pixels, taps = channels // n_in, prod(delta.shape[2:]), kernel[0] * kernel[1]
    problems = []
    for y in range(min(stride[0], height)):
        for x in range(min(stride[1], width)):
            down, across = (
                _taps(kernel[axis], first + pad[axis], stride[axis], dilation[axis])
                for axis, first in enumerate((y, x))
            )
            problems.append(
                Problem(
                    n=(batch, -(-(height - y) // stride[0]), -(-(width - x) // stride[1])),
                    k=(n_out // groups, down.count, across.count),
                    n_step=(1, 1),
                    k_step=(down.apart, across.apart),
                    origin=(down.origin, across.origin),
                    a_first=down.first * kernel[1] + across.first,
                    a_m=n_in * taps,
                    a_tap=(down.step * kernel[1], across.step),
                    c_first=y * width + x,
                    c_pixel=(stride[0] * width, stride[1]),
                )
            )
    sides = (
        "across" if taps == 1 else "steps",
        _pixels(problems[0], delta.shape[2:]) if taps == 1 else "image across",
    )
    return Convolution(
        W, delta, None, sides, n_in, groups, taps, height * width, (delta.shape[2], delta.shape[3]),
        pixels, n_out * pixels, channels * height * width,
        n_out // groups * n_in * taps, n_out // groups * pixels, n_in * height * width, tuple(problems),
    )  # fmt: skip


@dataclass(frozen=True)
class _Taps:
    """Along one axis: tap number t is p = first + t step, and meets output pixel origin + t apart + (how many strides on the input pixel is)."""

    count: int
    first: int = 0
    step: int = 0
    origin: int = 0
    apart: int = 0


def _taps(kernel: int, shifted: int, stride: int, dilation: int) -> _Taps:
    """Those p from 0 to kernel - 1 for which the stride divides shifted - p dilation, the last one first."""
    met = [p for p in range(kernel) if (shifted - p * dilation) % stride == 0]
    if not met:
        return _Taps(0)
    common = gcd(stride, dilation)
    origin = (shifted - met[-1] * dilation) // stride
    return _Taps(len(met), met[-1], -(stride // common), origin, dilation // common)


def _gradient_W(instruction: Instruction) -> Convolution:
    g, delta, a = instruction.operands
    stride, pad, dilation = _pairs(instruction)
    (batch, channels, height, width), (n_out, n_in, *kernel) = a.shape, g.shape
    groups, depth, pixels = channels // n_in, prod(g.shape[1:]), prod(delta.shape[2:])
    problem = Problem(
        n=(n_in, kernel[0], kernel[1]),
        k=(batch, delta.shape[2], delta.shape[3]),
        n_step=dilation,
        k_step=stride,
        origin=(-pad[0], -pad[1]),
        a_first=0,
        a_m=n_out * pixels,
        a_tap=(delta.shape[3], 1),
        c_first=0,
        c_pixel=(kernel[1], 1),
    )
    rows = n_out // groups
    return Convolution(
        delta, a, None, ("steps", "image along"), rows, groups, pixels, depth, (height, width),
        channels * height * width, height * width, kernel[0] * kernel[1],
        rows * pixels, n_in * height * width, rows * depth, (problem,),
    )  # fmt: skip


_FOUND = {
    "convolve.forward": _forward,
    "convolve.product": _forward,
    "convolve.backward": _backward,
    "convolve.gradient_W": _gradient_W,
}
