"""A plain function, compiled for float32, computes in float32 and agrees with plain Python in float64."""

import ast
import inspect
import math
from math import exp, pi

import numba
import numpy as np
import pytest
from numba import types

from fastnn.compile import typed_source
from fastnn.cpu.unit import FUNCTION
from fastnn.numerics import float32, float64

MATH = {"float32": float32, "float64": float64}
THIRD = 1 / 3
THREE = 3
ON = True
NUMPY_HALF = np.float64(0.5)
NUMPY_WHOLE = np.int64(2)
SERIES = (1.0, 0.5, 0.25)


def conditional(x):
    return x if x > 0 else 0  # noqa: FURB136


def conditional_of_numbers(x):
    return 1 if x > 0 else -1


def nested_conditionals(x):
    return 0 if x < -1 else 2 if x > 1 else x + 1


def whole_literals(x):
    return 2 * x + 1 - x / 3


def whole_division(x):
    return x * (1 / 3) + 7 // 2 + 7 % 4


def powers(x):
    return x**2 + x**3 - x**-2 + (x * x) ** 0.5 + 2**x + x**THREE


def constants(x):
    return x * math.pi + math.e - pi + math.tau


def infinity(x):
    return min(x, math.inf) + max(x, float("-inf"))


def module_numbers(x):
    return THIRD * x + THREE + NUMPY_HALF + NUMPY_WHOLE * x


def module_truth(x):
    return x if ON else -x


def module_tuple(x):
    total = 0
    for c in SERIES:
        total = total * x + c
    return total + SERIES[1]


def imported_function(x):
    return exp(-abs(x)) + math.exp(0)


def quadratic(x, a=2.0, b=1):
    return a * x * x + b


def cubic(x):
    return quadratic(x, 3, b=0.5) * x + quadratic(x)


def nested_helpers(x):
    return cubic(x) + quadratic(a=1, x=x)


def sign(x):
    if x > 0:
        return 1
    return -1


def whole_helper(x):
    return 0.5 * sign(x) + sign(-x) / 3


def positive(x):
    return x > 0


def truth_helper(x):
    return x if positive(x) else positive(1) - x


def nth_power(x, n):
    product = 1
    for _ in range(n):
        product *= x
    return product


def helper_of_wholes_and_reals(x):
    total = 0
    for k in range(3):
        total += nth_power(x, k) + quadratic(k) + quadratic(x)
    return total


def counter_times_real(x):
    total = 0
    for k in range(4):
        total += k * x + k * 0.5 + k / 3
    return total


def counter_meets_real(x):
    best = 0
    for k in range(5):
        best = max(best, k) if x > k else min(x, k)
    return best


def counter_while(x):
    k = 0
    total = 0.0
    while k < 3:
        total += x / (k + 1)
        k += 1
    return total / k


def count_of_whats_above(x):
    count = 0
    for k in range(10):
        if k * 0.31 < x:
            count += 1
    return count / 10


def last_index(x):
    found = -1
    for k in range(5):
        if k < x:
            found = k
    return found * 0.5 + abs(found - 2) * x + (found if x > 0 else 3)


def rounding(x):
    return round(x * 0.7) * 0.3 + math.floor(x * 1.1) * x + int(x * 2.5) - math.ceil(x) / 3 + round(x, 1)


def unary_minus(x):
    return -x * -2 + -(1) - -0.5 + +3


def chained_comparison(x):
    return x if 0 < x <= 1 else 0.5 * x


def comparison_as_number(x):
    return (x > 0) * x + (x > 1) * 2 - (x < 0)


def logic(x):
    inside = x > -1 and not x > 1
    outside = x < -5 or x > 5
    return x * inside + (2 if outside else 0) + (inside != outside)


def augmented(x):
    y = x
    y += 1
    y *= 2
    y /= 3
    y -= 0.25
    y **= 2
    return y


def flags(x):
    on = True
    if x > 1:
        on = False
    return x if on else -x


def documented(x):
    """Twice x; the word 0.5 is not code."""
    return 2 * x


def annotated(x: float) -> float:
    y: float = 1
    k: int = 2
    return x * y + k


