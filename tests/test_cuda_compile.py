"""Every kernel that fastnn can produce becomes machine code for two GPU generations, and a float32 build has no float64 in it. All in cuda_kernels.py.

Needs numba-cuda with its compiler (pip install "fastnn[cuda]"), no GPU and no driver. What the kernels take of a GPU: test_cuda_table.py.
"""

import dataclasses
import re

import numpy as np
import pytest

from fastnn.contracts import Activation
from fastnn.cuda import compile_ptx, compiler, kernel_text, missing
from fastnn.cuda.compiler import image
from fastnn.cuda.resources import resources
from fastnn.ops import Kernel
from fastnn.registry import registry
from fastnn.testing.ptx import float64_lines, float64_lines_of, kernels_of

REASON = missing()
if REASON is not None:
    pytest.skip(f"no kernel was compiled for CUDA: {REASON}", allow_module_level=True)

from cuda_kernels import cases, made, make_all

CASES = cases()
TAPES = [case for case in CASES if " tape " in case.name]
PRODUCTS = [case for case in CASES if case.name.partition(" ")[2].startswith("product")]
REAL_PRODUCTS = [case for case in PRODUCTS if case.name.startswith("float")]
of_each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture(scope="module", autouse=True)
def all_at_once(request):
    """All kernels are made together by all cores, where most of them are asked for."""
    if sum(item.fspath == request.node.fspath for item in request.session.items) > len(CASES) // 2:
        make_all()


OF_SUMS = re.compile(r"\.reg |(@%p\d+ )?(add|mov|cvt\.f64\.f32|ld\S*|st\S*)(\.f64)? ")
"""What adding up float32 losses in float64 needs. Anything else that is hidden in such a kernel has to come back to float32: `cvt.rn.f32.f64`."""
OF_WHOLE_NUMBERS = ("data: data.zero", "data: data.gather_classes")


@of_each
def test_every_kernel_becomes_machine_code_of_its_dtype(case):
    """Losses are added up in float64 whatever the network's dtype: nothing else of a float32 network is."""
    for cc, one in made(case).items():
        assert one.code[:4] == b"\x7fELF" and one.entry in one.ptx
        assert f".target sm_{cc[0]}{cc[1]}" in one.ptx
        lines = float64_lines_of(one.ptx, case.dtype)
        if case.dtype == "float64":
            moved = any(re.search(r"\b(ld|st)\S*\.f64", line) for line in lines)
            assert moved or case.name.endswith(OF_WHOLE_NUMBERS)
        elif case.sums:
            assert [line for line in lines if not OF_SUMS.match(line.replace("\t", " "))] == []
        else:
            assert lines == []


@pytest.mark.parametrize(
    "hidden", ["np.float64(values[s]) * 1.5", "np.float64(real(np.float64(values[s]) + 0.1))"]
)
def test_float64_that_is_hidden_beside_a_sum_is_caught(hidden):
    text = f"""import numpy as np
from fastnn.cuda.toolkit import cuda, pointer
real = np.float32

def kernel(words, run):
    values, total = pointer(words, real), pointer(run, np.float64)
    for s in range(1000):
        total[0] += {hidden}
"""
    lines = [line.replace("\t", " ") for line in float64_lines_of(compile_ptx(text, (9, 0)))]
    plain = text.replace(hidden, "np.float64(values[s])")
    assert all(
        OF_SUMS.match(line.replace("\t", " ")) for line in float64_lines_of(compile_ptx(plain, (9, 0)))
    )
    assert not all(OF_SUMS.match(line) for line in lines)


def test_no_two_kernels_have_one_name():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", TAPES[:1], ids=lambda case: case.name)
def test_these_are_the_kernels_that_production_runs(case, tmp_path, monkeypatch):
    """What `image` makes of the same text takes the same of a GPU; it differs in names alone."""
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(compiler, "read_folders", list)
    for cc, one in made(case).items():
        kept = image(case.text, cc, "tape", case.arguments)
        assert resources(kept.code)[kept.entry] == one.taken
        assert kept.cooperative == one.cooperative


@of_each
def test_only_grids_meet_across_blocks(case):
    for one in made(case).values():
        assert one.cooperative == case.cooperative
        assert ("cudaCGSynchronize" in one.ptx) == case.cooperative


def inner_loops(ptx):
    """The innermost loops of PTX, as lists of instructions: from a label to the branch back to it, without such a pair between them."""
    lines = [line.strip() for line in ptx.splitlines()]
    labels = {
        line.rstrip(":"): n for n, line in enumerate(lines) if line.startswith("$L") and line.endswith(":")
    }
    spans = []
    for n, line in enumerate(lines):
        to = re.search(r"\bbra(?:\.uni)?\s+(\$L\w+);", line)
        if to and labels[to[1]] < n:
            spans.append((labels[to[1]], n))
    inner = [a for a in spans if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in spans)]
    return [lines[first : last + 1] for first, last in inner]


@pytest.mark.parametrize("case", [*REAL_PRODUCTS, *TAPES], ids=lambda case: case.name)
def test_the_loop_that_multiplies_reads_vectors_of_shared_memory_and_divides_nothing(case):
    for one in made(case).values():
        assert re.search(r"\bld\.v\d", one.ptx) is None, "a vector that may lie anywhere"
        loops = [loop for loop in inner_loops(one.ptx) if any("ld.shared.v" in line for line in loop)]
        assert loops
        for loop in loops:
            loads = [line.split()[0] for line in loop if "ld.shared" in line]
            assert all(".v" in load for load in loads)
            fused = sum("fma.rn" in line for line in loop)
            assert fused >= len(loads) / 2 and fused >= 4
            for slow in (r"(div|rem)\.[su]64", r"(ld|st)\.local", r"\bcall\b"):
                assert not [line for line in loop if re.search(slow, line)]


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
