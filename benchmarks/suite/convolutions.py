"""Convolution layers: seconds of the plan's instructions of each of the three products; and LeNet-5, an epoch of 2,048 images. One thread."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import fastnn as fnn
from fastnn.cpu import Machine

from .cases import ONE_THREAD

LAYERS = {  # channels in, out, image, kernel, stride; batch 8
    "64 to 64, 3x3, 32x32": (64, 64, 32, 3, 1),
    "256 to 256, 3x3, 14x14": (256, 256, 14, 3, 1),
    "1024 to 256, 1x1, 14x14": (1024, 256, 14, 1, 1),
    "128 to 128, 3x3 / 2, 56x56": (128, 128, 56, 3, 2),
    "6 to 16, 5x5, 12x12": (6, 16, 12, 5, 1),
}
PRODUCTS = ("forward", "backward", "gradient_W")
BATCH = 8


@cache
def machine(name: str, product: str) -> Machine:
    """It runs the product, the transform of its weights included where there is one, and nothing else."""
    if not hasattr(fnn, "Conv"):
        raise NotImplementedError("this version has no convolution")
    n_in, n_out, size, kernel, stride = LAYERS[name]
    net = fnn.Network((n_in, size, size), seed=0)
    before = net.apply(
        "before", fnn.Conv(n_in, 1), net.input
    )  # a gradient with respect to the data is never asked for
    layer = fnn.Conv(n_out, kernel, stride=stride, padding=kernel // 2)
    net.output = net.apply("flat", fnn.Flatten(), net.apply("layer", layer, before))
    plan = net.plan(batch=BATCH, mode="gradient", loss="squared_error")
    node = "layer" if product == "forward" else "layer backward"
    wanted = ("winograd.weights", f"convolve.{product}", f"convolve.winograd_{product}")
    found = [i for i in plan.instructions if i.node == node and i.kernel.name in wanted]
    if product == "gradient_W":
        found = [i for i in found if i.kernel.name == "convolve.gradient_W"]
    if not found:
        raise NotImplementedError("this version has another name for the instruction")
    ready = Machine(replace(plan, instructions=found), threads=1)
    shapes = {"X": net.input_shape, "y": net.output_shape}
    arrays = {name: np.zeros((BATCH, *shape), np.float32) for name, shape in shapes.items()}
    for key, array in {"theta": net.theta, "g": np.zeros_like(net.theta), **arrays}.items():
        ready.bind(key, array)
    ready.run()
    return ready


class Convolutions:
    params = (list(LAYERS), list(PRODUCTS))
    param_names = ("layer", "product")
    version = "1"
    timer = ONE_THREAD

    def setup(self, name: str, product: str) -> None:
        self.machine = machine(name, product)

    def time_product(self, name: str, product: str) -> None:
        self.machine.run()


class LeNet:
    params = ([64, 2048],)
    param_names = ("batch",)
    version = "1"
    timer = ONE_THREAD

    def setup(self, batch: int) -> None:
        if not hasattr(fnn, "zoo"):
            raise NotImplementedError("this version has no zoo")
        random = np.random.default_rng(0)
        self.X, self.y = random.random((2048, 1, 28, 28), dtype=np.float32), random.integers(0, 10, 2048)
        self.net = fnn.zoo.lenet()
        self.time_epoch(batch)

    def time_epoch(self, batch: int) -> None:
        self.net.fit(
            self.X, self.y, loss="cross_entropy", optimizer="adam", epochs=1, batch_size=batch, shuffle=False, threads=1,
            verbose=False,
        )  # fmt: skip
