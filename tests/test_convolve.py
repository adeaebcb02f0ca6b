"""The convolution's tuned kernels on the CPU: for every shape the sums of its bodies, with the same bits for any number of threads, reading and
writing nothing but their operands."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gemm import Fenced, Guarded

import fastnn as fnn
from fastnn.cpu import Machine
from fastnn.cpu.lower import TUNED, lower
from fastnn.graph import Graph
from fastnn.ops import convolve
from fastnn.plan import Buffer, Instruction, Plan
from fastnn.plan.shares import mark_columns
from fastnn.testing.plain import run_kernel_in_python

KERNELS = {kernel.name: kernel for kernel in convolve.Convolve().kernels()}
WAYS = ("samples", "channels")
"""How the work is dealt out: by samples and, of a gradient of few weights, by taps (plan/shares.py), or always by channels."""
SEEDS, BATCHES = st.integers(0, 9), st.integers(1, 5)


@dataclass(frozen=True)
class Shape:
    """Channels are those of a group."""

    n_in: int
    n_out: int
    image: tuple[int, int]
    kernel: tuple[int, int] = (3, 3)
    batch: int = 2
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    groups: int = 1

    def of(self, name):
        """Shapes of result and operands of one kernel."""
        a = (self.batch, self.groups * self.n_in, *self.image)
        W = (self.groups * self.n_out, self.n_in, *self.kernel)
        attributes = {"stride": self.stride, "dilation": self.dilation, "padding": self.padding}
        z = (self.batch, *convolve.Convolve().shape([a[1:]], [W], groups=self.groups, **attributes))
        return {
            "convolve.forward": [z, a, W, W[:1]],
            "convolve.product": [z, a, W],
            "convolve.backward": [a, z, W],
            "convolve.gradient_W": [W, z, a],
            "convolve.gradient_b": [W[:1], z],
        }[name]

    @property
    def settings(self):
        return {
            "stride_u": self.stride[0],
            "stride_v": self.stride[1],
            "pad_u": self.padding[0][0],
            "pad_v": self.padding[1][0],
            "dilation_u": self.dilation[0],
            "dilation_v": self.dilation[1],
        }


def even(n):
    return ((n, n), (n, n))


FIXED = (
    Shape(1, 1, (1, 1), (1, 1), batch=1),
    Shape(1, 6, (28, 28), (5, 5), batch=3),  # LeNet-5
    Shape(6, 16, (12, 12), (5, 5), batch=3),
    Shape(3, 33, (15, 17), (7, 7), stride=(2, 2), padding=even(3)),
    Shape(40, 37, (9, 9), padding=even(1)),
    Shape(40, 33, (5, 7), (1, 1)),
    Shape(24, 40, (7, 7), (1, 1), stride=(2, 2)),
    Shape(20, 12, (6, 33), (3, 5), padding=even(2), dilation=(2, 2)),
    Shape(1, 1, (8, 9), padding=even(1), groups=5),  # a channel each
    Shape(7, 3, (11, 6), (2, 3), stride=(1, 2), padding=((0, 1), (2, 0)), groups=3),
    Shape(5, 36, (10, 10), (3, 1), stride=(3, 1), padding=((2, 0), (0, 0)), groups=2),
    Shape(130, 131, (5, 5), padding=even(1), batch=1),  # more than one block of channels
    Shape(70, 4, (40, 2), (1, 2)),
)
EDGES = {
    "a kernel of one pixel that steps back over its padding": Shape(
        3, 5, (3, 3), (1, 1), stride=(2, 2), padding=even(1)
    ),
    "taps that never meet the image": Shape(4, 5, (2, 3), (1, 3), padding=((3, 1), (3, 3))),
    "a stride beyond the kernel": Shape(5, 6, (9, 9), (2, 1), stride=(3, 3)),
    "more taps than a panel has rows": Shape(2, 6, (20, 20), (17, 17), padding=even(2)),
    "as many taps as the workspace holds": Shape(2, 40, (22, 20), (16, 32), padding=((0, 0), (9, 9))),
    "more taps than that": Shape(1, 2, (33, 33), (23, 23), padding=even(1)),
    "padding on one side alone": Shape(24, 4, (20, 20), padding=((0, 30), (0, 30)), batch=1),
    "padding behind that is wider than the image": Shape(6, 20, (24, 24), (2, 2), padding=((0, 60), (0, 60))),
    "padding above that is higher than the image": Shape(
        5, 4, (2, 100), (1, 3), padding=((60, 60), (0, 0)), batch=1
    ),
}


def instruction_of(kernel, shapes, dtype, numbers, accumulate, way):
    buffers = [Buffer(f"operand{k}", f"operand{k}", s, dtype, batched=False) for k, s in enumerate(shapes)]
    chosen = {name: numbers[name] for name in kernel.wholes}
    instruction = Instruction(kernel, buffers, chosen, accumulate, "check")
    if way == "channels" and "gradient" not in kernel.name:
        instruction.axes = 2
    elif way == "samples":
        mark_columns([instruction])
    return instruction


def run(kernel, arrays, numbers, accumulate=False, threads=1, way="channels"):
    """One instruction on these arrays, results first; gives the name of the unit."""
    dtype = arrays[0].dtype.name
    instruction = instruction_of(kernel, [a.shape for a in arrays], dtype, numbers, accumulate, way)
    plan = Plan(Graph(), max(arrays[0].shape[0], 1), dtype, "infer", [instruction], 0)
    machine = Machine(plan, threads=threads)
    for k, array in enumerate(arrays):
        machine.bind(f"operand{k}", array)
    machine.run()
    return lower(instruction, dtype)[0].name


def modes(name):
    return (False, True) if KERNELS[name].accumulates else (False,)


def exact(name, shape, arrays, accumulate):
    """(the sums in float64, the sums of sizes, the most terms): what rounding errors are measured with."""
    pixels = arrays[1].size // arrays[1].shape[1]  # of a gradient, of all samples
    terms = {"convolve.backward": shape.n_out * prod(shape.kernel)}
    if "gradient" in name:
        terms[name] = pixels
    sums = [
        tap_by_tap(name, shape, [f(a.astype(np.float64)) for a in arrays], accumulate)
        for f in (abs, np.asarray)
    ]
    return sums[1], sums[0], terms.get(name, shape.n_in * prod(shape.kernel))


def tap_by_tap(name, shape, arrays, accumulate):
    """The four formulas, by NumPy: a sum over the kernel's offsets of products of channels."""
    result, *operands = arrays
    if name == "convolve.gradient_b":
        return accumulate * result + operands[0].sum((0, 2, 3))
    a, W, z = {
        "convolve.backward": lambda: (np.zeros_like(result), operands[1], operands[0]),
        "convolve.gradient_W": lambda: (operands[1], np.zeros_like(result), operands[0]),
    }.get(name, lambda: (operands[0], operands[1], np.zeros_like(result)))()
    (top, bottom), (left, right) = shape.padding
    padded = np.pad(a, ((0, 0), (0, 0), (top, bottom), (left, right)))
    of_groups = padded.reshape(len(a), shape.groups, -1, *padded.shape[2:])
    weights, sums = (
        W.reshape(shape.groups, -1, *W.shape[1:]),
        z.reshape(len(a), shape.groups, -1, *z.shape[2:]),
    )
    for p, q in np.ndindex(shape.kernel):
        y, x = (slice(k * d, k * d + (n - 1) * s + 1, s) for k, d, n, s in zip((p, q), shape.dilation, z.shape[2:], shape.stride, strict=True))  # fmt: skip
        if name == "convolve.backward":
            of_groups[..., y, x] += np.einsum("gjk,sgjuv->sgkuv", weights[..., p, q], sums)
        elif name == "convolve.gradient_W":
            weights[..., p, q] = np.einsum("sgjuv,sgkuv->gjk", sums, of_groups[..., y, x])
        else:
            sums += np.einsum("gjk,sgkuv->sgjuv", weights[..., p, q], of_groups[..., y, x])
    found = {
        "convolve.forward": lambda: z + operands[2][:, None, None],
        "convolve.product": lambda: z,
        "convolve.backward": lambda: padded[:, :, top : top + a.shape[2], left : left + a.shape[3]],
        "convolve.gradient_W": lambda: W,
    }[name]()
    return accumulate * result + found


