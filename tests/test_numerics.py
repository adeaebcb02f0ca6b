"""exp, log, tanh, ... of fastnn.numerics: errors over the whole range, special numbers, the same bits in every loop."""

import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from fastnn.cpu.unit import kernel_unit
from fastnn.cuda import missing
from fastnn.numerics import float32, float64
from fastnn.ops import Activate
from fastnn.registry import registry

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "erf", "logistic", "softplus")
MODULES = {"float32": float32, "float64": float64}
ULPS = {
    "exp": 1.25,
    "expm1": 1.75,
    "log": 1.0,
    "log1p": 1.5,
    "tanh": 1.75,
    "erf": 1.25,
    "logistic": 2.0,
    "softplus": 2.0,
}
"""Bounds for float32, with and without fused multiply-add."""
ODD = ("tanh", "erf")
KEEP_ZERO = ("expm1", "log1p", "tanh", "erf")

IR = {"float32": "float", "float64": "double"}

names = pytest.mark.parametrize("name", NAMES)
dtypes = pytest.mark.parametrize("dtype", MODULES)


def looped(name, dtype):
    """f(x) for arrays, compiled as units are."""
    function = getattr(MODULES[dtype], name)

    @njit(error_model="numpy", fastmath={"contract", "nsz"})
    def loop(x, y):
        for i in range(x.size):
            y[i] = function(x[i])

    def call(x):
        x = np.asarray(x, dtype)
        y = np.empty_like(x)
        loop(x, y)
        return y

    call.loop = loop
    return call


def logistic(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def in_float64(name, x):
    if name == "erf":
        return pytest.importorskip("scipy.special").erf(x)
    return {"logistic": logistic, "softplus": softplus}.get(name, getattr(np, name, None))(x)


def ulp(y, dtype):
    """Distance of the dtype's numbers around y."""
    limits = np.finfo(dtype)
    spacing = np.ldexp(1.0, np.frexp(np.abs(y))[1] - limits.nmant - 1)
    return np.maximum(spacing, float(limits.smallest_subnormal))


def numbers():
    """Every 997th float32 (each exponent 8,400 times), and the ranges where the functions bend."""
    rng = np.random.default_rng(0)
    bits = np.arange(0, 2**32, 997, dtype=np.uint32).view(np.float32)
    dense = [rng.uniform(-width, width, 300_000) for width in (1, 5, 20, 110)]
    x = np.concatenate([bits, *dense], dtype=np.float32)
    return x[~np.isnan(x)]


def worst(name):
    """The greatest error in ulp of the float32 function, and where."""
    x = numbers()
    y = looped(name, "float32")(x)
    with np.errstate(all="ignore"):
        exact = in_float64(name, x.astype(np.float64))
        rounded = exact.astype(np.float32)
        error = np.abs(y - exact) / ulp(exact, "float32")
    error[(np.isinf(y) & (y == rounded)) | (np.isnan(y) & np.isnan(rounded))] = 0
    error[np.isnan(error)] = np.inf
    return float(error.max()), float(x[error.argmax()])


@names
def test_float32_is_right_within_2_ulp_over_the_whole_range(name):
    error, place = worst(name)
    assert error <= ULPS[name], f"{name}({place!r}) is off by {error:.3f} ulp"


@pytest.mark.parametrize(
    "environment",
    [{"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma"}],
    ids=["without fma", "256 bits"],
)
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the processors are those of x86")
def test_float32_is_right_on_lesser_processors(environment):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_numerics as t\n"
        "for name in t.NAMES: print(name, *t.worst(name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        name, error, place = line.split()
        assert float(error) <= ULPS[name], f"{name}({place}) is off by {error} ulp"


def exactly(mpmath, name, x):
    if name == "logistic":
        return 1 / (1 + mpmath.exp(-x))
    if name == "softplus":
        return mpmath.log1p(mpmath.exp(-abs(x))) + max(x, 0)
    return getattr(mpmath, name)(x)


@names
def test_float64_is_right_within_2_ulp(name):
    mpmath = pytest.importorskip("mpmath")
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-width, width, 500) for width in (1, 6, 40, 745)])
    x = np.concatenate([x, np.exp(rng.uniform(-700, 6.5, 500)), -np.exp(-rng.uniform(0, 700, 500))])
    if name in ("log", "log1p"):
        wide = np.exp(rng.uniform(-740, 709, 1000))
        x = np.concatenate([x[x > (0 if name == "log" else -1)], wide, 5e-324 * np.arange(1, 100)])
    y = looped(name, "float64")(x)
    with mpmath.workprec(120):
        exact = [exactly(mpmath, name, mpmath.mpf(float(number))) for number in x]
        close = np.array([float(value) for value in exact])
        finite = np.isfinite(close)
        step = ulp(close, "float64")
        error = [
            float(abs(mpmath.mpf(float(a)) - b) / mpmath.mpf(float(u)))
            for a, b, u in zip(y[finite], np.array(exact)[finite], step[finite], strict=True)
        ]
    np.testing.assert_array_equal(y[~finite], close[~finite])
    assert max(error) <= 2, f"{name}({x[finite][int(np.argmax(error))]!r}) is off by {max(error):.3f} ulp"


SPECIAL = {
    "exp": (math.inf, 0, 1),
    "expm1": (math.inf, -1, 0),
    "log": (math.inf, math.nan, -math.inf),
    "log1p": (math.inf, math.nan, 0),
    "tanh": (1, -1, 0),
    "erf": (1, -1, 0),
    "logistic": (1, 0, 0.5),
    "softplus": (math.inf, 0, np.log(2)),
}