def several_targets(x):
    first = second = 1
    a, b = x, 2
    a, b = b, a
    for _ in range(first):
        second += 0.5 * x
    return first + second + a * 3 - b


def extremes(x):
    return max(x, 0) + min(0.5, x, 1) + max(1, 2)


def absolute(x):
    return abs(x) + math.fabs(x - 1) + abs(-3)


def functions_of_whole_numbers(x):
    total = x
    for k in range(1, 4):
        total += math.sqrt(k) + math.exp(-k) + math.log(2)
    return total


def two_arguments(x):
    return math.copysign(1, x) + math.hypot(x, 1) + math.atan2(x, 2) + math.pow(2, x) + math.ldexp(x, 2)


def not_numbers(x):
    return 0 if math.isnan(x) or math.isinf(x) else 1 / x


def modulo(x):
    return x % 2 + x // 3 + (-7 // 2) + 7 % 3 * x


def real_of_whole(x):
    return float(3) * x + float(x) * float("1e-3")


def early_return(x):
    if x > 1:
        return 1
    elif x > 0:
        return x
    return 0.0


def loop_else(x):
    for k in range(3):
        if k * 0.5 > x:
            break
    else:
        x = x + 1
    return x + 0.5


def numbers_in_a_row(x):
    total = 0
    for k in (1, 2, 5):
        total += k * x
    for c in (0.5, 2):
        total += c
    return total


SCALARS = [
    conditional, conditional_of_numbers, nested_conditionals, whole_literals, whole_division, powers, constants, infinity,
    module_numbers, module_truth, module_tuple, imported_function, nested_helpers, whole_helper, truth_helper,
    helper_of_wholes_and_reals, counter_times_real, counter_meets_real, counter_while, count_of_whats_above,
    last_index, rounding, unary_minus, chained_comparison, comparison_as_number, logic, augmented, flags, documented,
    annotated, several_targets, extremes, absolute, functions_of_whole_numbers, two_arguments, not_numbers, modulo,
    real_of_whole, early_return, loop_else, numbers_in_a_row,
]  # fmt: skip


def compiled(function, dtype="float32", **options):
    """The function with its source typed and compiled, as in a unit: what it calls is inlined."""
    texts = typed_source(function, "role", **options)
    namespace = {"math": MATH[dtype], "np": np, "njit": numba.njit, "real": np.dtype(dtype).type}
    for text in texts:
        exec(f"{FUNCTION if text is not texts[-1] else ''}\n{text}", namespace)  # noqa: S102
    return numba.njit(error_model="numpy")(namespace["role"])


def in_float64(dispatcher):
    """Operations of the compiled function that take or give a float64; real(0.5) itself may."""
    for result in dispatcher.overloads.values():
        for operation, signature in result.type_annotation.calltypes.items():
            if signature is None:
                continue
            used = [getattr(kind, "dtype", kind) for kind in (*signature.args, signature.return_type)]
            if types.float64 in used and used != [types.float64, types.float32]:
                yield f"{operation} {signature}"


@pytest.mark.parametrize("function", SCALARS, ids=lambda f: f.__name__)
def test_a_scalar_function_stays_in_float32(function):
    role = compiled(function)
    for x in (0.3, 1.7, -0.6, 2.5):
        single = np.float32(x)
        found = role(single)
        assert found == pytest.approx(function(float(single)), rel=2e-6, abs=2e-6)
    assert [s.return_type for s in role.nopython_signatures] == [types.float32]
    assert list(in_float64(role)) == []


def test_the_check_for_float64_can_fail():
    @numba.njit
    def untyped(x):
        return 1 if x > 0.5 else 2

    untyped(np.float32(1))
    assert len(list(in_float64(untyped))) == 1


def test_float64_is_kept_too():
    role = compiled(powers, "float64")
    assert role(1.7) == pytest.approx(powers(1.7), rel=1e-14)
    assert role.nopython_signatures[0].return_type == types.float64


def mean(z):
    total = 0
    for j in range(len(z)):
        total += z[j]
    return total / len(z)


