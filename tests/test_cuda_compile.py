"""Every kernel of every registered function compiles to PTX for two GPU generations, and a float32 build has no float64 in it.

Needs numba-cuda with its compiler (pip install "fastnn[cuda]"), no GPU and no driver.
"""

import dataclasses

import numpy as np
import pytest

from fastnn.contracts import Activation
from fastnn.cuda import compile_ptx, kernel_text, missing
from fastnn.ops import Kernel, data
from fastnn.registry import registry
from fastnn.testing.ptx import GENERATIONS, float64_lines, kernels_of

REASON = missing()
if REASON is not None:
    pytest.skip(f"no kernel was compiled for CUDA: {REASON}", allow_module_level=True)

KERNELS = [
    pytest.param(kernel, id=f"{entry.name}-{kernel.name}")
    for kind in ("activation", "loss", "optimizer", "op")
    for entry in registry.entries(kind)
    if not hasattr(entry.object, "needs")  # a solver is no kernel: it asks the objective
    for kernel in kernels_of(entry.object)
]
each = pytest.mark.parametrize("kernel", KERNELS)
generations = pytest.mark.parametrize("cc", GENERATIONS, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")


@each
@generations
def test_a_float32_kernel_has_no_float64(kernel, cc):
    assert float64_lines(kernel, "float32", cc) == []


@each
@generations
def test_a_float64_kernel_computes_in_float64(kernel, cc):
    assert any(
        "ld.global.f64" in line or "st.global.f64" in line for line in float64_lines(kernel, "float64", cc)
    )


@pytest.mark.parametrize(
    "kernel", [data.GATHER_ROWS, data.GATHER_CLASSES, data.ZERO], ids=lambda kernel: kernel.name
)
def test_moving_data_stays_in_float32(kernel):
    assert float64_lines(kernel) == []


@pytest.mark.parametrize("entry", registry.entries("activation"), ids=lambda entry: entry.name)
def test_a_variant_that_overwrites_compiles_too(entry):
    for kernel in kernels_of(entry.object):
        if kernel.accumulates:
            assert ".f64" not in compile_ptx(kernel_text(kernel, "float32", accumulate=False), (9, 0))


NUMPY_CONSTANT = np.float64(0.1)


def value(z):
    return NUMPY_CONSTANT * z if z > 0.3 else z * (1 / 3)


def slope(z, a):
    return 0.1 if z > 0.3 else 1 / 3


SLANTED = Activation("slanted", value, slope)


def test_float64_constants_and_whole_divisions_of_a_plugin_are_typed():
    for kernel in kernels_of(SLANTED):
        assert float64_lines(kernel) == []


@pytest.mark.parametrize(
    ("typed", "hidden"),
    [("real(0.1)", "np.float64(0.1)"), ("(real(1) / real(3))", "(1 / 3)"), ("z > real(0.3)", "z > 0.3")],
)
def test_a_hidden_float64_is_caught(typed, hidden):
    """What the typing of literals is for: without it, each of these is float64."""
    text = kernel_text(kernels_of(SLANTED)[0], "float32")
    assert typed in text
    assert ".f64" not in compile_ptx(text, (9, 0))
    assert ".f64" in compile_ptx(text.replace(typed, hidden), (9, 0))


def body(i, out, z, factor):
    out[i] = factor[0] * z[i]


def test_float64_in_memory_is_caught():
    arrays = {"out": "*", "z": "*", "factor": "d*"}
    assert float64_lines(Kernel("hidden", body, arrays)) != []
    assert float64_lines(Kernel("open", body, {**arrays, "factor": "*"})) == []


def test_code_is_precise():
    """numba-cuda takes any fastmath flag for all of them: exp and division would be approximate."""
    logistic = kernels_of(registry.get("activation", "logistic"))[0]
    assert "div.approx" not in compile_ptx(kernel_text(logistic, "float32"), (9, 0))


def test_kernels_of_configured_objects_have_their_settings():
    kernel = kernels_of(registry.get("activation", "leaky_relu", alpha=0.3))[0]
    assert "real(0.3)" in kernel_text(kernel, "float32")
    assert dataclasses.is_dataclass(kernel)
