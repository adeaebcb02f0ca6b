"""Training of a restricted Boltzmann machine as a fit of a network of one op, contrastive divergence: any rule, any device, whole epochs in compiled calls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Loss
from fastnn.engine import CPU, Device, machine_for, plan_for
from fastnn.memory import aligned_zeros
from fastnn.network import Network
from fastnn.ops import LossOp
from fastnn.rbm.ops import ContrastiveDivergence
from fastnn.rbm.units import units
from fastnn.registry import registry

__all__ = ["RECONSTRUCTION", "Contrast", "as_network", "statistics"]

Array = NDArray[Any]


def row(z, y, delta):  # type: ignore[no-untyped-def]
    value = 0.0
    for k in range(len(z)):
        d = z[k] - y[k]
        delta[k] = 2.0 * d
        value += d * d
    return value


RECONSTRUCTION = Loss("reconstruction_error", row=row)
"""sum_k (z_k - v_k)^2, z the means of the visible units that Gibbs sampling came to: shown, not minimised."""


class Contrast:
    """The layer of one op: given v, the reconstruction of v; its gradients are CD's statistics. `chains`: how many go on from step to step, 0 for none."""

    name = "contrast"

    def __init__(
        self,
        n_hidden: int,
        visible: str = "binary",
        hidden: str = "binary",
        scale: float = 0.01,
        k: int = 1,
        mean_field: bool = False,
        decay: float = 0.0,
        chains: int = 0,
    ) -> None:
        self.n_hidden, self.visible, self.hidden, self.scale = n_hidden, visible, hidden, scale
        self.k, self.mean_field, self.decay, self.chains = k, mean_field, decay, chains

    def __call__(self, net: Any, v: Any) -> Any:
        n_visible = v.shape[0]
        first = registry.get("initializer", "normal", scale=self.scale)
        W = net.parameter("W", (self.n_hidden, n_visible), first)
        b, c = net.parameter("b", (self.n_hidden,)), net.parameter("c", (n_visible,))
        chains = (net.statistic("chains", (self.chains, self.n_hidden)),) if self.chains else ()
        op = ContrastiveDivergence(
            units(self.visible), units(self.hidden), self.k, self.mean_field, self.decay
        )
        return net.op(op, v, parameters=(W, b, c), statistics=chains)


def as_network(n_visible: int, layer: Contrast, seed: int, dtype: str) -> Network:
    """The network whose fit trains the machine; its theta is W, b, c."""
    net = Network(n_visible, seed=seed, dtype=dtype)
    net.output = net.apply("rbm", layer, net.input)
    return net


def statistics(net: Network, X: Array, seed: int, threads: int | None = None, device: Device = CPU) -> Array:
    """The gradient that one step of a fit would take with X as its batch, as a vector in the order of theta."""
    op = LossOp(RECONSTRUCTION, "row")
    plan = plan_for(device, net.graph, len(X), net.dtype, "gradient", loss=op, training=True)
    machine = machine_for(device, plan, None, threads)
    g = aligned_zeros(net.theta.size, net.dtype)
    for name, array in {"theta": net.theta, "g": g, "X": X, "y": X, "statistics": net.running}.items():
        machine.bind(name, array)
    machine.seed(seed)
    machine.run_steps(0, np.zeros(1), 0)
    machine.fetch("g")
    return g
