"""JAX: any number of epochs is one jitted call (fori_loop around lax.scan), buffers donated, gradients written by hand.

What was tried on one thread, and the fastest kept (2-8-2, 8-32-32-2, 64-64-10, 784-30-10, 784-128-10 with SGD, us):
gradients by hand 2.6, 8.4, 19, 18.5, 202 against jax.value_and_grad 3.3, 9.1, 20, 19, 207; scan unrolled by 4 (by 1:
2.7, 8.5, 20, 18.5) but not for the last, 220 against 202; W stored (n_out, n_in) against (n_in, n_out), which takes 29
us for 784-30-10; Eigen's thread pool off against on (2.6 against 3.3 us for 2-8-2). Labels come as one-hot rows, made
before the measurement. All parameters in one flat vector, on a busy machine: 18 against 12 us for 8-32-32-2 with SGD, 20 against 20
with Adam.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

if os.environ.get("OMP_NUM_THREADS") == "1":  # the flag is read when jax is imported
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
from cases import Problem, flat, weights

VERSION = jax.__version__
FIXED_COST = False
UNROLL = 4
LARGE = 50_000  # parameters from which unrolling makes it slower


def forward(parameters, x, hidden="relu"):
    """Activations of all layers, the input first, and the outputs."""
    activations = [x]
    for W, b in parameters[:-1]:
        z = activations[-1] @ W.T + b
        activations.append(jnp.maximum(z, 0) if hidden == "relu" else jnp.tanh(z))
    W, b = parameters[-1]
    return activations, activations[-1] @ W.T + b


def gradient(parameters, x, y, hidden="relu", loss="cross_entropy"):
    """Mean loss of a batch, and its gradient by back-propagation."""
    activations, z = forward(parameters, x, hidden)
    if loss == "cross_entropy":
        top = jnp.max(z, axis=1, keepdims=True)
        e = jnp.exp(z - top)
        total = jnp.sum(e, axis=1, keepdims=True)
        value = jnp.mean(jnp.log(total[:, 0]) + top[:, 0] - jnp.sum(z * y, axis=1))
        delta = (e / total - y) / x.shape[0]
    else:
        value = jnp.sum((z - y) ** 2) / (2 * x.shape[0])
        delta = (z - y) / x.shape[0]
    gradients = []
    for layer in range(len(parameters) - 1, -1, -1):
        a = activations[layer]
        gradients.append((delta.T @ a, jnp.sum(delta, axis=0)))
        if layer:
            below = delta @ parameters[layer][0]
            delta = jnp.where(a > 0, below, 0) if hidden == "relu" else below * (1 - a * a)
    return value, gradients[::-1]


def sgd(s, parameters, state, gradients):
    return jax.tree.map(lambda w, g: w - s["eta"] * g, parameters, gradients), state


def adam(s, parameters, state, gradients):
    mean, square, t = state
    beta1, beta2 = s["beta1"], s["beta2"]
    t = t + 1
    mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, mean, gradients)
    square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, square, gradients)
    scale, root = s["eta"] / (1 - beta1**t), 1 / jnp.sqrt(1 - beta2**t)
    step = jax.tree.map(
        lambda w, m, v: w - scale * m / (jnp.sqrt(v) * root + s["epsilon"]), parameters, mean, square
    )
    return step, (mean, square, t)


def adagrad(s, parameters, state, gradients):
    state = jax.tree.map(lambda total, g: total + g * g, state, gradients)
    step = jax.tree.map(
        lambda w, g, total: w - s["eta"] * g / (jnp.sqrt(total) + s["epsilon"]), parameters, gradients, state
    )
    return step, state


def first_state(optimizer, parameters):
    if optimizer == "sgd":
        return ()
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]  # donated: each its own memory
    return (*zeros, jnp.zeros((), jnp.float32)) if optimizer == "adam" else zeros[0]


def copies(layers):
    """As JAX's own arrays: donated buffers must not be NumPy's memory."""
    return [(jnp.array(W, copy=True), jnp.array(b, copy=True)) for W, b in layers]


class Trainer:
    note = ""

    def __init__(self, problem: Problem, threads: int | None) -> None:
        rule = {"sgd": sgd, "adam": adam, "adagrad": adagrad}[problem.optimizer]
        case, X, y = problem.case, problem.X, problem.y
        Y = y if case.loss == "squared_error" else np.eye(case.sizes[-1], dtype=np.float32)[y]
        self.X, self.Y = (jnp.asarray(part.reshape(case.steps, case.batch, -1)) for part in (X, Y))
        self.start, self.optimizer = problem.layers, problem.optimizer
        unroll = min(UNROLL if flat(self.start).size < LARGE else 1, case.steps)

        def step(carry, batch):
            parameters, state = carry
            loss, gradients = gradient(parameters, *batch, case.hidden, case.loss)
            return rule(problem.settings, parameters, state, gradients), loss

        def run(parameters, state, X, Y, epochs):
            def epoch(_, carry):
                carry, losses = jax.lax.scan(step, carry[:2], (X, Y), unroll=unroll)
                return *carry, jnp.mean(losses)

            return jax.lax.fori_loop(0, epochs, epoch, (parameters, state, jnp.float32(0)))

        def ordered(parameters, state, X, Y, order):
            X, Y = (part.reshape(case.samples, -1) for part in (X, Y))
            gather = lambda carry, rows: step(carry, (X[rows], Y[rows]))
            carry, losses = jax.lax.scan(gather, (parameters, state), order, unroll=unroll)
            return *carry, jnp.mean(losses)

        self.epochs, self.ordered = (jax.jit(f, donate_argnums=(0, 1)) for f in (run, ordered))
        self.outputs = jax.jit(lambda parameters, x: forward(parameters, x, case.hidden)[1])
        self.order_shape = case.steps, case.batch
        self.reset()

    def reset(self) -> None:
        self.parameters = copies(self.start)
        self.state = first_state(self.optimizer, self.parameters)

    def run(self, epochs: int) -> None:
        self.parameters, self.state, loss = self.epochs(self.parameters, self.state, self.X, self.Y, epochs)
        jax.block_until_ready((self.parameters, loss))

    def epoch(self, order: np.ndarray) -> None:
        rows = jnp.asarray(order.reshape(self.order_shape), jnp.int32)
        self.parameters, self.state, _ = self.ordered(self.parameters, self.state, self.X, self.Y, rows)

    def classes(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.outputs(self.parameters, X)).argmax(1)

    def theta(self) -> np.ndarray:
        return flat([(np.asarray(W), np.asarray(b)) for W, b in self.parameters])


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], jax.Array]]:
    parameters, rows = copies(weights(sizes)), jnp.array(x, copy=True)
    given = jax.jit(lambda parameters, x: forward(parameters, x)[1])
    fixed = jax.jit(lambda x: forward(parameters, x)[1])
    return {
        "jit(parameters, x)": lambda: given(parameters, rows).block_until_ready(),
        "jit(x), weights built in": lambda: fixed(rows).block_until_ready(),
    }
