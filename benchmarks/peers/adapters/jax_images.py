"""JAX on LeNet-5, in the faster of two ways, which is tried before the measurement; parameters are donated.

    steps    each step is a jitted call, with XLA's convolution
    scan     an epoch is a jitted call, lax.scan over the batches, and a convolution is a product with patches

XLA's convolution is slow inside of a loop on a processor: seconds of the processor for a sample at batch 64, one thread, were 467 us with it in a scan, 139 us
in single steps; with patches 197 and 230 us. Channels are innermost, as XLA likes them on a processor. The largest of 2 x 2 is taken
over two axes of a reshaped image: reduce_window took 483 and 172 us.
"""

from __future__ import annotations

import time

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


def convolution(x, W):
    return jax.lax.conv_general_dilated(x, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def by_patches(x, W):
    n, height, width, channels = x.shape
    k, _, _, n_out = W.shape
    u, v = height - k + 1, width - k + 1
    patches = jnp.stack([x[:, p : p + u, q : q + v] for p in range(k) for q in range(k)], 3)
    return (patches.reshape(n * u * v, k * k * channels) @ W.reshape(-1, n_out)).reshape(n, u, v, n_out)


def block(convolve, x, W, b):
    z = convolve(x, W) + b
    n, height, width, channels = z.shape
    return jax.nn.relu(z).reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))


def loss(w, x, y, convolve):
    x = block(convolve, block(convolve, x, w[0], w[1]), w[2], w[3]).reshape(x.shape[0], -1)
    x = jax.nn.relu(x @ w[4].T + w[5])
    x = jax.nn.relu(x @ w[6].T + w[7])
    return -jnp.take_along_axis(jax.nn.log_softmax(x @ w[8].T + w[9]), y[:, None], 1).mean()


def step(w, state, x, y, convolve):
    return jax_adapter.adam(SETTINGS, w, state, jax.grad(loss)(w, x, y, convolve))


class LeNet:
    def __init__(self, X: np.ndarray, y: np.ndarray, batch: int, threads: int | None) -> None:
        steps = len(X) // batch
        X, y = jnp.asarray(X.reshape(steps, batch, 28, 28, 1)), jnp.asarray(y.reshape(steps, batch))
        batches = list(zip(X, y, strict=True))
        one = jax.jit(lambda w, state, x, y: step(w, state, x, y, convolution), donate_argnums=(0, 1))

        def scan(w, state, X, y):
            def following(carry, data):
                return step(*carry, *data, by_patches), None

            return jax.lax.scan(following, (w, state), (X, y))[0]

        def in_steps(w, state):
            for x, labels in batches:
                w, state = one(w, state, x, labels)
            return w, state

        scanned = jax.jit(scan, donate_argnums=(0, 1))
        ways = {"steps": in_steps, "scan": lambda w, state: scanned(w, state, X, y)}
        taken = {}
        for name, self.epoch in ways.items():
            self.reset()
            self.run(1)  # compiles
            taken[name] = min(self._seconds() for _ in range(3))
        self.way = min(taken, key=lambda name: taken[name])
        self.epoch = ways[self.way]
        self.reset()

    def reset(self) -> None:
        self.w = [jnp.array(x, copy=True) for x in to_jax(lenet_weights())]
        self.state = jax_adapter.first_state("adam", self.w)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            self.w, self.state = self.epoch(self.w, self.state)
        jax.block_until_ready(self.w)

    def _seconds(self) -> float:
        start = time.perf_counter()
        self.run(1)
        return time.perf_counter() - start

    def theta(self) -> np.ndarray:
        return np.concatenate([x.ravel() for x in from_jax(self.w)])
