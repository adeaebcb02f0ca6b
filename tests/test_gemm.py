"""The three matrix products and the column sums of a dense layer, on the CPU's micro-kernel: for every shape, against exact sums,
reading and writing nothing but their operands."""

import ctypes
import mmap
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from fastnn.cpu.dot import dot
from fastnn.cpu.gemm import DEPTH
from fastnn.cpu.lower import TUNED
from fastnn.ops import affine
from fastnn.testing.compiled import run_kernel
from fastnn.testing.plain import run_kernel_in_python

KERNELS = {kernel.name: kernel for kernel in (*affine.Affine().kernels(), affine.TRANSPOSED)}
BIASED = ("affine.forward", "affine.transposed")
GUARD = 65  # numbers around each operand, and an offset that no vector register likes
DEPTHS = (0, 1, 2, 3, 15, 16, 17, 31, 33, DEPTH - 1, DEPTH, DEPTH + 1, 255, 256, 257, 511, 513)


def shapes(name, rows, columns, depth):
    """Shapes of result and operands of a kernel whose product has these sizes."""
    return {
        "affine.forward": [(rows, columns), (rows, depth), (columns, depth), (columns,)],
        "affine.product": [(rows, columns), (rows, depth), (columns, depth)],
        "affine.backward": [(rows, columns), (rows, depth), (depth, columns)],
        "affine.transposed": [(rows, columns), (rows, depth), (depth, columns), (columns,)],
        "affine.gradient_W": [(rows, columns), (depth, rows), (depth, columns)],
        "affine.gradient_b": [(columns,), (depth, columns)],
    }[name]


def exact(name, result, operands, accumulate):
    """(the sum in float64, the sum of sizes): what rounding errors are measured with."""
    start = result.astype(np.float64) if accumulate else np.zeros(result.shape)
    x = [a.astype(np.float64) for a in operands]
    if name in BIASED:
        start = np.broadcast_to(x[2], result.shape)
    left, right = {
        "affine.forward": lambda: (x[0], x[1].T),
        "affine.product": lambda: (x[0], x[1].T),
        "affine.backward": lambda: (x[0], x[1]),
        "affine.transposed": lambda: (x[0], x[1]),
        "affine.gradient_W": lambda: (x[0].T, x[1]),
        "affine.gradient_b": lambda: (np.ones(len(x[0])), x[0]),
    }[name]()
    return start + left @ right, abs(start) + abs(left) @ abs(right)


class Guarded:
    """An array in the middle of numbers that are not numbers: whoever uses one gives NaN, whoever writes one is seen."""

    def __init__(self, values, dtype):
        self.memory = np.full(values.size + 2 * GUARD, np.nan, dtype)
        self.array = self.memory[GUARD : GUARD + values.size].reshape(values.shape)
        self.array[...] = values

    def untouched(self):
        return np.isnan(self.memory[:GUARD]).all() and np.isnan(self.memory[GUARD + self.array.size :]).all()


def check_product(name, dtype, rows, columns, depth, accumulate, threads=1, seed=0):
    """One product of one shape; returns the result."""
    rng = np.random.default_rng([seed, rows, columns, depth])
    guarded = [Guarded(rng.uniform(-1, 1, shape), dtype) for shape in shapes(name, rows, columns, depth)]
    result, *operands = [g.array for g in guarded]
    kept = [a.copy() for a in operands]
    expected, size = exact(name, result, operands, accumulate)
    if not accumulate:
        result[...] = np.nan
    run_kernel(KERNELS[name], dtype, result, *operands, accumulate=accumulate, threads=threads)
    where = f"{name} {dtype} rows {rows}, columns {columns}, depth {depth}, accumulate {accumulate}"
    error = abs(result - expected)
    assert (error <= np.finfo(dtype).eps * (depth + 2) * size + 1e-300).all(), where
    assert all(g.untouched() for g in guarded), f"{where}: wrote beside an operand"
    assert all((a == b).all() for a, b in zip(operands, kept, strict=True)), f"{where}: changed an operand"
    return result


def modes(name):
    return (False,) if name in BIASED else (False, True)