def check(shape, dtype, seed=0, names=KERNELS, threads=(1,)):
    """All kernels of one shape in every way; gives the names of the units that ran."""
    rng = np.random.default_rng([seed, shape.batch, *shape.image])
    units = set()
    for name in names:
        for accumulate in modes(name):
            guarded = [Guarded(rng.uniform(-1, 1, s), dtype) for s in shape.of(name)]
            arrays = [g.array for g in guarded]
            kept = [a.copy() for a in arrays]
            expected, size, terms = exact(name, shape, arrays, accumulate)
            for way in WAYS:
                bits = set()
                for count in threads:
                    arrays[0][...] = kept[0] if accumulate else np.nan
                    units.add(run(KERNELS[name], arrays, shape.settings, accumulate, count, way))
                    bits.add(arrays[0].tobytes())
                    where = f"{name}, {dtype}, by {way}, accumulate {accumulate}, {count} threads: {shape}"
                    error = abs(arrays[0] - expected)
                    assert (error <= np.finfo(dtype).eps * (terms + 2) * size + 1e-300).all(), where
                    assert all(g.untouched() for g in guarded), f"{where}: wrote beside an operand"
                    assert all((a == b).all() for a, b in zip(arrays[1:], kept[1:], strict=True)), where
                assert len(bits) == 1, f"{where}: the bits depend on the number of threads"
    return units


