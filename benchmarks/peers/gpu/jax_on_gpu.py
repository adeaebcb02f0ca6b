"""JAX on the card: the CPU adapter's jitted epochs, and the better of several unrollings of the scan for each row (see the row's note).

TF32 is JAX_DEFAULT_MATMUL_PRECISION of the process. Data: on the device before the measurement.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from adapters import jax_adapter
from adapters.jax_adapter import FIXED_COST, VERSION, copies, forward
from cases import Problem, flat, weights
from worker import measure

from gpu.peers import Setting

__all__ = ["FIXED_COST", "VERSION", "Trainer", "configure", "predictors", "product", "release", "to_host"]
UNROLLS = (1, 4, 16)


def configure(setting: Setting) -> None:
    try:
        backend = jax.default_backend()
    except RuntimeError as error:
        raise ImportError(str(error).splitlines()[0]) from None
    if (backend in ("gpu", "cuda")) != (setting.device == "cuda"):
        raise ImportError(f"JAX {VERSION} computes on {backend}")


def release() -> None:
    """Nothing is kept: XLA_PYTHON_CLIENT_PREALLOCATE is false, and arrays go with the trainer."""


def to_host(answer: Any) -> np.ndarray:
    return np.asarray(answer)


def product(*_: object) -> None:
    raise NotImplementedError("products are compared with cuBLAS, through PyTorch")


class Trainer(jax_adapter.Trainer):
    def __init__(self, problem: Problem, setting: Setting) -> None:
        self.problem = problem
        super().__init__(problem, None)

    def tune(self) -> None:
        """Compile with every unrolling and keep the fastest."""
        if flat(self.problem.layers).size >= jax_adapter.LARGE or self.problem.case.steps == 1:
            return
        taken, first = {}, jax_adapter.UNROLL
        for unroll in UNROLLS:
            jax_adapter.UNROLL = unroll
            super().__init__(self.problem, None)
            self.run(1)
            taken[unroll] = min(measure(self, 1)[0] for _ in range(3)), self.epochs
        jax_adapter.UNROLL = first
        best = min(taken, key=lambda unroll: taken[unroll][0])
        self.epochs, self.note = taken[best][1], f"scan unrolled by {best}"

    def reset(self) -> None:
        super().reset()
        jax.block_until_ready((self.parameters, self.state))


def predictors(sizes: tuple[int, ...], x: np.ndarray, setting: Setting) -> dict[str, Any]:
    parameters, there = copies(weights(sizes)), jnp.array(x, copy=True)
    given = jax.jit(lambda parameters, x: forward(parameters, x)[1])
    return {
        "jit(parameters, x)": ("device", lambda: given(parameters, there).block_until_ready()),
        "jit(parameters, x), there and back": ("host", lambda: np.asarray(given(parameters, x))),
    }