def check_many(counts=range(1, 41)):
    """Every number of rows with its own columns and depth, all kernels, both dtypes; also run by other processes below."""
    done = 0
    for dtype in ("float32", "float64"):
        for name in KERNELS:
            for accumulate in modes(name):
                for rows in counts:
                    columns, depth = (rows * 7) % 41 + 1, DEPTHS[(rows * 5) % len(DEPTHS)]
                    check_product(name, dtype, rows, columns, depth, accumulate)
                    done += 1
    return done


def test_every_tuned_kernel_is_here():
    assert set(KERNELS) == {name for name in TUNED if name.startswith("affine.")}


def test_every_number_of_rows_is_right():
    check_many()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    rows=st.integers(1, 40),
    columns=st.one_of(st.integers(1, 70), st.sampled_from([96, 128, 129])),
    depth=st.one_of(st.integers(0, 40), st.sampled_from(DEPTHS)),
    seed=st.integers(0, 9),
)
def test_any_shape_is_right(name, dtype, rows, columns, depth, seed):
    for accumulate in modes(name):
        check_product(name, dtype, rows, columns, depth, accumulate, seed=seed)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [(96, 256, 96), (97, 259, 193), (421, 300, 385)], ids=str)
def test_products_whose_both_sides_are_packed_are_right(name, dtype, size):
    """Large enough for blocks of A (gemm.ROWS x gemm.PACKED_DEPTH), and just beyond one of them."""
    for accumulate in modes(name):
        one = check_product(name, dtype, *size, accumulate)
        two = check_product(name, dtype, *size, accumulate, threads=3)
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(rows=st.integers(1, 30), columns=st.integers(1, 66), depth=st.sampled_from(DEPTHS))
def test_the_bits_do_not_depend_on_the_number_of_threads(dtype, rows, columns, depth):
    for name in KERNELS:
        one, *others = [
            check_product(name, dtype, rows, columns, depth, False, threads) for threads in (1, 2, 3)
        ]
        assert all(other.tobytes() == one.tobytes() for other in others)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(rows=st.integers(2, 30), columns=st.integers(1, 66), depth=st.sampled_from(DEPTHS))
