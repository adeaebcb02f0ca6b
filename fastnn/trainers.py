"""Who runs an epoch: a rule inside the compiled loop, or a solver that asks the objective."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from fastnn.contracts import Loss, Rule
from fastnn.contracts.classes import Need
from fastnn.engine import CPU, Device, machine_for, plan_for
from fastnn.errors import CapabilityError, PluginError, ShapeError, did_you_mean
from fastnn.inputs import Targets, as_targets, class_numbers
from fastnn.memory import aligned_zeros
from fastnn.objective import Objective
from fastnn.ops import LossOp
from fastnn.ops.update import update_kernel
from fastnn.registry import registry

if TYPE_CHECKING:
    from fastnn.network import Network

__all__ = ["RuleTrainer", "SolverTrainer", "TrainingSet"]

Array = NDArray[Any]
Moved = Callable[[int, float], None]
Outcome = tuple[float, float | None, int | None]
"""Mean loss of the epoch, last learning rate, number of the step that went astray (None: none did). Then the loss is NaN where a loss
was not finite, and else it was the parameters."""

CALL_SECONDS = 0.05
"""How long one compiled call may keep Python waiting."""


@dataclass(frozen=True)
class TrainingSet:
    """Rows, targets and weights as the engine reads them; `held` is what validation looks at."""

    X: Array
    targets: Targets
    weights: Array | None
    held: Any


class RuleTrainer:
    """Whole epochs in compiled calls of about 50 ms; nothing is allocated in a step."""

    uses_order = True

    def __init__(
        self,
        net: Network,
        rule: Rule,
        loss: Loss,
        data: TrainingSet,
        batch: int,
        threads: int | None,
        device: Device = CPU,
    ) -> None:
        self.net, self.rule, self.loss, self.batch = net, rule, loss, batch
        self.data, self.device = _checked(net, loss, data), device
        n = len(data.X)
        self.steps = -(-n // batch)
        self.rest = n % batch
        self.schedule = registry.get("schedule", rule.schedule)
        kernel = update_kernel(rule)
        settings = {name: float(value) for name, value in rule.settings.items() if name in kernel.reals}
        op = LossOp(loss, data.targets.kind)

        def plan(rows: int) -> Any:
            return plan_for(
                device, net.graph, rows, net.dtype, "gradient", loss=op, training=True, gather=True,
                weighted=data.weights is not None, update=(kernel, settings),
            )  # fmt: skip

        full = plan(batch)
        last = plan(self.rest) if self.rest else None
        self.machine = machine_for(device, full, last, threads)
        self.order, self._in_order = np.arange(n, dtype=np.int64), True
        self.g = aligned_zeros(net.theta.size, net.dtype)
        self.states = {name: aligned_zeros(net.theta.size, net.dtype) for name in rule.state}
        arrays = {
            "theta": net.theta,
            "statistics": net.running,
            "g": self.g,
            "X": data.X.reshape(n, -1),
            "y": data.targets.array,
            "order": self.order,
        }
        arrays |= {f"{name}_": state for name, state in self.states.items()}
        if data.weights is not None:
            arrays["weights"] = data.weights
        for name, array in arrays.items():
            self.machine.bind(name, array)
        self.machine.full_steps(n)
        self._good = self.machine.keep()
        self._chunk = 1  # how long a step takes is not known yet: Ctrl-C must be heard after it

    def epoch(self, order: Array | None, step: int, epochs: int, seed: int, moved: Moved) -> Outcome:
        """One pass over the training set, from step number `step` on."""
        machine, n = self.machine, len(self.data.X)
        if order is not None or not self._in_order:
            self.order[:], self._in_order = np.arange(n) if order is None else order, order is None
            machine.refresh("order")
        machine.refresh("theta", "statistics")  # callbacks may have changed it
        machine.seed(seed)
        etas = self.schedule.rates(
            self.rule.settings["eta"],
            np.arange(step, step + self.steps),
            steps=self.steps * epochs,
            epoch_steps=self.steps,
        )
        try:
            return self._steps(etas, step, moved)
        finally:
            machine.fetch("theta", "statistics")

    def _steps(self, etas: Array, step: int, moved: Moved) -> Outcome:
        machine, n = self.machine, len(self.data.X)
        full = self.steps - (1 if self.rest else 0)
        summed, of_full, done = 0.0, 0.0, 0
        # one sum for all calls: how many steps a call has is a matter of time, and must not change a bit
        machine.total[0] = 0.0
        while done < self.steps:
            end = (
                full if done < full else self.steps
            )  # a call ends where batches become smaller: its losses have one weight
            count = min(self._chunk, end - done)
            before = machine.keep()
            start = time.perf_counter()
            finished = machine.run_steps(done, etas[done : done + count], step + done)
            seconds = time.perf_counter() - start
            if machine.bad[0]:
                machine.bad[0] = 0
                if finished:
                    self._good = before
                return math.nan, None, step + done + finished
            self._good = before  # its loss was finite
            if not machine.finite():
                return summed, None, step + done + finished - 1
            summed = of_full + machine.total[0] * (self.batch if done < full else self.rest)
            done += count
            if done == full:
                of_full, machine.total[0] = summed, 0.0
            moved(done, summed / min(done * self.batch, n))
            self._chunk = max(1, min(int(count * CALL_SECONDS / max(seconds, 1e-6)), 4 * self._chunk))
        return summed / n, float(etas[-1]), None

    @property
    def good(self) -> dict[str, Array]:
        """The last parameters whose loss was seen to be finite, and the statistics of then."""
        kept: dict[str, Array] = self.machine.kept(self._good)
        return kept

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The optimizer's state, for a checkpoint."""
        self.machine.fetch(*(f"{name}_" for name in self.states))
        return dict(self.states), {}

    def restore(self, tensors: Mapping[str, Array], record: Mapping[str, Any]) -> None:
        for name, array in self.states.items():
            array[:] = tensors[name]
            self.machine.refresh(f"{name}_")

    def close(self) -> None:
        """Give back the memory of the plans."""
        del self.machine


