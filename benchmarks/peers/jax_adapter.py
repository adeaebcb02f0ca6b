"""One training step in JAX: the whole epoch is one jitted lax.scan with donated buffers, gradients written by hand.

What was tried on one thread, and the fastest kept (2-8-2, 8-32-32-2, 64-64-10, 784-30-10, 784-128-10 with SGD, us):
gradients by hand 2.6, 8.4, 19, 18.5, 202 against jax.value_and_grad 3.3, 9.1, 20, 19, 207; scan unrolled by 4 (by 1:
2.7, 8.5, 20, 18.5) but not for the last, 220 against 202; W stored (n_out, n_in) against (n_in, n_out), which takes 29
us for 784-30-10; Eigen's thread pool off against on (2.6 against 3.3 us for 2-8-2). Labels come as one-hot rows, made
before the measurement.
"""

from __future__ import annotations

import os

import numpy as np

if os.environ.get("OMP_NUM_THREADS") == "1":  # the flag is read when jax is imported
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
from cases import EPSILON, ETA, Case, data, flat, weights

VERSION = jax.__version__
FIXED_COST = False
UNROLL = 4
LARGE = 50_000  # parameters from which unrolling makes it slower


def gradient(parameters, x, y):
    """Mean softmax cross-entropy of a batch, and its gradient by back-propagation."""
    activations = [x]
    for W, b in parameters[:-1]:
        activations.append(jnp.maximum(activations[-1] @ W.T + b, 0))
    W, b = parameters[-1]
    z = activations[-1] @ W.T + b
    top = jnp.max(z, axis=1, keepdims=True)
    e = jnp.exp(z - top)
    total = jnp.sum(e, axis=1, keepdims=True)
    loss = jnp.mean(jnp.log(total[:, 0]) + top[:, 0] - jnp.sum(z * y, axis=1))
    delta = (e / total - y) / x.shape[0]
    gradients = []
    for layer in range(len(parameters) - 1, -1, -1):
        gradients.append((delta.T @ activations[layer], jnp.sum(delta, axis=0)))
        if layer:
            delta = jnp.where(activations[layer] > 0, delta @ parameters[layer][0], 0)
    return loss, gradients[::-1]


def sgd(parameters, state, gradients):
    return jax.tree.map(lambda w, g: w - ETA * g, parameters, gradients), state


def adagrad(parameters, state, gradients):
    state = jax.tree.map(lambda total, g: total + g * g, state, gradients)
    step = jax.tree.map(
        lambda w, g, total: w - ETA * g / (jnp.sqrt(total) + EPSILON), parameters, gradients, state
    )
    return step, state


class Adapter:
    def __init__(self, case: Case, optimizer: str, threads: int) -> None:
        rule = {"sgd": sgd, "adagrad": adagrad}[optimizer]
        X, y = data(case)
        one_hot = np.eye(case.sizes[-1], dtype=np.float32)[y]
        self.X = jnp.asarray(X.reshape(case.steps, case.batch, -1))
        self.Y = jnp.asarray(one_hot.reshape(case.steps, case.batch, -1))
        self.start, self.stateful = weights(case), optimizer == "adagrad"
        unroll = UNROLL if flat(self.start).size < LARGE else 1

        def step(carry, batch):
            parameters, state = carry
            loss, gradients = gradient(parameters, *batch)
            return rule(parameters, state, gradients), loss

        def epoch(parameters, state, X, Y):
            (parameters, state), losses = jax.lax.scan(step, (parameters, state), (X, Y), unroll=unroll)
            return parameters, state, jnp.mean(losses)

        self.epoch = jax.jit(epoch, donate_argnums=(0, 1))
        self.reset()

    def reset(self) -> None:
        # copies: donated buffers must not be NumPy's memory
        self.parameters = [(jnp.array(W, copy=True), jnp.array(b, copy=True)) for W, b in self.start]
        self.state = jax.tree.map(jnp.zeros_like, self.parameters) if self.stateful else ()

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            self.parameters, self.state, loss = self.epoch(self.parameters, self.state, self.X, self.Y)
        jax.block_until_ready((self.parameters, loss))

    def theta(self) -> np.ndarray:
        return flat(self.parameters)