def test_a_row_does_not_depend_on_the_rows_beside_it(dtype, rows, columns, depth):
    rng = np.random.default_rng(0)
    a, W, b = (
        rng.uniform(-1, 1, shape).astype(dtype) for shape in ((rows, depth), (columns, depth), (columns,))
    )
    together, other = np.empty((rows, columns), dtype), np.empty((rows, columns), dtype)
    run_kernel(affine.FORWARD, dtype, together, a, W, b)
    for s in (0, rows // 2, rows - 1):
        beside = rng.uniform(-1, 1, a.shape).astype(dtype)
        beside[s] = a[s]
        run_kernel(affine.FORWARD, dtype, other, beside, W, b)
        assert other[s].tobytes() == together[s].tobytes()


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("size", [(1, 1, 0), (1, 3, 5), (6, 4, 9), (15, 17, 3)])
def test_tuned_kernels_equal_their_bodies(name, size):
    rng = np.random.default_rng(1)
    for accumulate in modes(name):
        result, *operands = [rng.uniform(-1, 1, shape) for shape in shapes(name, *size)]
        plain = result.copy()
        run_kernel(KERNELS[name], "float64", result, *operands, accumulate=accumulate)
        run_kernel_in_python(KERNELS[name], [plain, *operands], {}, len(plain), accumulate, {})
        assert result == pytest.approx(plain, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_goes_through(bad):
    for name, kernel in KERNELS.items():
        result, *operands = [np.zeros(shape, np.float32) for shape in shapes(name, 9, 33, 7)]
        operands[0].flat[-1] = bad
        run_kernel(kernel, "float32", result, *operands)
        assert not np.isfinite(result).all()


class Fenced:
    """Memory between two pages that may not be touched: reading or writing outside of it ends the process."""

    def __init__(self, size):
        page = mmap.PAGESIZE
        self.inner = -(-size // page) * page
        self.map = mmap.mmap(-1, self.inner + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        libc = ctypes.CDLL(None, use_errno=True)
        for address in (start, start + page + self.inner):
            assert libc.mprotect(ctypes.c_void_p(address), page, 0) == 0
        self.bytes = np.frombuffer(self.map, np.uint8)[page : page + self.inner]

    def array(self, values, at_end):
        chosen = self.bytes[-values.nbytes :] if at_end else self.bytes[: values.nbytes]
        if values.nbytes == 0:
            return values
        array = chosen.view(values.dtype).reshape(values.shape)
        array[...] = values
        return array


def check_fenced():
    rng = np.random.default_rng(2)
    for dtype in ("float32", "float64"):
        for name, kernel in KERNELS.items():
            for accumulate in modes(name):
                for rows, columns, depth in (
                    (1, 1, 1),
                    (3, 5, 7),
                    (2, 16, 16),
                    (9, 31, 13),
                    (14, 33, 20),
                    (16, 48, DEPTH + 1),
                    (5, 10, 600),
                ):
                    for at_end in (False, True):
                        arrays = []
                        for shape in shapes(name, rows, columns, depth):
                            values = rng.uniform(-1, 1, shape).astype(dtype)
                            arrays.append(Fenced(max(values.nbytes, 1)).array(values, at_end))
                        run_kernel(kernel, dtype, *arrays, accumulate=accumulate)


def in_process(call, **environment):
    """Run a function of this file in a process of its own."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_gemm; print(test_gemm.{call})"
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="fences need mprotect")
def test_nothing_beside_the_operands_is_read():
    done = in_process("check_fenced()")
    assert done.returncode == 0, (
        f"ended with {done.returncode}: read or wrote outside an operand\n{done.stderr}"
    )


@pytest.mark.parametrize(
    "environment",
    [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}],
    ids=["128 bits", "256 bits"],
)
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the narrow variants are those of x86"
)
def test_narrower_processors_compute_the_same(environment):
    done = in_process("check_many((1, 2, 3, 5, 8, 13, 14, 15, 16, 29, 40))", **environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 100


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dots_of_few_rows(dtype):
    """Every shape around the tiles and registers, inside guarded memory; the bits do not depend on how rows and columns are cut."""
    rng = np.random.default_rng(3)
    run = compiled_dot(dtype)
    for rows in (1, 2, 3, 4, 5, 7):
        for columns in (1, 3, 4, 5, 8, 9, 17):
            for depth in (1, 3, 8, 15, 16, 17, 40, 129):
                A, B = (
                    rng.standard_normal((rows, depth)).astype(dtype),
                    rng.standard_normal((columns, depth)).astype(dtype),
                )
                b = rng.standard_normal(columns).astype(dtype)
                guarded = np.full((rows + 2, columns + 2), 7, dtype)
                C = guarded[1:-1, 1:-1]
                run(C, b, A, B)
                expected = b + A.astype(float) @ B.T.astype(float)
                np.testing.assert_allclose(C, expected, rtol=0, atol=depth * np.finfo(dtype).eps * 8)
                assert (guarded[[0, -1]] == 7).all()
                assert (guarded[:, [0, -1]] == 7).all()
                for r in range(rows):  # alone, and the last column alone
                    one = np.zeros((1, columns), dtype)
                    run(one, b, A[r : r + 1], B)
                    assert one.tobytes() == np.ascontiguousarray(C[r]).tobytes()
                last = np.zeros((rows, 1), dtype)
                run(last, b[-1:], A, B[-1:])
                assert last.tobytes() == np.ascontiguousarray(C[:, -1:]).tobytes()


def compiled_dot(dtype):
    """run(C, b, A, B): C = b + A B^T."""
    real = np.dtype(dtype).type

    @njit(nogil=True)
    def call(C, ldc, I, A, a_row, B, b_row, rows, columns, depth):
        dot(real, C, ldc, I, 0, A, a_row, B, b_row, rows, columns, depth)

    def run(C, b, A, B):
        at = [array.ctypes.data for array in (C, b, A, B)]
        ldc = C.strides[0] // C.itemsize
        call(at[0], ldc, at[1], at[2], A.shape[1], at[3], B.shape[1], *C.shape, A.shape[1])

    return run
