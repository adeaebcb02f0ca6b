"""Convolution on a GPU, as far as it goes without one: which products it becomes, and what their machine code is made of.

What the kernels compute: tests/cuda/test_convolution.py, on the simulator or a GPU.
"""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn.cuda import missing
from fastnn.cuda.convolution import FIRST_PROBLEM, WORDS, Cut, convolution_of
from fastnn.cuda.reciprocal import reciprocal
from fastnn.errors import CapabilityError
from fastnn.ops import Convolve
from fastnn.plan.buffer import Buffer
from fastnn.plan.instruction import Instruction

KERNELS = {kernel.name.partition(".")[2]: kernel for kernel in Convolve().kernels()}


def instruction(name, shapes, where):
    buffers = [
        Buffer(f"operand {n}", f"space {n}", shape, "float64", batched=False)
        for n, shape in enumerate(shapes)
    ]
    return Instruction(KERNELS[name], buffers, where, True, "conv")


def of_body(name, arrays, where):
    """What the body adds to its result: the definition."""
    for i in range(arrays[0].size):
        KERNELS[name].body(i, *arrays, *where.values())
    return arrays[0]


def of_products(c, arrays, buffers):
    """The same by the products that the instruction becomes, as convolution.py says what they are."""
    C = np.zeros(arrays[0].size)
    A, image = (arrays[buffers.index(buffer)].ravel() for buffer in (c.A, c.image))
    height, width = c.size
    for group, problem in itertools.product(range(c.groups), c.problems):
        i = np.arange(c.rows)[:, None]
        e, u, v = (axis.ravel() for axis in np.indices(problem.n))
        m, p, q = (axis.ravel() for axis in np.indices(problem.k))
        y = problem.origin[0] + u * problem.n_step[0] + (p * problem.k_step[0])[:, None]
        x = problem.origin[1] + v * problem.n_step[1] + (q * problem.k_step[1])[:, None]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        place = group * c.image_group + e * c.e_image + m[:, None] * c.m_image + y * width + x
        B = np.where(inside, image[np.where(inside, place, 0)], 0)
        taps = m * problem.a_m + p * problem.a_tap[0] + q * problem.a_tap[1]
        factors = A[group * c.a_group + problem.a_first + i * c.a_row + taps]
        pixels = problem.c_first + e * c.c_e + u * problem.c_pixel[0] + v * problem.c_pixel[1]
        C[group * c.c_group + i * c.c_row + pixels] += factors @ B
    return C.reshape(arrays[0].shape)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 2), groups=st.integers(1, 2), channels=pairs, image=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=pairs, stride=st.tuples(st.integers(1, 4), st.integers(1, 4)), pad=st.tuples(st.integers(0, 2), st.integers(0, 2)), dilation=pairs,
)  # fmt: skip
def test_its_products_are_the_convolution(batch, groups, channels, image, kernel, stride, pad, dilation):
    """Forward, backward for every remainder by the stride, and gradient of W: each adds every term once."""
    room = [n + 2 * p - d * (k - 1) - 1 for n, p, d, k in zip(image, pad, dilation, kernel, strict=True)]
    if min(room) < 0:
        return
    a = (batch, groups * channels[0], *image)
    W = (groups * channels[1], channels[0], *kernel)
    z = (batch, W[0], *(n // s + 1 for n, s in zip(room, stride, strict=True)))
    where = dict(zip(KERNELS["product"].wholes, (*stride, *pad, *dilation), strict=True))
    random = np.random.default_rng(0)
    for name, shapes in {"product": (z, a, W), "backward": (a, z, W), "gradient_W": (W, z, a)}.items():
        i = instruction(name, shapes, where)
        arrays = [np.zeros(shapes[0]), *(random.standard_normal(shape) for shape in shapes[1:])]
        found = convolution_of(i)
        if found is None:
            assert groups > 1, "only a channel that sees one channel alone is left to the body"
            continue
        assert len(set(found.words(Cut(8, 8, 4, 2)))) > 1
        np.testing.assert_allclose(
            of_products(found, arrays, i.operands), of_body(name, arrays, where), atol=1e-12
        )


def test_words_stand_where_the_form_reads_them():
    where = dict.fromkeys(KERNELS["product"].wholes, 1)
    c = convolution_of(instruction("product", ((2, 5, 6, 7), (2, 3, 6, 7), (5, 3, 3, 3)), where))
    words = c.words(Cut(128, 128, 8, 3))
    first = WORDS["works"]
    assert words[0] == 3 and words[WORDS["splits number"] - first] == 3
    assert words[WORDS["rows"] - first] == 5 and words[WORDS["a_row"] - first] == 27
    assert words[FIRST_PROBLEM - first : FIRST_PROBLEM - first + 3] == [84, 27, 16], (
        "columns, depth, and whole slabs of it"
    )


def test_an_image_that_32_bits_do_not_count_is_refused():
    where = dict.fromkeys(KERNELS["product"].wholes, 1)
    shapes = ((2, 1, 2**15, 2**16), (2, 1, 2**15, 2**16), (1, 1, 1, 1))
    with pytest.raises(CapabilityError, match="a smaller batch"):
        convolution_of(instruction("product", shapes, where))


@given(st.integers(1, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_the_reciprocal_divides_exactly(d, n):
    for divisor in (d, 1, 2**31 - 1):
        M, shift = reciprocal(divisor)
        assert M < 2**32 and shift < 64
        for number in (n, n // divisor * divisor, max(n // divisor * divisor - 1, 0), 2**31 - 1):
            assert number * M >> shift == number // divisor


REASON = missing()
if REASON is None:
    from cuda_kernels import cases, made
    from test_cuda_compile import inner_loops

    CONVOLUTIONS = [case for case in cases() if " convolution " in case.name]
else:
    CONVOLUTIONS = []


@pytest.mark.skipif(REASON is not None, reason=f"no convolution was compiled for CUDA: {REASON}")
@pytest.mark.parametrize(
    "case", [c for c in CONVOLUTIONS if c.name.startswith("float")], ids=lambda case: case.name
)
def test_the_loop_that_multiplies_reads_shared_memory_alone(case):
    """Where pixels lie is found once for a slab: no division, no call and no local memory where its numbers are multiplied."""
    for one in made(case).values():
        loops = [loop for loop in inner_loops(one.ptx) if any("ld.shared.v" in line for line in loop)]
        assert loops
        for loop in loops:
            assert sum("fma.rn" in line for line in loop) >= 4
            for slow in (r"(div|rem)\.[su](32|64)", r"(ld|st)\.local", r"\bcall\b", r"ld\.global"):
                assert not [line for line in loop if re.search(slow, line)]


@pytest.mark.skipif(REASON is not None, reason=f"no convolution was compiled for CUDA: {REASON}")
def test_every_way_of_a_convolution_is_compiled():
    """Its forms in float32 and on tensor cores, whole and split, and a tape that has them all."""
    text = "\n".join(case.text for case in cases())
    for sides in (
        '"along", "image across"',
        '"steps", "image across"',
        '"across", "points across"',
        '"steps", "image along"',
    ):
        assert sides in text, sides
    names = [case.name for case in CONVOLUTIONS]
    assert any("split" in name for name in names)
    assert {"tf32", "bf16", "float32", "float64"} <= {name.partition(" ")[0] for name in names}
    assert any("tape" in case.name and "forms.convolution" in case.text for case in cases())