class SolverTrainer:
    """One step of the solver an epoch, on the whole training set."""

    uses_order = False

    def __init__(
        self,
        net: Network,
        solver: Any,
        loss: Loss,
        data: TrainingSet,
        threads: int | None,
        device: Device = CPU,
    ) -> None:
        self.net, self.solver, self.loss, self.data = net, solver, loss, _checked(net, loss, data)
        self.device = device
        self.steps, self.batch = 1, len(data.X)
        op = LossOp(loss, data.targets.kind)
        self.objective = Objective(
            net.graph, net.dtype, data.X, data.targets.array, op, data.weights, threads, device, net.running
        )
        needs = _needs(solver)
        try:
            self.objective.check(needs)
        except CapabilityError as error:
            raise CapabilityError(
                f"{solver.name} needs {', '.join(needs)}, but {error.what}", hint=error.hint
            ) from None
        self.good = net.numbers()
        self._state = solver.start(net.theta)

    def epoch(self, order: Array | None, step: int, epochs: int, seed: int, moved: Moved) -> Outcome:
        """One step; the loss is that of the parameters after it."""
        self.good = self.net.numbers()
        self._state = self.solver.step(self.objective, self.net.theta, self._state)
        if not _finite(self.net.theta):
            return 0.0, None, step
        loss = self.objective.value(self.net.theta)
        moved(1, loss)
        return (loss, None, None) if math.isfinite(loss) else (math.nan, None, step)

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The solver's state: its arrays, and its numbers."""
        state = self._state if isinstance(self._state, Mapping) else {}
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        return arrays, {name: value for name, value in state.items() if name not in arrays}

    def restore(self, tensors: Mapping[str, Array], record: Mapping[str, Any]) -> None:
        if isinstance(self._state, Mapping):
            self._state = {**self._state, **record, **tensors}

    def close(self) -> None:
        self.objective.close()


def _needs(solver: Any) -> tuple[str, ...]:
    """What the solver says that it asks for; PluginError where that is nothing an objective answers."""
    needs: Any = solver.needs
    known = get_args(Need)
    if isinstance(needs, str) or not isinstance(needs, Iterable):
        raise PluginError(
            f"solver {solver.name!r}: needs is no tuple of names",
            got=repr(needs),
            expected=f"a tuple of {', '.join(known)}",
        )
    for need in needs:
        if need not in known:
            raise PluginError(
                f"solver {solver.name!r} needs {need!r}, which no objective answers{did_you_mean(need, known)}",
                expected=", ".join(known),
            )
    return tuple(needs)


def _finite(theta: Array) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(theta.sum()) or np.isfinite(theta).all())


def _checked(net: Network, loss: Loss, data: TrainingSet) -> TrainingSet:
    """Held-out rows converted as the training rows are, by the network that is being trained."""
    if data.held is None:
        return data
    X, y = data.held
    classes = class_numbers(net.output_shape) if data.targets.classes is None else data.targets.classes
    targets = as_targets(y, loss, net.output_shape, net.dtype, classes)
    rows = net.as_rows(X)
    if len(rows) != len(targets.array):
        raise ShapeError(
            "X and y of the validation data have different numbers of rows",
            got=f"{len(rows)} and {len(targets.array)}",
            expected="as many",
        )
    return TrainingSet(data.X, data.targets, data.weights, (rows, targets))
