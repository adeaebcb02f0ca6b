"""From a graph to a plan: walks the graph forward and back while its ops write instructions.

    infer      forward                                                            out
    value      forward, loss                                                      out, total
    gradient   forward, loss, backward, gradients                                 total, g
    hvp        the same with tangents along v (R-operator; Pearlmutter, 1994)     total, g, hv

Gradients of parameters come last, so that a team of threads meets once before all of them and not once a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from fastnn.errors import CapabilityError, PluginError
from fastnn.graph import Graph, Node, Parameter
from fastnn.ops import data
from fastnn.ops.join import ACCUMULATE
from fastnn.ops.kernel import Kernel
from fastnn.ops.loss import LossOp
from fastnn.ops.op import NodeBuffers
from fastnn.plan.buffer import STATISTICS, Buffer
from fastnn.plan.instruction import Instruction, Plan
from fastnn.plan.layout import mark_meetings, place_buffers
from fastnn.plan.shares import make_private, mark_bands, mark_channels, mark_columns
from fastnn.plan.winograd import with_winograd

__all__ = ["MODES", "build_plan"]

APART = 65_536
"""Parameters from which each is updated after its own gradient; below, one instruction for all costs less."""
MODES = ("infer", "value", "gradient", "hvp")


def build_plan(
    graph: Graph,
    batch: int,
    dtype: str,
    mode: str = "infer",
    *,
    loss: LossOp | None = None,
    training: bool = False,
    gather: bool = False,
    weighted: bool = False,
    update: tuple[Kernel, dict[str, float]] | None = None,
    link: Kernel | None = None,
    team: bool = True,
) -> Plan:
    """The plan of `graph` for `batch` rows.

    `training`: dropout and its like are on, and auxiliary losses count. `gather`: rows of X and y come in the order of an epoch; else X and y are the batch.
    `weighted`: samples have weights (of mean 1). `update`: the optimizer's kernel and settings, as the last instruction; running statistics move too.
    `link`: what predict() shows of the output, written to `out` (infer only; without it, `out` is the raw output).
    `team`: for threads of a CPU, who deal out the work as shares.py says; else every parameter is updated right after its own gradient.
    """
    builder = _Builder(graph, batch, dtype, mode, loss, training, gather, weighted)
    builder.link, builder.team, builder.tracks = link, team, update is not None
    return builder.build(update)


class _Builder:
    """The tape that ops write to."""

    def __init__(
        self,
        graph: Graph,
        batch: int,
        dtype: str,
        mode: str,
        loss: LossOp | None,
        training: bool,
        gather: bool,
        weighted: bool,
    ) -> None:
        assert mode in MODES and (mode == "infer") == (loss is None) and graph.output is not None
        self.graph, self.batch, self.dtype, self.mode = graph, batch, dtype, mode
        self.loss, self.training, self.gather, self.weighted = loss, training, gather, weighted
        self.output: Node = graph.output
        self.backward = mode in ("gradient", "hvp")
        self.auxiliary = graph.auxiliary if training and mode == "gradient" else ()
        self.nodes = graph.needed(bool(self.auxiliary))
        self.instructions: list[Instruction] = []
        self.gradients: list[Instruction] = []
        self.tracked: list[Instruction] = []
        self.externals: dict[str, Buffer] = {}
        self.views: dict[tuple[str, str], Buffer] = {}
        self.values: dict[int, Buffer] = {}
        self.tangents: dict[int, Buffer] = {}
        self.deltas: dict[int, Buffer] = {}
        self.ddeltas: dict[int, Buffer] = {}
        self.bound: dict[int, NodeBuffers] = {}
        self.label = ""
        self.link: Kernel | None = None
        self.team, self.tracks = True, False
        self.losses: list[Buffer] = []
        self.readers = {n.index: sum(m.inputs.count(n) for m in self.nodes) for n in self.nodes}
        for node in (self.output, *(node for node, _ in self.auxiliary)):
            self.readers[node.index] += 1
        self.moving: set[int] = set()
        for node in self.nodes:
            if node.parameters or any(m.index in self.moving for m in node.inputs):
                self.moving.add(node.index)

    # ---- what ops call
    def write(self, kernel: Kernel, out: Buffer, *operands: Buffer, **settings: float) -> None:
        """out = kernel(operands)."""
        self._emit(kernel, [out, *operands], settings, accumulate=False)

    def add(self, kernel: Kernel, slot: Buffer | None, *operands: Buffer, **settings: float) -> None:
        """slot += kernel(operands); the first to add overwrites, and a kernel that can only overwrite goes through a buffer of its own."""
        if slot is None:
            return
        if slot.written and not kernel.accumulates:
            separate = self._arena(f"{slot.name} part", slot.shape, batched=slot.batched)
            self._emit(kernel, [separate, *operands], settings, accumulate=False)
            kernel, operands, settings = ACCUMULATE, (separate,), {}
        self._emit(kernel, [slot, *operands], settings, accumulate=slot.written)

    def _emit(
        self, kernel: Kernel, operands: list[Buffer], settings: dict[str, float], accumulate: bool
    ) -> None:
        if len(operands) != len(kernel.arrays):
            raise PluginError(
                f"kernel {kernel.name!r} of node {self.label!r} has {len(kernel.arrays)} arrays",
                got=f"{len(operands)} operands",
                expected=", ".join(kernel.arrays),
            )
        instruction = Instruction(kernel, operands, settings, accumulate, self.label)
        operands[0].written = True
        for extra in operands[1 : 1 + kernel.extra_results]:
            extra.written = True
        # gradients come last; statistics after what checks that the loss is finite
        where = {"g": self.gradients, "hv": self.gradients, STATISTICS: self.tracked}
        where.get(operands[0].space, self.instructions).append(instruction)

    # ---- the walk
    def build(self, update: tuple[Kernel, dict[str, float]] | None) -> Plan:
        self._input()
        self._forward()
        if self.mode == "hvp":
            self._tangent()
        if self.loss is not None:
            self._loss(self.loss)
        if self.mode in ("gradient", "hvp"):
            self._backward()
        if update is None:
            self.instructions += self.gradients
        else:
            self._update(*update)
        private = 0
        if self.team:
            self.instructions = with_winograd(self.instructions)
            mark_columns(self.instructions)
            mark_channels(self.instructions)
            private = make_private(self.instructions)
        arena = place_buffers(self.instructions)
        if self.team:
            mark_meetings(self.instructions)
            mark_bands(self.instructions)
        return Plan(
            self.graph, self.batch, self.dtype, self.mode, self.instructions, arena, self.externals, private
        )

    def _input(self) -> None:
        shape = (self.batch, *self.graph.input.shape)
        if not self.gather:
            self.values[0] = self._external("X", shape)
            return
        self.label, order = "batch", self._external("order", (-1,), "int64")
        self.values[0] = self._arena("input", shape)
        rows = self.values[0].view((self.batch, prod(shape[1:])))
        self.write(data.GATHER_ROWS, rows, self._external("X", (-1, rows.row_size)), order)

    def _forward(self) -> None:
        for node in self.nodes:
            if node.op is None:
                continue
            self.label = node.name
            a = [self.values[m.index] for m in node.inputs]
            parameters = [self._flat(p, "theta") for p in node.parameters]
            self.values[node.index] = z = self._value(node, a)
            n = NodeBuffers(node.name, z, a, parameters, dict(node.attributes))
            n.statistics = [self._flat(s, STATISTICS) for s in node.statistics]
            self.bound[node.index] = n
            node.op.forward(self, n)
            _check_written(node, "forward", "n.z", [] if node.op.is_view else [n.z])
        result = self.values[self.output.index]
        if self.link is not None:
            self.write(self.link, self._external("out", result.shape), result)
        elif self.mode in ("infer", "value") and result.space != "out":
            self.add(ACCUMULATE, self._external("out", result.shape), result)

    def _value(self, node: Node, a: list[Buffer]) -> Buffer:
        """Where a node's output lies: with its input, where that is allowed, else in a buffer of its own."""
        assert node.op is not None
        shape = (self.batch, *node.shape)
        if node.op.is_view:
            return a[0].view(shape)
        if self.mode in ("infer", "value") and node is self.output and self.link is None:
            return self._external("out", shape)
        in_place = (
            self.mode != "hvp"
            and node.op.overwrites_input(self.mode == "gradient")
            and a[0].space == "arena"
            and self._sole_reader(node.inputs[0])
        )
        return a[0].view(shape) if in_place else self._arena(node.name, shape)

    def _sole_reader(self, node: Node) -> bool:
        """Whether nobody but its one consumer reads what `node` put in memory, backward passes and views included."""
        if self.readers[node.index] != 1 or node.op is None:
            return False
        if node.op.is_view:
            return self._sole_reader(node.inputs[0])
        return self.mode != "gradient" or not node.op.reads_output

    def _tangent(self) -> None:
        for node in self.nodes:
            if node.op is None or node.index not in self.moving:
                continue
            self.label = f"{node.name} tangent"
            n = self.bound[node.index]
            n.da = [self.tangents.get(m.index) for m in node.inputs]
            n.dparameters = [self._flat(p, "v") for p in node.parameters]
            if node.op.is_view:
                n.dz = n.da[0].view(n.z.shape)
                n.dz.written = True
            else:
                n.dz = self._arena(f"{node.name} dz", n.z.shape)
                if len(n.da) > 1 and None in n.da:
                    self.write(data.ZERO, n.dz)
                node.op.tangent(self, n)
            self.tangents[node.index] = n.dz

    def _loss(self, loss: LossOp) -> None:
        self.label = f"loss {loss.loss.name}"
        z = self.values[self.output.index]
        y, weights = self._targets(loss.kind, z.shape)
        scale = 1.0 / self.batch
        for node, share in ((self.output, 1.0), *self.auxiliary):
            losses = self._arena("losses", (self.batch,))
            delta = self._arena("delta", z.shape)
            self.write(loss.value, delta, losses, self.values[node.index], y, weights, scale=share * scale)
            self.losses.append(losses)
            if self.deltas.setdefault(node.index, delta) is not delta:  # two losses of one node
                self.add(ACCUMULATE, self.deltas[node.index], delta)
        if self.mode == "hvp":
            dz = self.tangents.get(self.output.index)
            if dz is None:
                raise CapabilityError(
                    "the output depends on no parameter, so the loss has no second derivative"
                )
            ddelta = self._arena("ddelta", z.shape)
            self.write(loss.curvature, ddelta, z, y, dz, weights, scale=scale)
            self.ddeltas[self.output.index] = ddelta
        total = self._external("total", (1,), "float64")
        for losses in self.losses:
            self.gradients.append(Instruction(data.COLLECT, [total, losses], {}, True, self.label))

    def _targets(self, kind: str, output_shape: tuple[int, ...]) -> tuple[Buffer, Buffer]:
        """Targets and weights of the batch, gathered where rows come in the order of an epoch."""
        row = output_shape[1:] if kind == "row" else ()
        dtype = self.dtype if kind == "row" else "int64"
        if not self.weighted:
            weights = self._external("ones", (self.batch,))
        elif not self.gather:
            weights = self._external("weights", (self.batch,))
        else:
            weights = self._arena("batch weights", (self.batch,))
            self.write(
                data.GATHER_NUMBERS, weights, self._external("weights", (-1,)), self.externals["order"]
            )
        if not self.gather:
            return self._external("y", (self.batch, *row), dtype), weights
        y = self._arena("targets", (self.batch, *row), dtype)
        kernel = data.GATHER_ROWS if kind == "row" else data.GATHER_CLASSES
        self.write(kernel, y, self._external("y", (-1, *row), dtype), self.externals["order"])
        return y, weights

    def _backward(self) -> None:
        for node in reversed(self.nodes):
            delta = self.deltas.get(node.index)
            if node.op is None or delta is None or node.index not in self.moving:
                continue
            n = self.bound[node.index]
            self.label = f"{node.name} backward"
            n.delta, n.g = delta, [self._flat(p, "g") for p in node.parameters]
            if self.mode == "hvp":  # before backward: with tangents, delta is still needed
                n.ddelta, n.dg = self.ddeltas[node.index], [self._flat(p, "hv") for p in node.parameters]
                n.dd_a = self._slots(node, self.ddeltas, n.ddelta)
                node.op.backward_tangent(self, n)
            n.d_a = self._slots(node, self.deltas, n.delta)
            node.op.backward(self, n)
            _check_written(node, "backward", "n.d_a", [slot for slot in n.d_a if slot is not None])
        for parameter in self.graph.parameters.values():
            for space in ("g", "hv") if self.mode == "hvp" else ("g",):
                unused = self._flat(parameter, space)
                if not unused.written:
                    self.label = parameter.name
                    self.write(data.ZERO, unused.view((unused.size,)))

    def _update(self, kernel: Kernel, settings: dict[str, float]) -> None:
        """The rule, on all parameters at once, or, where they are many, on each after its gradient: what a thread has computed it updates itself."""
        n = self.graph.n_parameters
        states = list(kernel.arrays)[2:]
        for name in states:
            self._external(name, (n,))
        for losses in self.losses:
            bad = self._external("bad", (1,), "int64")
            self.instructions.append(Instruction(data.CHECK, [bad, losses], {}, False, "loss", each=True))
        for instruction in self.tracked:
            instruction.checks = True
        self.instructions += self.tracked

        def update(shape: tuple[int, ...], offset: int, name: str) -> None:
            operands = [
                Buffer(name, space, shape, self.dtype, batched=False, offset=offset)
                for space in ("theta", "g", *states)
            ]
            self.instructions.append(
                Instruction(kernel, operands, settings, False, f"{name} update".lstrip(), checks=True)
            )

        if self.team and n < APART:
            self.instructions += self.gradients
            update((n,), 0, "")
            return
        self.instructions += [i for i in self.gradients if i.result.space != "g"]
        for parameter in self.graph.parameters.values():
            here = parameter.offset
            self.instructions += [
                i for i in self.gradients if i.result.space == "g" and i.result.offset == here
            ]
            update(parameter.shape, here, parameter.name)

    def _slots(self, node: Node, deltas: dict[int, Buffer], delta: Buffer) -> list[Buffer | None]:
        """For every input, where its gradient is added; None where nobody wants it."""
        assert node.op is not None
        slots: list[Buffer | None] = []
        for m in node.inputs:
            if m.index not in self.moving:
                slots.append(None)
                continue
            slot = deltas.get(m.index)
            if slot is None:
                shape = (self.batch, *m.shape)
                alone = self.readers[m.index] == 1
                in_place = (
                    node.op.backward_in_place and not node.parameters
                )  # gradients, which come last, read delta
                if alone and (node.op.is_view or (in_place and self.mode != "hvp")):
                    slot = delta.view(shape)
                    slot.written = node.op.is_view
                else:
                    slot = self._arena(f"{m.name} delta", shape)
                deltas[m.index] = slot
            if node.op.is_view and slot.root is not delta.root:
                self.add(ACCUMULATE, slot, delta)
            slots.append(slot)
        return slots

    # ---- buffers
    def room(self, name: str, shape: tuple[int, ...], batched: bool = True) -> Buffer:
        """Memory that an op keeps numbers in."""
        return self._arena(
            f"{self.label} {name}", (self.batch, *shape) if batched else shape, batched=batched
        )

    def _arena(
        self, name: str, shape: tuple[int, ...], dtype: str | None = None, batched: bool = True
    ) -> Buffer:
        return Buffer(name, "arena", shape, dtype or self.dtype, batched=batched)

    def _external(self, name: str, shape: tuple[int, ...], dtype: str | None = None) -> Buffer:
        if name not in self.externals:
            batched = shape[0] == self.batch and name in ("X", "y", "out", "weights")
            self.externals[name] = Buffer(name, name, shape, dtype or self.dtype, batched=batched)
        return self.externals[name]

    def _flat(self, parameter: Parameter, space: str) -> Buffer:
        """The parameter's (or statistic's) view of a flat vector; one object for each, so that all see whether it was written."""
        if space == STATISTICS:
            self._external(space, (self.graph.n_statistics,))
        key = (space, parameter.name)
        if key not in self.views:
            self.views[key] = Buffer(
                parameter.name, space, parameter.shape, self.dtype, batched=False, offset=parameter.offset
            )
        return self.views[key]


def _check_written(node: Node, method: str, name: str, buffers: Sequence[Buffer]) -> None:
    """What an op forgets to write would be whatever lay there before."""
    assert node.op is not None
    if not all(buffer.written for buffer in buffers):
        raise PluginError(
            f"{method} of op {node.op.name!r} (node {node.name!r}) does not write all of {name}",
            hint=f"tape.{'write' if method == 'forward' else 'add'}(kernel, ...) for each of them",
        )