@st.composite
def shapes(draw, most=40, batch=BATCHES):
    number = lambda low, high: draw(st.integers(low, high))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 7]))
    kernel, stride = (number(1, 5), number(1, 5)), (number(1, 3), number(1, 3))
    dilation = (number(1, 2), number(1, 2))
    padding = tuple((number(0, 3), number(0, 3)) for _ in kernel)
    image = tuple(
        max(d * (k - 1) + 1 - sum(p), 1) + number(0, 11)
        for d, k, p in zip(dilation, kernel, padding, strict=True)
    )
    n_in, n_out = number(1, most // groups), number(1, most // groups)
    return Shape(n_in, n_out, image, kernel, draw(batch), stride, dilation, padding, groups)


def check_fixed(dtypes=("float32", "float64")):
    """The fixed shapes, which reach every kernel; also run by other processes below."""
    units = set().union(*(check(shape, dtype, threads=(1, 3)) for dtype in dtypes for shape in FIXED))
    kernels = (
        "convolve",
        "convolve_direct",
        "convolve_back",
        "patch_gradient",
        "direct_gradient",
        "channel_sums",
    )
    assert units >= {f"{kernel}_{dtype}" for kernel in kernels for dtype in dtypes}, units
    return len(units)


def test_every_tuned_kernel_is_here():
    tuned = {name for name in TUNED if name.startswith("convolve.")}
    assert set(KERNELS) == {name for name in tuned if "winograd" not in name}  # those are in test_winograd.py


def test_fixed_shapes_reach_every_kernel_and_are_right():
    check_fixed()


@pytest.mark.parametrize("shape", EDGES.values(), ids=EDGES)
def test_shapes_at_the_edge_are_right(shape):
    check(shape, "float32", threads=(1, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(shape=shapes(), seed=SEEDS)
def test_any_shape_is_right(dtype, shape, seed):
    check(shape, dtype, seed)


@settings(max_examples=15)
@given(shape=shapes(most=24), seed=SEEDS)
def test_the_bits_do_not_depend_on_the_number_of_threads(shape, seed):
    check(shape, "float32", seed, threads=(1, 2, 3, 5))


@settings(max_examples=15)
@given(shape=shapes(batch=st.integers(2, 5)), seed=SEEDS)
def test_a_sample_does_not_depend_on_those_beside_it_nor_on_how_the_work_is_dealt_out(shape, seed):
    rng = np.random.default_rng(seed)
    for name in ("convolve.forward", "convolve.backward"):
        result, *operands = [rng.uniform(-1, 1, s).astype("float32") for s in shape.of(name)]
        run(KERNELS[name], [result, *operands], shape.settings, way="samples")
        for s in range(shape.batch):
            for way in WAYS:
                one = np.empty_like(result[:1])
                run(KERNELS[name], [one, operands[0][s : s + 1], *operands[1:]], shape.settings, way=way)
                assert one.tobytes() == result[s].tobytes()


@pytest.mark.parametrize("size", [(8, 64, 56), (40, 64, 30)], ids=str)
def test_channels_of_few_large_samples_are_dealt_out_with_the_same_bits(size):
    n_in, n_out, n = size
    net = fnn.Network((n_in, n, n), [fnn.Conv(n_out, 3, padding=1, initializer_b="normal")], seed=0)
    assert [i.axes for i in net.plan(batch=2, mode="infer").instructions if "convolve" in i.kernel.name] == [
        2
    ]
    X = np.random.default_rng(0).standard_normal((9, n_in, n, n), dtype=np.float32)
    together = net(X, threads=1)
    for threads in (1, 2, 3, 5):
        assert net(X[:2], threads=threads).tobytes() == together[:2].tobytes()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    "shape",
    [
        Shape(2, 3, (4, 5), (2, 3), padding=((1, 0), (1, 1)), batch=1),
        Shape(1, 2, (5, 4), (2, 2), stride=(2, 1), dilation=(1, 2), padding=even(1), groups=2),
    ],
    ids=["one group", "two groups"],
)
def test_tuned_kernels_equal_their_bodies_in_python(name, shape):
    rng = np.random.default_rng(1)
    for accumulate in modes(name):
        result, *operands = [rng.uniform(-1, 1, s) for s in shape.of(name)]
        plain = result.copy()
        run(KERNELS[name], [result, *operands], shape.settings, accumulate)
        run_kernel_in_python(KERNELS[name], [plain, *operands], shape.settings, len(plain), accumulate, {})
        assert result == pytest.approx(plain, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_goes_through(bad):
    shape = Shape(5, 9, (6, 7), padding=even(1))
    for name, kernel in KERNELS.items():
        for way in WAYS:
            result, *operands = [np.zeros(s, np.float32) for s in shape.of(name)]
            operands[0].flat[-1] = bad
            run(kernel, [result, *operands], shape.settings, way=way)
            assert not np.isfinite(result).all()


def check_fenced():
    """Every operand between two pages that nobody may touch, at either end."""
    rng = np.random.default_rng(2)
    chosen = [shape for shape in (*FIXED, *EDGES.values()) if prod(shape.kernel) < 100]
    for shape in chosen:
        for name, kernel in KERNELS.items():
            for accumulate in modes(name):
                for way in WAYS:
                    for at_end in (False, True):
                        arrays = []
                        for s in shape.of(name):
                            values = rng.uniform(-1, 1, s).astype("float32")
                            arrays.append(Fenced(values.nbytes).array(values, at_end))
                        run(kernel, arrays, shape.settings, accumulate, way=way)
    return len(chosen)


def in_process(call, **environment):
    """Run a function of this file in a process of its own; gives the number that it returns."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_convolve as t; print(t.{call})"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"ended with {done.returncode}\n{done.stderr}"
    return int(done.stdout.split()[-1])


@pytest.mark.skipif(sys.platform == "win32", reason="fences need mprotect")
def test_nothing_beside_the_operands_is_read():
    assert in_process("check_fenced()") > len(FIXED)


@pytest.mark.parametrize(
    "environment",
    [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}],
    ids=["128 bits", "256 bits"],
)
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the narrow variants are those of x86"
)
def test_narrower_processors_compute_the_same(environment):
    assert in_process("check_fixed(('float32',))", **environment) == 6