def sizes(z):
    return z.size * 0.5 + z.shape[0] / 3 + z.ndim * z[0]


def weighted_by_place(z):
    total = 0
    j = 0
    while j < len(z) - 1:
        total += (j + 1) * z[j] - z[j + 1] / max(j, 1)
        j += 1
    return total + z[len(z) // 2] + z[-1]


def place_of_largest(z):
    best = 0
    for j in range(1, len(z)):
        if z[j] > z[best]:
            best = j
    return best


def largest_by_place(z):
    return z[place_of_largest(z)] + 0.5 * place_of_largest(z)


def slices(z):
    return mean(z[1:]) + mean(z[: len(z) // 2])


def shape_in_a_tuple(z):
    (n,) = z.shape
    return n * z[n - 1]


ROWS = [mean, sizes, weighted_by_place, largest_by_place, slices, shape_in_a_tuple]


@pytest.mark.parametrize("function", ROWS, ids=lambda f: f.__name__)
def test_a_function_of_a_row_stays_in_float32(function):
    role = compiled(function)
    z = np.array([0.5, -1.25, 3.0, 2.0], np.float32)
    found = role(z)
    assert type(found) is float and role.nopython_signatures[0].return_type == types.float32
    assert found == pytest.approx(function(z.astype(np.float64)), rel=2e-6)
    assert list(in_float64(role)) == []


def hinge_like(z, y, delta, margin, order):
    """A class index y meets counters, literals and reals."""
    total = 0
    for j in range(len(z)):
        answer = 1 if y == j else -1
        delta[j] = -answer
        delta[j] *= margin
        total += y * z[j] + (j - y) * 0.5 + (y + 1) / 2
    for k in range(order):
        total += margin**k
    delta[y] += 1
    return total


def test_a_class_index_and_settings_keep_their_kinds():
    settings = {"margin": 0.25, "order": 2}
    role = compiled(hinge_like, settings=settings, whole=frozenset({"y"}))
    z = np.array([0.5, -1.25, 3.0], np.float32)
    found, expected = np.zeros(3, np.float32), np.zeros(3)
    value = role(z, 1, found)
    assert value == pytest.approx(hinge_like(z.astype(np.float64), 1, expected, **settings), rel=1e-6)
    assert found == pytest.approx(expected)
    assert role.nopython_signatures[0].return_type == types.float32
    assert list(in_float64(role)) == []


def moved(step, x):
    step = step * 0.5
    return step + x


def test_a_whole_argument_that_becomes_real_is_converted_first():
    role = compiled(moved, whole=frozenset({"step"}))
    assert role(3, np.float32(0.25)) == 1.75
    assert role.nopython_signatures[0].return_type == types.float32


@pytest.mark.parametrize("value", [2, 2.0, True])
def test_settings_are_baked_in_as_what_they_are(value):
    texts = typed_source(quadratic, "role", {"a": value})
    assert (
        texts[-1]
        == f"def role(x, b):\n    return role_(x, {f'real({value})' if value is not True and type(value) is float else value}, b)\n"
    )
    assert compiled(quadratic, settings={"a": value})(np.float32(1.5), np.float32(1)) == quadratic(
        1.5, value, 1
    )


def test_the_written_text_is_what_a_reader_expects():
    (text,) = typed_source(count_of_whats_above, "value")
    assert text == inspect.cleandoc("""
        def value(x):
            count = 0
            for k in range(10):
                if real(k) * real(0.31) < x:
                    count += 1
            return real(count) / real(10)
    """) + "\n"  # fmt: skip


def test_helpers_come_first_and_one_name_stands_for_one_function():
    texts = typed_source(helper_of_wholes_and_reals, "value")
    names = [ast.parse(text).body[0].name for text in texts]
    assert names == ["value_nth_power", "value_quadratic", "value_quadratic_2", "value"]


def adds(i, out, x):
    out[i] += 0.5 * x[i]


def test_an_accumulating_body_has_a_variant_that_overwrites():
    (text,) = typed_source(adds, "body", whole=frozenset({"i"}), assign="out")
    assert text == "def body(i, out, x):\n    out[i] = real(0.5) * x[i]\n"
