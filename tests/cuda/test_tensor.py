"""Products on tensor cores, against NumPy's of the same rounded operands: on a GPU, and by the instructions' reference on the simulator."""

from itertools import pairwise

import numpy as np
import pytest
from on_device import SIMULATED, numbers, tiny
from tensor_kernel import tensor_kernel

from fastnn.cuda import missing
from fastnn.cuda.device import kernel, the_device

if missing() is not None:
    pytest.skip(f"no product on tensor cores was computed: {missing()}", allow_module_level=True)

from fastnn.cuda import slab, tensor

pytestmark = pytest.mark.cuda

DIGITS = {"tf32": 11, "bf16": 8}
"""Bits of the significand, with the one that is not stored."""
PAIR = 'TensorTile("pair", 16, 32, down=1, across=2, slabs={})'
TILES = {"tiny": "TINY", "two teams": PAIR.format(2), "idle team": PAIR.format(1)} | (
    {} if SIMULATED else {"large": "LARGE", "medium": "MEDIUM", "small": "SMALL"}
)
SIZES = [(1, 3, 17), (17, 40, 130), (40, 17, 3), (3, 130, 40), (130, 1, 1)]
"""Rows, columns, depth."""
LARGE_SIZES = [(1000, 1023, 17), (130, 257, 1000), (17, 1000, 4096)]
ORDERS = [(False, False), (False, True), (True, False), (True, True)]

precisions = pytest.mark.parametrize("precision", DIGITS)


