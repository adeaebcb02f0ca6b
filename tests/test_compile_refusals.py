"""What cannot be compiled is refused in a sentence that says what to do, before Numba sees it where possible."""

import functools
import importlib
import linecache
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnn.compile import typed_source
from fastnn.contracts import Activation
from fastnn.cpu.unit import kernel_unit
from fastnn.errors import PluginError
from fastnn.testing.ptx import kernels_of

TABLE = [1.0, 2.0]
WORDS = "two"


def uses_numpy(z):
    return np.exp(z)


def uses_an_unknown_name(z):
    return alhpa * z  # noqa: F821


alpha = 0.5


def prints(z):
    print(z)
    return z


def opens(z):
    return open(z)


def uses_a_list(z):
    return [z, 1][0]


def uses_a_global_list(z):
    return TABLE[0] * z


def uses_a_global_text(z):
    return z if WORDS else 0


def comprehends(z):
    return sum(k * z for k in range(3))


def formats(z):
    return f"{z}"


def tries(z):
    try:
        return 1 / z
    except ZeroDivisionError:
        return 0


def raises(z):
    if z < 0:
        raise ValueError
    return z


def imports(z):
    import cmath

    return cmath.exp(z)


def defines(z):
    def inner(x):
        return x

    return inner(z)


def walks(z):
    return (y := z) + y


def calls_a_method(z):
    return z.sum()


def calls_what_math_lacks(z):
    return math.sqroot(z)


def calls_itself(z):
    return z if z < 1 else calls_itself(z - 1)


def two(x, y):
    return x + y


def calls_with_too_few(z):
    return two(z)


def names_a_variable_real(z):
    real = 2 * z
    return real


def uses_text(z):
    return z if z != "no" else 0


def uses_complex_numbers(z):
    return z * 1j


def changes_a_global(z):
    global alpha
    alpha = z
    return z


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (uses_numpy, ["uses np.exp, which cannot be compiled", "math.*"]),
        (uses_an_unknown_name, ["uses the name 'alhpa', which is defined nowhere; did you mean 'alpha'?"]),
        (prints, ["uses print(), which cannot be compiled", "try "]),
        (opens, ["uses open(), which cannot be compiled"]),
        (uses_a_list, ["uses a list, which cannot be compiled", "[z, 1]"]),
        (
            uses_a_global_list,
            ["uses 'TABLE', which cannot be compiled", "[1.0, 2.0]", "numbers and plain functions"],
        ),
        (uses_a_global_text, ["uses 'WORDS', which cannot be compiled"]),
        (comprehends, ["uses a generator, which cannot be compiled"]),
        (formats, ["uses text, which cannot be compiled"]),
        (tries, ["uses try, which cannot be compiled"]),
        (raises, ["uses raise, which cannot be compiled"]),
        (imports, ["uses an import inside it"]),
        (defines, ["uses a function inside it"]),
        (walks, ["uses the operator :="]),
        (calls_a_method, ["uses .sum, which cannot be compiled"]),
        (calls_what_math_lacks, ["uses math.sqroot; did you mean 'sqrt'?"]),
        (calls_itself, ["calls itself, which cannot be compiled", "write a loop"]),
        (calls_with_too_few, ["calls two with the wrong arguments: missing a required argument: 'y'"]),
        (names_a_variable_real, ["calls a variable 'real'", "rename it"]),
        (uses_text, ["uses text, which cannot be compiled"]),
        (uses_complex_numbers, ["uses a complex number"]),
        (changes_a_global, ["uses global, which cannot be compiled"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_compiled_is_refused(function, words):
    with pytest.raises(PluginError) as refused:
        typed_source(function, "value")
    message = str(refused.value)
    assert message.startswith(f"{__name__}.{function.__name__} ")
    for word in words:
        assert word in message


def test_a_refusal_in_a_helper_names_the_helper():
    def calls_prints(z):
        return prints(z)

    with pytest.raises(PluginError, match=r"\.prints uses print\(\)"):
        typed_source(calls_prints, "value")


def test_a_lambda_is_refused():
    with pytest.raises(PluginError, match="is not written as `def`"):
        typed_source(lambda z: 2 * z, "value")


def test_a_closure_is_refused():
    factor = 2.0

    def closure(z):
        return factor * z

    with pytest.raises(PluginError, match="uses factor of an enclosing function") as refused:
        typed_source(closure, "value")
    assert "make it a setting" in str(refused.value)


def test_a_decorated_function_is_refused():
    def twice(function):
        @functools.wraps(function)
        def wrapped(z):
            return 2 * function(z)

        return wrapped

    @twice
    def decorated(z):
        return z

    with pytest.raises(PluginError, match="is decorated"):
        typed_source(decorated, "value")


def test_what_is_no_function_is_refused():
    with pytest.raises(PluginError, match="value is not a plain Python function"):
        typed_source(math.exp, "value")


def test_a_source_that_was_edited_after_the_import_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "edited_plugin.py"
    path.write_text("def value(z):\n    return 2 * z\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("edited_plugin")
    path.write_text("def value(z):\n    return 3 * z\n")
    linecache.checkcache()
    with pytest.raises(PluginError, match="has changed since it was imported"):
        typed_source(module.value, "value")
    module = importlib.reload(module)
    assert "real(3) * z" in typed_source(module.value, "value")[0]


def slope(z, a):
    return 1


def types_do_not_fit(z):
    return math.exp(z, z)


def test_what_numba_refuses_names_the_kernel_and_its_file():
    kernel = kernels_of(Activation("unfit", types_do_not_fit, slope))[0]
    with pytest.raises(PluginError, match=r"kernel activate_forward_float32 cannot be compiled: ") as refused:
        kernel_unit(kernel, "float32", True, ()).load()
    path = str(refused.value).partition("the code in ")[2].strip()
    assert "def value(z)" in Path(path).read_text(encoding="utf-8")


def test_a_plugin_of_the_command_line_is_refused():
    code = """
from fastnn.compile import typed_source
from fastnn.errors import PluginError
def value(z): return 2 * z
try:
    typed_source(value, "value")
except PluginError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    if sys.version_info < (3, 13):  # from then on, Python keeps the source
        assert "the source of __main__.value cannot be read" in said
        assert "put the function in a file or a notebook cell" in said
