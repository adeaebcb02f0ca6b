"""JAX on LeNet-5: an epoch is one jitted call, lax.scan over the batches, parameters donated.

Channels are innermost, as XLA likes them on a processor. The largest of 2 x 2 is taken over two axes of a reshaped image: its gradient is
cheaper than that of reduce_window.
"""

from __future__ import annotations

import numpy as np

from adapters import jax_adapter  # sets XLA's flags before the import

import jax  # isort: skip
import jax.numpy as jnp  # isort: skip
from images import BETA1, BETA2, EPSILON, ETA, lenet_weights  # isort: skip

SETTINGS = {"eta": ETA, "beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON}
Weights = list[np.ndarray]


def to_jax(weights: Weights) -> Weights:
    """Kernels as (height, width, in, out); what follows the images reads their channels last."""
    w = [np.array(x) for x in weights]
    w[0], w[2] = (w[k].transpose(2, 3, 1, 0) for k in (0, 2))
    w[4] = w[4].reshape(120, 16, 4, 4).transpose(0, 2, 3, 1).reshape(120, 256)
    return w


def from_jax(weights: Weights) -> Weights:
    w = [np.array(x) for x in weights]
    w[0], w[2] = (w[k].transpose(3, 2, 0, 1) for k in (0, 2))
    w[4] = w[4].reshape(120, 4, 4, 16).transpose(0, 3, 1, 2).reshape(120, 256)
    return w


def block(x, W, b):
    z = jax.lax.conv_general_dilated(x, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    n, height, width, channels = z.shape
    return jax.nn.relu(z + b).reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


def loss(w, x, y):
    x = block(block(x, w[0], w[1]), w[2], w[3]).reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ w[4].T + w[5])
    x = jax.nn.relu(x @ w[6].T + w[7])
    return -jnp.take_along_axis(jax.nn.log_softmax(x @ w[8].T + w[9]), y[:, None], 1).mean()


class LeNet:
    def __init__(self, X: np.ndarray, y: np.ndarray, batch: int, threads: int | None) -> None:
        steps = len(X) // batch
        self.X, self.y = jnp.asarray(X.reshape(steps, batch, 28, 28, 1)), jnp.asarray(y.reshape(steps, batch))

        def step(carry, data):
            w, state = carry
            return jax_adapter.adam(SETTINGS, w, state, jax.grad(loss)(w, *data)), None

        self.epoch = jax.jit(
            lambda w, state, X, y: jax.lax.scan(step, (w, state), (X, y))[0], donate_argnums=(0, 1)
        )
        self.reset()

    def reset(self) -> None:
        self.w = [jnp.array(x, copy=True) for x in to_jax(lenet_weights())]
        self.state = jax_adapter.first_state("adam", self.w)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            self.w, self.state = self.epoch(self.w, self.state, self.X, self.y)
        jax.block_until_ready(self.w)

    def theta(self) -> np.ndarray:
        return np.concatenate([x.ravel() for x in from_jax(self.w)])
