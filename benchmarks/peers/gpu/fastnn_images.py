"""fastnn's convolutions on the card: one instruction of a plan, run many times; LeNet-5 by `fit`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fastnn as fnn
from fastnn.cpu import Machine
from fastnn.engine import Device, machine_for
from fastnn.graph import Graph
from fastnn.ops import Convolve
from fastnn.plan import Buffer, Instruction, Plan
from gpu import fastnn_on_gpu
from gpu.lenet import ETA, STEPS, Shape, arrays, images, weights
from gpu.peers import Setting

__all__ = ["LeNet", "convolve"]

NAMES = {"forward": "product", "backward": "backward", "gradient": "gradient_W"}
KERNELS = {kernel.name.partition(".")[2]: kernel for kernel in Convolve().kernels()}


def convolve(
    product: str, shape: Shape, setting: Setting
) -> tuple[Callable[[int], None], Callable[[], np.ndarray]]:
    pairs = [(f"operand{k}", array) for k, array in enumerate(arrays(product, shape))]
    buffers = [Buffer(label, label, array.shape, "float32", batched=False) for label, array in pairs]
    kernel = KERNELS[NAMES[product]]
    half = shape.kernel // 2
    where = dict(zip(kernel.wholes, (shape.stride, shape.stride, half, half, 1, 1), strict=True))
    instruction = Instruction(kernel, buffers, where, False, "measured")
    plan = Plan(
        Graph(), shape.batch, "float32", "infer", [instruction], 0, externals={b.space: b for b in buffers}
    )
    on_cpu = setting.device == "cpu"
    machine = Machine(plan, threads=1) if on_cpu else machine_for(Device("cuda", setting.precision), plan)
    for label, array in pairs:
        machine.bind(label, array)
    out = pairs[0][1]

    def result() -> np.ndarray:
        return out if on_cpu else fastnn_on_gpu.to_host(fastnn_on_gpu.Answer(machine, "operand0", out))

    return lambda times: machine.run_steps(0, np.zeros(times), 0), result


class LeNet(fastnn_on_gpu.Trainer):
    def __init__(self, batch: int, setting: Setting) -> None:
        pool = fnn.layers.MaxPool(2)
        layers = [
            fnn.Conv(6, 5, padding=2, activation="relu"),
            pool,
            fnn.Conv(16, 5, activation="relu"),
            pool,
        ]
        layers += [fnn.layers.Flatten(), fnn.Dense(120, "relu"), fnn.Dense(84, "relu"), fnn.Dense(10)]
        self.net = fnn.Network((1, 28, 28), layers, seed=0)
        self.net.theta = np.concatenate([part.ravel() for part in weights()])
        self.start = self.net.theta.copy()
        self.X, self.y = images(batch, STEPS)
        self.setting = setting
        self.settings = {
            "loss": "cross_entropy", "optimizer": "sgd", "eta": ETA, "batch_size": batch, "shuffle": False,
            "verbose": False, **fastnn_on_gpu.on_device(setting),
        }  # fmt: skip
