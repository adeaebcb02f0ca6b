"""One kernel of the library, run as a plan of one instruction: what losses and optimizers are without a network around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cpu import Machine
from fastnn.graph import Graph
from fastnn.ops import Kernel
from fastnn.plan import Buffer, Plan
from fastnn.plan.instruction import Instruction

__all__ = ["run_kernel"]

Array = NDArray[Any]


def run_kernel(
    kernel: Kernel, arrays: Mapping[str, Array], settings: Mapping[str, float], *, eta: float = 0.0, step: int = 0
) -> None:  # fmt: skip
    """Run the kernel on arrays by the names of its arguments, in place; `eta` and `step` are what a running fit would say."""
    first = arrays[kernel.result]
    dtype = first.dtype.name
    buffers = {
        name: Buffer(name, name, arrays[name].shape, arrays[name].dtype.name, batched=False)
        for name in kernel.arrays
    }
    instruction = Instruction(kernel, list(buffers.values()), dict(settings), False, kernel.name)
    plan = Plan(Graph(), len(first), dtype, "value", [instruction], 0, buffers)
    machine = Machine(plan)
    for name in kernel.arrays:
        machine.bind(name, arrays[name])
    machine.run_steps(0, np.array([eta]), step)
