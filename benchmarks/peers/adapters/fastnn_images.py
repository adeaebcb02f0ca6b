"""fastnn on images: instructions of a plan for single layers, `fit` for LeNet-5, `net(X)` for ResNet-50."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from images import BETA1, BETA2, EPSILON, ETA, Layer, lenet_weights, picture

import fastnn as fnn
from fastnn import zoo
from fastnn.cpu import Machine
from fastnn.graph import Graph
from fastnn.ops import convolve
from fastnn.plan import Buffer, Instruction, Plan
from fastnn.plan.layout import mark_meetings, place_buffers
from fastnn.plan.shares import mark_channels, mark_columns
from fastnn.plan.winograd import with_winograd


def layer(layer: Layer, threads: int | None) -> dict[str, Callable[[], np.ndarray]]:
    """Each product as a plan of a network has it: one instruction, or two where weights are transformed first."""
    a, W, b, delta = layer.arrays()
    kernels = convolve.FORWARD, convolve.BACKWARD, convolve.GRADIENT_W
    operands = [np.empty_like(delta), a, W, b], [np.empty_like(a), delta, W], [np.empty_like(W), delta, a]
    names = "forward", "backward", "gradient"
    return {
        name: _call(kernel, arrays, layer, threads or 1)
        for name, kernel, arrays in zip(names, kernels, operands, strict=True)
    }


def _call(kernel: Any, arrays: list[np.ndarray], layer: Layer, threads: int) -> Callable[[], np.ndarray]:
    buffers = [
        Buffer(
            f"operand{k}", f"operand{k}", x.shape, "float32", batched=x.ndim == 4 and len(x) == layer.batch
        )
        for k, x in enumerate(arrays)
    ]
    if kernel is convolve.GRADIENT_W:
        buffers[0].batched = False
    steps = dict.fromkeys(("stride_u", "stride_v"), layer.stride)
    pads = dict.fromkeys(("pad_u", "pad_v"), layer.padding)
    where = {**steps, **pads, "dilation_u": 1, "dilation_v": 1}
    instructions = with_winograd([Instruction(kernel, buffers, where, False, "measured")])
    mark_columns(instructions)
    mark_channels(instructions)
    room = place_buffers(instructions)
    mark_meetings(instructions)
    machine = Machine(Plan(Graph(), layer.batch, "float32", "infer", instructions, room), threads=threads)
    for buffer, array in zip(buffers, arrays, strict=True):
        machine.bind(buffer.space, array)

    def call() -> np.ndarray:
        machine.run()
        return arrays[0]

    return call


class LeNet:
    """Epochs of `fit`; what a call costs beside its steps is in it."""

    def __init__(self, X: np.ndarray, y: np.ndarray, batch: int, threads: int | None) -> None:
        self.X, self.y = X, y
        self.net = zoo.lenet()
        self.start = np.concatenate([part.ravel() for part in lenet_weights()])
        self.settings: dict[str, Any] = {
            "optimizer": fnn.registry.get("optimizer", "adam", eta=ETA, beta1=BETA1, beta2=BETA2, epsilon=EPSILON),
            "loss": "cross_entropy", "batch_size": batch, "shuffle": False, "threads": threads, "verbose": False,
        }  # fmt: skip
        self.reset()

    def reset(self) -> None:
        self.net.theta[:] = self.start

    def run(self, epochs: int) -> None:
        self.net.fit(self.X, self.y, epochs=epochs, **self.settings)

    def theta(self) -> np.ndarray:
        return np.array(self.net.theta)


def resnet(folder: Path, threads: int | None) -> dict[str, Callable[[], np.ndarray]]:
    """The first one writes the weights and the model for the others."""
    net, X = shaken(zoo.resnet(50)), picture()
    if not (folder / "model.onnx").exists():
        zoo.export_weights(net, folder / "weights.safetensors")
        net.to_onnx(folder / "model.onnx")
    return {"net(X)": lambda: net(X, threads=threads)}


def shaken(net: fnn.Network) -> fnn.Network:
    """Statistics as training leaves them, not zeros and ones."""
    random = np.random.default_rng(1)
    for name, view in net.statistics.items():
        view[...] = (
            random.uniform(0.5, 1.5, view.shape)
            if name.endswith("variance")
            else 0.1 * random.standard_normal(view.shape)
        )
    return net


def training(depth: int, batch: int) -> Callable[[int], list[float]]:
    """steps(n): the losses of n steps of ResNet; everything it needs is made in it."""

    def steps(n: int) -> list[float]:
        net = zoo.resnet(depth)
        X, y = np.repeat(picture(), batch, axis=0), np.arange(batch) + 7
        history = net.fit(
            X,
            y,
            loss="cross_entropy",
            optimizer="sgd",
            eta=0.01,
            momentum=0.9,
            epochs=n,
            batch_size=batch,
            verbose=False,
        )
        return [float(loss) for loss in history.column("loss")]

    return steps
