"""Kernels of Boltzmann machines, and a step of contrastive divergence, become machine code for two GPU generations, float32 without float64.

Needs numba-cuda with its compiler, no GPU and no driver.
"""

import pytest

import fastnn as fnn
from fastnn.cuda import kernel_text, missing
from fastnn.testing.ptx import float64_lines_of

REASON = missing()
if REASON is not None:
    pytest.skip(f"no kernel was compiled for CUDA: {REASON}", allow_module_level=True)

from cuda_kernels import Case, made

from fastnn.cuda.lower import stages_of
from fastnn.cuda.tile import REAL
from fastnn.cuda.unit import launch_text
from fastnn.ops import LossOp
from fastnn.ops.update import update_kernel
from fastnn.plan import build_plan
from fastnn.rbm.ops import DECAY, SCALED, FreeEnergy
from fastnn.rbm.training import RECONSTRUCTION, Contrast, as_network
from fastnn.rbm.units import units

BINARY, GAUSSIAN = units("binary"), units("gaussian")
KERNELS = [
    *(kernel for of in (BINARY, GAUSSIAN) for kernel in (of.draw, of.mean)),
    *(
        FreeEnergy(*sides).kernels()[1]
        for sides in ((BINARY, BINARY), (GAUSSIAN, BINARY), (BINARY, GAUSSIAN))
    ),
    *(SCALED, DECAY),
]


def step(batch, **how):
    net = as_network(784, Contrast(500, **how), 0, "float32")
    kernel = update_kernel(fnn.registry.get("optimizer", "sgd", momentum=0.5))
    update = (kernel, dict.fromkeys(kernel.reals, 0.5))
    loss = LossOp(RECONSTRUCTION, "row")
    return build_plan(net.graph, batch, "float32", "gradient", loss=loss, training=True, gather=True, update=update, team=False)  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_every_kernel_becomes_machine_code_without_float64(kernel):
    for (major, minor), one in made(Case(kernel.name, kernel_text(kernel, "float32"), "float32")).items():
        assert f".target sm_{major}{minor}" in one.ptx and one.code[:4] == b"\x7fELF"
        assert float64_lines_of(one.ptx, "float32") == []
        assert one.taken.stack_bytes <= 40


def test_draws_follow_their_product_in_the_same_kernel():
    """Means and samples of CD-1 need no launch of their own, and no pass through memory: a product, or the sum of its parts, heads their stage."""
    behind = [stage.text for stage in stages_of(step(100), REAL) if "rbm_" in stage.text.name]
    drawn = [text for text in behind if "draw" in text.name]
    assert len(drawn) == 2 and all(text.form for text in drawn)
    case = Case("product and draw", launch_text(drawn[-1], "float32"), "float32")
    for one in made(case).values():
        assert one.code[:4] == b"\x7fELF" and float64_lines_of(one.ptx, "float32") == []
