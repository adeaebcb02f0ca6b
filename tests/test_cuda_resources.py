"""Registers, shared memory and stack of kernels are read from their machine code, made without a GPU. cuobjdump -res-usage gave the same numbers."""

import pytest

from fastnn.cuda.compiler import image, missing
from fastnn.cuda.resources import resources
from fastnn.testing.ptx import GENERATIONS

LACKING = missing()
compiled = pytest.mark.skipif(LACKING is not None, reason=f"no kernel was compiled for CUDA: {LACKING}")
generations = pytest.mark.parametrize("cc", GENERATIONS, ids=lambda cc: f"sm_{cc[0]}{cc[1]}")

HEAD = """import numpy as np
from fastnn.cuda.toolkit import cuda, pointer

def kernel(words, run):
    x = pointer(words, np.float32)
    y = pointer(run, np.float32)
"""
PLAIN = "    y[cuda.grid(1)] = x[cuda.grid(1)] + np.float32(1)\n"
ARRAY = """    a = cuda.local.array(1000, np.float32)
    for n in range(1000):
        a[n] = x[n]
    for n in range(1000):
        y[n] = a[int(x[n])]
"""
SHARED = """    s = cuda.shared.array(3000, np.float32)
    s[cuda.threadIdx.x] = x[cuda.threadIdx.x]
    cuda.syncthreads()
    y[cuda.threadIdx.x] = s[int(x[0])]
"""
MANY = 300  # numbers that are alive together; a thread has 255 registers at most
SPILLING = "\n".join(
    [f"    v{n} = x[{n}]" for n in range(MANY)]
    + ["    for k in range(words):"]
    + [f"        v{n} = v{n} * v{(n + 1) % MANY} + v{(n + 7) % MANY}" for n in range(MANY)]
    + [f"    y[{n}] = v{n}" for n in range(MANY)]
)


def of(body, cc):
    made = image(HEAD + body, cc, "resources")
    return resources(made.code)[made.entry]


@compiled
@generations
def test_a_plain_kernel_keeps_everything_in_registers(cc):
    plain = of(PLAIN, cc)
    assert 0 < plain.registers < 32 and plain.shared_bytes == plain.stack_bytes == 0


@compiled
@generations
def test_spilled_registers_are_seen(cc):
    spilling = of(SPILLING, cc)
    assert spilling.stack_bytes >= 4 * (MANY - 255) and spilling.registers > 64 and spilling.shared_bytes == 0


@compiled
@generations
def test_an_array_of_a_thread_is_stack(cc):
    assert of(ARRAY, cc).stack_bytes == 4 * 1000


@compiled
@generations
def test_static_shared_memory_is_seen(cc):
    reserved = 1024 if cc >= (9, 0) else 0
    assert of(SHARED, cc).shared_bytes == 4 * 3000 + reserved


@compiled
def test_a_damaged_cubin_is_refused():
    code = image(HEAD + PLAIN, (9, 0), "resources").code
    for length in (100, 1000, len(code) - 1000):
        with pytest.raises(ValueError, match="damaged"):
            resources(code[:length])


@pytest.mark.parametrize(
    "junk", [b"", b"\x7fELF", b".version 9.0\n.target sm_90\n", b"\x7fELF\x02" + bytes(100)]
)
def test_what_is_no_cubin_is_refused(junk):
    with pytest.raises(ValueError, match="no cubin"):
        resources(junk)