@dtypes
@names
def test_special_numbers(name, dtype):
    f = looped(name, dtype)
    expected = np.array([math.nan, *SPECIAL[name], SPECIAL[name][2]], dtype)
    x = [math.nan, math.inf, -math.inf, 0.0, -0.0]
    for number, value in zip(x, expected, strict=True):  # alone, and in a vector
        np.testing.assert_array_equal(f([number]), [value])
        np.testing.assert_array_equal(f([number] * 64), [value] * 64)


@dtypes
def test_logarithms_end_where_they_end(dtype):
    below = np.nextafter(np.array(-1, dtype), np.array(-2, dtype))
    np.testing.assert_array_equal(looped("log", dtype)([-1, -1e-30]), [np.nan, np.nan])
    np.testing.assert_array_equal(
        looped("log1p", dtype)([-1, below, -2, -1e30]), [-np.inf, np.nan, np.nan, np.nan]
    )


@dtypes
def test_exp_ends_in_infinity_and_in_denormal_numbers(dtype):
    limits = np.finfo(dtype)
    largest = np.log(limits.max)
    smallest = np.array(-103.97 if dtype == "float32" else -745.13, dtype)
    exp = looped("exp", dtype)
    up, down = np.array([np.inf, -np.inf], dtype)
    x = [
        np.nextafter(largest, down) * (1 - limits.eps),
        largest * (1 + 4 * limits.eps),
        smallest,
        smallest - 1,
        1e30,
        -1e30,
    ]
    y = exp(x)
    assert np.isfinite(y[0])
    assert y[0] > 0.99 * limits.max
    np.testing.assert_array_equal(y[1:], [up, limits.smallest_subnormal, 0, up, 0])


@dtypes
@pytest.mark.parametrize("name", ODD)
def test_odd_functions_are_odd_to_the_bit(name, dtype):
    f = looped(name, dtype)
    x = np.geomspace(np.finfo(dtype).smallest_subnormal, 100, 20_000).astype(dtype)
    np.testing.assert_array_equal(f(-x), -f(x))


@dtypes
@pytest.mark.parametrize("name", KEEP_ZERO)
def test_small_numbers_keep_their_digits_and_zero_its_sign(name, dtype):
    f = looped(name, dtype)
    limits = np.finfo(dtype)
    factor = 2 / math.sqrt(math.pi) if name == "erf" else 1
    x = np.array(
        [limits.smallest_subnormal, 7 * limits.smallest_subnormal, limits.smallest_normal / 3, limits.eps**2],
        dtype,
    )
    for sign in (1, -1):
        np.testing.assert_array_almost_equal_nulp(
            f(sign * x), (sign * factor * x.astype(np.float64)).astype(dtype), 1
        )
    if name in ODD:
        assert np.signbit(f([-0.0]))[0]


@dtypes
@names
def test_vector_and_remainder_give_the_same_bits(name, dtype):
    """So what a thread computes does not depend on where its share begins."""
    f = looped(name, dtype)
    rng = np.random.default_rng(2)
    x = (rng.standard_normal(4096) * np.exp2(rng.integers(-8, 8, 4096))).astype(dtype)
    alone = np.concatenate([f(x[i : i + 1]) for i in range(x.size)])
    bits = f"u{alone.itemsize}"
    np.testing.assert_array_equal(f(x).view(bits), alone.view(bits))
    for length in range(1, 71):
        for start in (0, 1, 1000 + length):
            part = slice(start, start + length)
            np.testing.assert_array_equal(f(x[part]).view(bits), alone[part].view(bits))


@dtypes
@names
def test_loops_vectorise_without_flags_of_the_caller(name, dtype):
    f = looped(name, dtype)
    f([0.5])
    (code,) = f.loop.inspect_llvm().values()
    vectors = [line for line in code.splitlines() if "= fadd" in line and f" x {IR[dtype]}>" in line]
    assert vectors
    assert not any("contract" in line or "nsz" in line for line in vectors)


@dtypes
def test_the_rest_is_python_s_math(dtype):
    ours = {name for name in NAMES if hasattr(math, name)}
    for name in set(dir(math)) - ours:
        if not name.startswith("_"):
            assert getattr(MODULES[dtype], name) is getattr(math, name) or name == "nan"


@dtypes
@pytest.mark.parametrize("activation", ["logistic", "tanh", "gelu", "softplus", "elu"])
def test_plugins_that_say_math_get_these(activation, dtype):
    kernel = Activate(registry.get("activation", activation)).kernels()[0]
    unit = kernel_unit(kernel, dtype, False, ())
    assert f"from fastnn.numerics import {dtype} as math" in unit.text
    namespace = {}
    exec(compile(unit.text, "<unit>", "exec"), namespace)  # noqa: S102
    called = {f.name for f in namespace["kernel"]._library._final_module.functions if f.is_declaration}
    of_the_system = {form for n in NAMES for form in (n, f"{n}f", f"llvm.{n}.f32", f"llvm.{n}.f64")}
    assert not called & of_the_system


@dtypes
@names
def test_functions_compile_for_cuda(name, dtype):
    reason = missing()
    if reason is not None:
        pytest.skip(f"not compiled for CUDA: {reason}")
    from fastnn.cuda import compile_ptx

    text = (
        "import numpy as np\nfrom fastnn.cuda.memory import pointer\n"
        f"from fastnn.numerics import {dtype} as math\n\n\n"
        f"def kernel(x, y):\n    pointer(y, np.{dtype})[0] = math.{name}(pointer(x, np.{dtype})[0])\n"
    )
    ptx = compile_ptx(text, (9, 0), name)
    assert "fma.rn" in ptx
    assert (".f64" in ptx) == (dtype == "float64")
