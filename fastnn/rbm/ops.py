"""The two sides of a restricted Boltzmann machine as ops, and contrastive divergence as an op whose parameters' gradient is a statistic.

v       (batch, n_visible)       visible units
h       (batch, n_hidden)        hidden units
W       (n_hidden, n_visible)    weights
b, c    (n_hidden,), (n_visible,)  biases of the hidden and of the visible units

given v   x[s,j] = sum_k W[j,k] v[s,k] + b[j]
given h   x[s,k] = sum_j W[j,k] h[s,j] + c[k]            the products of a dense layer, forward and backward
free energy  F(v) = sum_k seen(v[k], c[k]) - sum_j free(x[j], b[j]),   p(v) ~ exp(-F(v))       (units.py)
gradient of -log p, with v' after k steps of Gibbs sampling for what the model believes (Hinton, 2002):
    dC/dW = mean(h' v') - mean(h v),   dC/db = mean(h') - mean(h),   dC/dc = mean(v') - mean(v)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import CapabilityError
from fastnn.graph import Graph
from fastnn.ops.affine import FORWARD, GRADIENT_B, GRADIENT_W, TRANSPOSED
from fastnn.ops.kernel import Kernel
from fastnn.ops.op import NodeBuffers, Op, Shape, Tape
from fastnn.plan import Buffer
from fastnn.rbm.units import STREAMS, Units

__all__ = ["Conditional", "ContrastiveDivergence", "FreeEnergy", "chain"]


def scaled(i, out, a, scale):  # type: ignore[no-untyped-def]
    out[i] = scale * a[i]


def decay(i, g, W, rate):  # type: ignore[no-untyped-def]
    g[i] += rate * W[i]


def free_energy(i, F, v, x, b, c):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(v.shape[1]):
        total += seen(v[i, k], c[k])  # type: ignore[name-defined]  # noqa: F821  (the units')
    for j in range(x.shape[1]):
        total -= free(x[i, j], b[j])  # type: ignore[name-defined]  # noqa: F821
    F[i, 0] = total


SCALED = Kernel("rbm.scaled", scaled, {"out": "*", "a": "*"}, reals=("scale",), elementwise=True)
DECAY = Kernel("rbm.decay", decay, {"g": "*", "W": "*"}, reals=("rate",), elementwise=True, accumulates=True)


def _scratch(like: Buffer, name: str, n: int) -> Buffer:
    """Room for n numbers for each row of `like`, where the plan finds it: of the batch, or of the chains, which may be more or fewer."""
    return Buffer(name, "arena", (like.shape[0], n), like.dtype, batched=True)


def _given_visible(tape: Tape, x: Buffer, v: Buffer, parameters: Sequence[Buffer]) -> None:
    """x = W v + b."""
    W, b, _ = parameters
    tape.write(FORWARD, x, v, W, b)


def _given_hidden(tape: Tape, x: Buffer, h: Buffer, parameters: Sequence[Buffer]) -> None:
    """x = W^T h + c."""
    W, _, c = parameters
    tape.write(TRANSPOSED, x, h, W, c)


class _Side(Op):
    """What the ops here share: three parameters W, b, c, and no derivatives."""

    second_order = False

    def __init__(self, visible: Units, hidden: Units) -> None:
        self.visible, self.hidden = visible, hidden

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return a[0]

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        raise CapabilityError(
            f"op {self.name!r} is not for training by backpropagation",
            hint="unroll() gives a network that is",
        )


class Conditional(_Side):
    """The hidden units given the visible ones (`up`), or the other way round: means, or samples where `stream` numbers the random numbers."""

    name = "rbm_conditional"

    def __init__(self, visible: Units, hidden: Units, up: bool, stream: int | None = None) -> None:
        super().__init__(visible, hidden)
        self.up, self.stream = up, stream

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return (parameters[0][0 if self.up else 1],)

    def kernels(self) -> tuple[Kernel, ...]:
        of = self.hidden if self.up else self.visible
        return (of.mean if self.stream is None else of.draw, FORWARD if self.up else TRANSPOSED)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        given, of = (_given_visible, self.hidden) if self.up else (_given_hidden, self.visible)
        if self.stream is None:
            given(tape, n.z, n.a[0], n.parameters)
            tape.write(of.mean, n.z, scale=1.0)
            return
        x = _scratch(n.z, f"{n.name} means", n.z.row_size)
        given(tape, x, n.a[0], n.parameters)
        tape.write(of.draw, n.z, x, scale=1.0, stream=self.stream)


class FreeEnergy(_Side):
    """F(v), a number for each sample."""

    name = "rbm_free_energy"

    def __init__(self, visible: Units, hidden: Units) -> None:
        super().__init__(visible, hidden)
        self._kernel = Kernel(
            f"rbm.free_energy_{visible.name}_{hidden.name}",
            free_energy,
            {"F": "2", "v": "2", "x": "2", "b": "1", "c": "1"},
            functions={"seen": (visible.seen, {}), "free": (hidden.free, {})},
            by_row=True,
        )

    def shape(self, a: Sequence[Shape], parameters: Sequence[Shape], **attributes: Any) -> Shape:
        return (1,)

    def kernels(self) -> tuple[Kernel, ...]:
        return (FORWARD, self._kernel)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        W, b, c = n.parameters
        x = _scratch(n.z, "messages", W.shape[0])
        tape.write(FORWARD, x, n.a[0], W, b)
        tape.write(self._kernel, n.z, n.a[0], x, b, c)


class ContrastiveDivergence(_Side):
    """z, the means of the visible units after Gibbs sampling from the batch (a reconstruction); in training, gradients are CD's statistics.

    k            steps of Gibbs sampling: CD-k
    mean_field   the visible units of the negative phase are their means, not samples
    decay        added to the gradient of W: decay W

    Where the node has a running statistic (chains, n_hidden), Gibbs sampling begins at these hidden units and leaves the new ones there: persistent CD (Tieleman, 2008).
    Then, and out of training, nothing is drawn for z: it is the mean given the means of the hidden units.
    """

    name = "contrastive_divergence"

    def __init__(
        self,
        visible: Units,
        hidden: Units,
        k: int = 1,
        mean_field: bool = False,
        decay: float = 0.0,
    ) -> None:
        super().__init__(visible, hidden)
        self.k, self.mean_field, self.decay = k, mean_field, decay

    def kernels(self) -> tuple[Kernel, ...]:
        units = (self.visible.mean, self.visible.draw, self.hidden.mean, self.hidden.draw)
        return (FORWARD, TRANSPOSED, GRADIENT_W, GRADIENT_B, SCALED, DECAY, *units)

    def forward(self, tape: Tape, n: NodeBuffers) -> None:
        v, n_hidden = n.a[0], n.parameters[0].shape[0]
        p = _scratch(v, "hidden means", n_hidden)
        _given_visible(tape, p, v, n.parameters)
        if not tape.training or n.statistics:
            tape.write(self.hidden.mean, p, scale=1.0)
            _given_hidden(tape, n.z, p, n.parameters)
            tape.write(self.visible.mean, n.z, scale=1.0)
        if not tape.training:
            return
        share = -1.0 / v.shape[0]
        if n.statistics:
            tape.write(SCALED, p, p, scale=share)
            (h,) = n.statistics
            means = _scratch(h, "chain means", v.row_size)
        else:
            h, means = _scratch(v, "hidden samples", n_hidden), n.z
            tape.write(self.hidden.draw, h, p, scale=share, stream=0)
        n.kept |= {"p": p, "v": v}
        self._sample(tape, n, h, means)

    def _sample(self, tape: Tape, n: NodeBuffers, h: Buffer, means: Buffer) -> None:
        """k steps from the hidden units h on; keeps the means of the hidden units over the number of chains, and the visible units."""
        chains, n_hidden = h.shape
        for step in range(1, self.k + 1):
            stream, last = 2 * STREAMS * step, step == self.k
            x = means if last else _scratch(h, f"visible means {step}", means.row_size)
            _given_hidden(tape, x, h, n.parameters)
            v = x
            if self.mean_field:
                tape.write(self.visible.mean, x, scale=1.0)
            else:
                v = _scratch(h, f"visible samples {step}", means.row_size)
                tape.write(self.visible.draw, v, x, scale=1.0, stream=stream)
            p = _scratch(h, f"hidden means {step}", n_hidden)
            _given_visible(tape, p, v, n.parameters)
            share = 1.0 / chains if last else 1.0
            if last and not n.statistics:
                tape.write(self.hidden.mean, p, scale=share)
            else:
                h = _scratch(h, f"hidden samples {step}", n_hidden)
                tape.write(self.hidden.draw, h, p, scale=share, stream=stream + STREAMS)
        n.kept |= {"p'": p, "v'": v}
        if n.statistics and tape.tracks:
            tape.write(SCALED, n.statistics[0], h, scale=1.0)

    def backward(self, tape: Tape, n: NodeBuffers) -> None:
        if not n.kept:
            raise CapabilityError(
                "contrastive divergence draws random numbers, so it has no objective with derivatives",
                hint="train by fit with a rule, such as sgd",
            )
        for p, v, sign in ((n.kept["p"], n.kept["v"], -1), (n.kept["p'"], n.kept["v'"], 1)):
            tape.add(GRADIENT_W, n.g[0], p, v)
            tape.add(GRADIENT_B, n.g[1], p)
            part = _scratch(v, "visible part", v.row_size)
            tape.write(SCALED, part, v, scale=sign / v.shape[0])
            tape.add(GRADIENT_B, n.g[2], part)
        if self.decay:
            tape.add(DECAY, n.g[0], n.parameters[0], rate=self.decay)


def chain(n_in: int, n_hidden: int, n_visible: int, *ops: Op) -> Graph:
    """A graph of `ops` one after the other, all with the parameters W, b, c, which lie in theta in this order."""
    graph = Graph()
    node = graph.add_input((n_in,))
    W = graph.add_parameter("W", (n_hidden, n_visible))
    b, c = graph.add_parameter("b", (n_hidden,)), graph.add_parameter("c", (n_visible,))
    for op in ops:
        node = graph.apply(op.name, op, [node], (W, b, c))
    graph.output = node
    return graph
