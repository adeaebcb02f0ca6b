"""The three matrix products of a dense layer, n inputs, n outputs, n rows: seconds of the plan's instruction alone, one thread."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import fastnn as fnn
from fastnn.cpu import Machine

from .cases import ONE_THREAD

PRODUCTS = ("forward", "backward", "gradient_W")


@cache
def machine(product: str, n: int, dtype: str) -> Machine:
    """It runs the instruction, and nothing else."""
    # two layers: a gradient with respect to the data is never asked for
    net = fnn.Network(n, [fnn.Dense(n), fnn.Dense(n)], seed=0, dtype=dtype)
    plan = net.plan(batch=n, mode="gradient", loss="squared_error")
    found = [i for i in plan.instructions if i.kernel.name == f"affine.{product}"]
    if not found:
        raise NotImplementedError("this version has another name for the instruction")
    ready = Machine(replace(plan, instructions=found[:1]), threads=1)
    random = np.random.default_rng(0)
    arrays = {"theta": net.theta, "g": np.zeros_like(net.theta)}
    for name in ("X", "y"):
        arrays[name] = random.standard_normal((n, n)).astype(dtype)
    for name, array in arrays.items():
        ready.bind(name, array)
    ready.run()
    return ready


class Products:
    params = (list(PRODUCTS), [16, 64, 256, 1024], ["float32", "float64"])
    param_names = ("product", "n", "dtype")
    version = "1"
    timer = ONE_THREAD

    def setup(self, product: str, n: int, dtype: str) -> None:
        self.machine = machine(product, n, dtype)
        self.calls = max(1, 2**24 // n**3)

    def time_product(self, product: str, n: int, dtype: str) -> None:
        """16 to 1024: as many products as make 2^24 multiplications and additions, at least one."""
        for _ in range(self.calls):
            self.machine.run()
