"""fastnn on the card, through the public `fit`, `net.to` and `net(x)`.

Data: NumPy arrays on the host. A call of `fit` uploads them once; that belongs to its fixed cost, which is taken out (see gpu_worker.py), so that what
is timed trains on data that is on the device, as for the others.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from adapters import fastnn_adapter
from adapters.fastnn_adapter import FIXED_COST, VERSION, network
from cases import Problem
from learning import BATCH, ETA, Task

import fastnn as fnn
from fastnn.engine import Device, machine_for, plan_for
from fastnn.graph import Graph
from fastnn.plan import Buffer, Instruction, Plan
from gpu.peers import Setting

__all__ = ["FIXED_COST", "VERSION", "Trainer", "configure", "predictors", "product", "release", "to_host"]


def configure(setting: Setting) -> None:
    """Nothing to set: device and precision go with each call."""


def release() -> None:
    """Memory goes with the network."""


def to_host(answer: Any) -> np.ndarray:
    if isinstance(answer, Answer):
        answer.machine.fetch(answer.name)
        return answer.array
    return answer


def on_device(setting: Setting) -> dict[str, str]:
    """Arguments of `fit`; none on the CPU, where float32 is the one precision."""
    return {"device": "cuda", "precision": setting.precision} if setting.device == "cuda" else {}


def forced(setting: Setting) -> contextlib.AbstractContextManager[Any]:
    """`fastnn.cuda.choose(how=...)` where a way to run steps is forced."""
    if setting.how is None or setting.device == "cpu":
        return contextlib.nullcontext()
    choice: contextlib.AbstractContextManager[Any] = importlib.import_module("fastnn.cuda").choose(
        how=setting.how
    )
    return choice


class Trainer(fastnn_adapter.Trainer):
    def __init__(self, problem: Problem, setting: Setting) -> None:
        super().__init__(problem, None)
        self.setting = setting
        self.settings |= on_device(setting)

    def run(self, epochs: int) -> None:
        with forced(self.setting):
            super().run(epochs)


def learn(task: Task, setting: Setting, epochs: int) -> np.ndarray:
    """Training with fit's own shuffling, which draws the task's orders; the classes of the test images."""
    net = network(task.sizes, seed=task.seed)
    net.fit(
        task.X, task.y, loss="cross_entropy", optimizer="adam", eta=ETA, epochs=epochs, batch_size=BATCH,
        seed=task.seed, verbose=False, **on_device(setting),
    )  # fmt: skip
    return ready(net, setting)(task.X_test).argmax(1)


def ready(net: fnn.Network, setting: Setting) -> fnn.Network:
    """The network where it is to answer."""
    if setting.device == "cuda":
        net.to("cuda", precision=setting.precision)
    return net


def predictors(sizes: tuple[int, ...], x: np.ndarray, setting: Setting) -> dict[str, Any]:
    """`net(x)` from a NumPy array to a NumPy array, and its plan alone, on inputs and for outputs that lie on the device."""
    net = ready(network(sizes), setting)
    found: dict[str, Any] = {"net(x), there and back": ("host", lambda: net(x))}
    if setting.device == "cuda":
        where = Device("cuda", setting.precision)
        machine = machine_for(where, plan_for(where, net.graph, len(x), net.dtype))
        out = np.zeros((len(x), sizes[-1]), np.float32)
        for name, array in (("theta", net.theta), ("X", x), ("out", out)):
            machine.bind(name, array)

        def run() -> Answer:
            machine.run()
            return Answer(machine, "out", out)

        found["its plan"] = ("device", run)
    return found


@dataclass
class Answer:
    """Outputs that lie on the device."""

    machine: Any
    name: str
    array: np.ndarray


def product(
    name: str, x: np.ndarray, y: np.ndarray, setting: Setting
) -> tuple[Callable[[int], None], Callable[[], np.ndarray]]:
    """One instruction of a plan, run many times (gflops.py does the same on the CPU)."""
    import gflops

    arrays = [np.zeros_like(x), x, y]
    if name == "forward":
        arrays.append(np.zeros(len(y), np.float32))
    if setting.device == "cpu":
        return gflops.with_fastnn(name, arrays), lambda: arrays[0]
    pairs = [(f"operand{k}", array) for k, array in enumerate(arrays)]
    buffers = [Buffer(label, label, array.shape, "float32", batched=False) for label, array in pairs]
    instruction = Instruction(gflops.PRODUCTS[name], buffers, {}, False, "measured")
    externals = {buffer.space: buffer for buffer in buffers}
    plan = Plan(Graph(), len(x), "float32", "infer", [instruction], 0, externals=externals)
    machine = machine_for(Device("cuda", setting.precision), plan)
    for label, array in pairs:
        machine.bind(label, array)
    # it returns when the device has done all of it
    return lambda times: machine.run_steps(0, np.zeros(times), 0), lambda: to_host(
        Answer(machine, "operand0", arrays[0])
    )
