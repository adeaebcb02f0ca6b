"""Products on tensor cores become machine code that keeps its sums in registers. What they compute: tests/cuda/test_tensor.py.

Needs numba-cuda with its compiler, no GPU. In SASS, looked at by hand with nvdisasm, every `mma.sync` is one HMMA.
"""

import re

import numpy as np
import pytest
from tensor_kernel import tensor_kernel

from fastnn.cuda.compiler import compile_ptx, image, missing
from fastnn.cuda.resources import resources
from fastnn.testing.ptx import GENERATIONS

LACKING = missing()
if LACKING is not None:
    pytest.skip(f"no product on tensor cores was compiled for CUDA: {LACKING}", allow_module_level=True)

from fastnn.cuda.slab import place
from fastnn.cuda.storage import STORAGE_BYTES
from fastnn.cuda.tensor import TENSOR_TILES, TensorTile, tensor_product

INSTRUCTION = {
    "tf32": "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32",
    "bf16": "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
}
ROUNDING = {"tf32": "cvt.rna.tf32.f32", "bf16": "cvt.rn.bf16x2.f32"}
SPILLED_BESIDE_THE_LOOP = {("bf16", "large"): 24}
"""Bytes a thread at most: what the kernel around needs afterwards, put aside while the sums are made; nothing of it in the loop over k."""

precisions = pytest.mark.parametrize("precision", INSTRUCTION)
tiles = pytest.mark.parametrize("tile", TENSOR_TILES.values(), ids=lambda tile: tile.name)
generations = pytest.mark.parametrize("cc", GENERATIONS, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")


@precisions
@tiles
@generations
def test_two_blocks_fit_on_a_multiprocessor_and_sums_stay_in_registers(precision, tile, cc):
    made = image(tensor_kernel(precision, tile.name.upper()), cc, "tensor")
    taken = resources(made.code)[made.entry]
    assert taken.registers <= 128
    assert taken.stack_bytes <= SPILLED_BESIDE_THE_LOOP.get((precision, tile.name), 0)
    assert taken.shared_bytes <= STORAGE_BYTES + 1024


@precisions
@tiles
def test_a_slab_is_multiplied_by_as_many_instructions_as_it_has_parts_and_loaded_128_bits_at_a_time(
    precision, tile
):
    code = compile_ptx(tensor_kernel(precision, tile.name.upper()), (9, 0))
    rows, columns = tile.rows // tile.down // 16, tile.columns // tile.across // 8
    steps = 2 * tile.slabs
    assert code.count(INSTRUCTION[precision]) == steps * rows * columns
    assert len(re.findall(r"ld\.shared\.v4", code)) == steps * (rows + columns // 2)
    assert re.search(r"ld\.shared\.[bfu]\d", code) is None, (
        "a load from shared memory that is not 128 bits wide"
    )
    assert ROUNDING[precision] in code
    assert ".f64" not in code
    assert re.search(r"(ld|st)\.local", code) is None
    assert re.search(r"\bld\.(f32|b32|u32)", code) is None, "a load that has to find out whose memory it is"


def test_a_float64_network_is_refused():
    with pytest.raises(TypeError, match="float64"):
        tensor_product(np.float64, "tf32", next(iter(TENSOR_TILES.values())))


def test_a_tile_that_needs_more_shared_memory_than_there_is_is_refused():
    with pytest.raises(ValueError, match="49152 bytes"):
        tensor_product(np.float32, "tf32", TensorTile("wide", 128, 256, down=2, across=8, slabs=1))


def banks(words):
    return sorted(word % 32 for word in words)


def quad_banks(quads):
    return banks(begin + w for begin in quads for w in range(4))


@pytest.mark.parametrize("step", [0, 1])
def test_lanes_that_shared_memory_serves_together_meet_in_no_bank(step):
    """By the table in fastnn/cuda/slab.py: 128-bit accesses of eight lanes, 32-bit accesses of 32."""
    at = place.py_func
    for group in range(0, 8, 2):  # multiplying, and writing what was read in quads: two groups, four members
        assert quad_banks(at(3, step, group + n // 4, n % 4) for n in range(8)) == list(range(32))
    for member in range(4):  # writing what was read across k: eight groups, one member
        assert quad_banks(at(3, step, group, member) for group in range(8)) == list(range(32))


def test_single_words_meet_in_no_bank():
    """Writing what was read one by one: 16 words of two rows, eight apart."""
    for group in range(8):
        words = [
            place.py_func(3, w // 2 % 2, group, w // 4) + 2 * (w % 2) + row
            for row in range(2)
            for w in range(16)
        ]
        assert banks(words) == list(range(32))


def test_places_are_all_there_once():
    found = {
        place.py_func(1, step, group, member) for step in (0, 1) for group in range(8) for member in range(4)
    }
    assert found == set(range(256, 512, 4))