def rounded(x, precision):
    """As the instruction rounds: to the nearest; TF32 with ties away from zero, bf16 with ties to even. Of normal numbers, in float64."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    scaled = np.ldexp(fraction, DIGITS[precision])
    nearest = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled) if precision == "tf32" else np.rint(scaled)
    return np.ldexp(nearest, exponent - DIGITS[precision])


class Operand:
    """A matrix in device memory with NaN before and after it, `apart` numbers from row to row, from a number `off` those on 16 bytes on."""

    def __init__(self, matrix, across, off=0, apart=None):
        lines = matrix.T if across else matrix
        apart = apart or lines.shape[1]
        held = np.full((lines.shape[0], apart), np.nan, np.float32)
        held[:, : lines.shape[1]] = lines
        around = np.full(held.size + 64 + off, np.nan, np.float32)
        around[32 + off : 32 + off + held.size] = held.ravel()
        self.memory = the_device().allocate(around.nbytes)
        the_device().upload(self.memory.address, around)
        self.address = self.memory.address + 4 * (32 + off)
        self.strides = (1, apart) if across else (apart, 1)


def product(precision, tile, A, B, rows, columns, first, last):
    """The device's sums over k in [first, last)."""
    device, text = the_device(), tensor_kernel(precision, TILES[tile])
    out = device.allocate(4 * rows * columns)
    words = np.array(
        [A.address, *A.strides, B.address, *B.strides, rows, columns, first, last, out.address], np.int64
    )
    on_device = device.allocate(words.nbytes)
    device.upload(on_device.address, words)
    shape = eval(TILES[tile], vars(tensor))
    blocks = -(-rows // shape.rows) * -(-columns // shape.columns)
    device.launch(kernel(device, text, "tensor", 2), blocks, shape.threads, (on_device.address, 0))
    C = np.empty((rows, columns), np.float32)
    device.download(C, out.address)
    return C


def check(precision, tile, size, orders, splits=(), off=0, apart=None):
    rows, columns, depth = size
    a, b = numbers(rows, depth, seed=1), numbers(columns, depth, seed=2)
    A, B = Operand(a, orders[0], off, apart), Operand(b, orders[1], off, apart)
    a, b = rounded(a, precision), rounded(b, precision)
    ends = [0, *splits, depth]
    for first, last in pairwise(ends):
        C = product(precision, tile, A, B, rows, columns, first, last)
        part = slice(first, last)
        expected = a[:, part] @ b[:, part].T
        scale = np.abs(a[:, part]) @ np.abs(b[:, part]).T
        # each addition rounds, or cuts off, at 24 bits
        assert (np.abs(C - expected) <= (last - first + 8) * 2.0**-23 * scale).all()


@tiny
@precisions
@pytest.mark.parametrize(
    "orders", ORDERS, ids=lambda o: f"A {'across' if o[0] else 'along'}, B {'across' if o[1] else 'along'} k"
)
@pytest.mark.parametrize("size", SIZES, ids=lambda s: "x".join(map(str, s)))
def test_sums_are_numpys_of_the_rounded_operands(precision, orders, size):
    check(precision, "tiny", size, orders)


@tiny
@precisions
@pytest.mark.parametrize("orders", ORDERS[1:3], ids=["B across", "A across"])
@pytest.mark.parametrize("tile", ["two teams", "idle team"])
def test_threads_that_share_slabs_and_threads_without_a_share(precision, tile, orders):
    check(precision, tile, (17, 40, 70), orders)


@tiny
@precisions
@pytest.mark.parametrize(("split", "off", "apart"), [(20, 0, 44), (7, 0, 44), (20, 1, 44), (20, 0, 43)])
def test_k_is_split_anywhere_and_rows_lie_anywhere(precision, split, off, apart):
    """Quads are read 128 bits at a time only where that is allowed; what lies beside the matrices is NaN."""
    check(precision, "tiny", (17, 17, 40), (False, False), (split,), off, apart)


@tiny
@precisions
def test_an_empty_part_of_k_gives_zeros(precision):
    A, B = Operand(numbers(3, 4), False), Operand(numbers(5, 4), False)
    for first, last in ((4, 4), (8, 4)):
        assert not product(precision, "tiny", A, B, 3, 5, first, last).any()


@tiny
@precisions
def test_rounding_is_the_instructions(precision):
    """Ties, numbers beside them, what rounds up to infinity, infinity and NaN; times 1, so the sum is the rounded number."""
    unit = 2.0 ** (1 - DIGITS[precision])
    near = [1 + n * unit / 2 + e * 2.0**-23 for n in range(5) for e in (-1, 0, 1)]
    special = [np.finfo(np.float32).max, np.inf, np.nan, 0.0]
    x = np.array([*near, *special], np.float32)
    x = np.concatenate([x, -x])[:, None]
    C = product(
        precision, "tiny", Operand(x, False), Operand(np.ones((1, 1), np.float32), False), len(x), 1, 0, 1
    )
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.where(np.isfinite(x), rounded(np.where(np.isfinite(x), x, 0), precision), x).astype(
            np.float32
        )
    assert np.isinf(expected[len(near)]).all(), "the largest float32 has no finite neighbour above"
    assert np.array_equal(C, expected, equal_nan=True)


@precisions
@pytest.mark.parametrize("tile", ["large", "medium", "small"])
@pytest.mark.parametrize("orders", ORDERS, ids=str)
@pytest.mark.parametrize("size", [*SIZES, *LARGE_SIZES], ids=lambda s: "x".join(map(str, s)))
def test_tiles_of_a_gpu(precision, tile, orders, size):
    check(precision, tile, size, orders)


if SIMULATED:

    @tiny
    @pytest.mark.parametrize("off", [0, 1])
    @pytest.mark.parametrize("orders", [(False, False), (True, True)], ids=["along k", "across k"])
    def test_nothing_beside_the_matrices_is_read(orders, off, monkeypatch):
        """Rows and columns beyond the edge would do no harm to the sums; reading them would."""
        found = []

        def watched(read, numbers):
            def watching(address):
                found.extend(address + 4 * n for n in range(numbers))
                return read(address)

            return watching

        monkeypatch.setattr(slab, "read_real", watched(slab.read_real, 1))
        monkeypatch.setattr(slab, "read_reals", watched(slab.read_reals, 4))
        rows, columns, depth = 17, 24, 40
        A = Operand(numbers(rows, depth), orders[0], off)
        B = Operand(numbers(columns, depth), orders[1], off)
        product("tf32", "tiny", A, B, rows, columns, 4, depth)
        inside = {address(A, i, k) for i in range(rows) for k in range(4, depth)}
        inside |= {address(B, j, k) for j in range(columns) for k in range(4, depth)}
        assert set(found) == inside


def address(operand, i, k):
    return operand.address + 4 * (i * operand.strides[0] + k * operand.strides[1])
