"""The most GFLOP/s that one core gives: fused multiply-adds on registers alone, as wide as they are and enough of them to hide the latency."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fastnn.cpu.vector import IR_TYPE, lanes, register_count

CHAINS = 24 if register_count() == 32 else 12
"""Sums that are in flight: latency times units is 8 to 10 on current processors."""


@intrinsic
def chains_of_fma(typing_context, start, count):  # type: ignore[no-untyped-def]
    """sum of all lanes of CHAINS registers after `count` rounds of s = s x + y."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, count = arguments
        width = lanes(str(signature.args[0]))
        vector, index = ir.VectorType(IR_TYPE[str(signature.args[0])], width), ir.IntType(64)

        def splat(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
            order = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
            return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), order)

        x, y = splat(start), ir.Constant(vector, [0.5] * width)
        first = [ir.Constant(vector, [float(k)] * width) for k in range(CHAINS)]
        name = f"llvm.fmuladd.v{width}f{32 if vector.element == ir.FloatType() else 64}"
        fma = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(vector, [vector] * 3))
        entry, loop, done = (
            builder.block,
            builder.append_basic_block("loop"),
            builder.append_basic_block("done"),
        )
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(index)
        k.add_incoming(index(0), entry)
        sums = [builder.phi(vector) for _ in first]
        new = [builder.call(fma, [s, x, y]) for s in sums]
        for s, before, after in zip(sums, first, new, strict=True):
            s.add_incoming(before, entry)
            s.add_incoming(after, loop)
        following = builder.add(k, index(1))
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
        builder.position_at_end(done)
        total = new[0]
        for s in new[1:]:
            total = builder.fadd(total, s)
        result = builder.extract_element(total, ir.IntType(32)(0))
        for lane in range(1, width):
            result = builder.fadd(result, builder.extract_element(total, ir.IntType(32)(lane)))
        return result

    return start(start, types.int64), codegen


@njit(nogil=True)
def _run(start, count):  # type: ignore[no-untyped-def]
    return chains_of_fma(start, count)


def gflops(dtype: str = "float32", seconds: float = 0.2) -> float:
    """The best of short runs within `seconds`."""
    start, count, best = np.dtype(dtype).type(0.5), 200_000, 0.0
    _run(start, 1)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        _run(start, count)
        best = max(best, 2 * CHAINS * lanes(dtype) * count / (time.perf_counter() - begin) / 1e9)
    return best


def of_cores(count: int, dtype: str = "float32", seconds: float = 0.2) -> float:
    """What so many threads give together: a core may run slower when the others work as well."""
    gflops(dtype, 0.0)
    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(lambda _: gflops(dtype, seconds), range(count)))


if __name__ == "__main__":
    print(f"{gflops():.1f} GFLOP/s in float32, {gflops('float64'):.1f} in float64")
