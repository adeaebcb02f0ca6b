"""GoogLeNet: nine inception blocks, each four branches side by side; two auxiliary heads that help the gradient on its way.

    inception    [1x1] [1x1, 3x3] [1x1, 5x5] [pool, 1x1], joined along the channels
    head         mean of 5x5 every 3, 1x1 128, 1024, dropout 0.7, classes; its loss counts 0.3 in training, and inference leaves it out

Sources: Szegedy et al. 2014, Going deeper with convolutions, table 1 and section 5. With batch normalisation: Ioffe and Szegedy 2015, in the shape of
PyTorch's published weights, where what is called 5x5 is a 3x3, the last pool is 2x2, and neither LRN nor biases are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.graph import Node
from fastnn.namespaces import layers
from fastnn.network import Network
from fastnn.zoo.blocks import channels, conv_norm

__all__ = ["googlenet"]

INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of each block: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 behind the pool. Table 1 of the paper."""


def googlenet(
    auxiliary: bool = False,
    batch_norm: bool = False,
    n_classes: int = 1000,
    input_shape: Sequence[int] = (3, 224, 224),
    width: float = 1.0,
    **settings: Any,
) -> Network:
    """GoogLeNet of 2014 (6,998,552 parameters, 13,378,280 with both auxiliary heads), or with batch normalisation (6,624,904, 13,004,888).

    With `auxiliary`, `net.auxiliary` weighs the losses of both heads by 0.3. Layers have PyTorch's names (inception3a.branch2.0.conv). The
    paper does not say its first values: they are He's. `width` multiplies every hidden layer; `settings` (seed, dtype) are the network's.

    >>> googlenet(n_classes=10, input_shape=(3, 64, 64), width=1 / 8)
    <Network (3, 64, 64) -> (10,), 85 layers, 96,452 parameters, float32>
    """
    net = Network(input_shape, **settings)
    unit = _Unit(net, batch_norm, width)
    a = unit("conv1", net.input, 64, 7, 2)
    a = _pool(net, "maxpool1", a)
    a = a if batch_norm else net.apply("norm1", layers.LocalResponseNorm(5), a)
    a = unit("conv2", a, 64, 1)
    a = unit("conv3", a, 192, 3)
    a = a if batch_norm else net.apply("norm2", layers.LocalResponseNorm(5), a)
    a = _pool(net, "maxpool2", a)
    heads: dict[str, float] = {}
    for name, sizes in INCEPTION.items():
        a = _inception(unit, f"inception{name}", a, sizes)
        if auxiliary and name in ("4a", "4d"):
            heads[_head(unit, f"aux{len(heads) + 1}", a, n_classes)] = 0.3
        if name == "3b":
            a = _pool(net, "maxpool3", a)
        elif name == "4e":
            a = _pool(net, "maxpool4", a, kernel=2 if batch_norm else 3)
    a = net.apply("avgpool", layers.GlobalAveragePool(), a)
    a = net.apply("flatten", layers.Flatten(), a)
    a = net.apply("dropout", layers.Dropout(0.2 if batch_norm else 0.4), a)
    net.output = net.apply("fc", layers.Dense(n_classes), a)
    if auxiliary:
        net.auxiliary = heads
    return net


class _Unit:
    """A convolution with relu, and batch normalisation in between or a bias."""

    def __init__(self, net: Network, batch_norm: bool, width: float) -> None:
        self.net, self.batch_norm, self.width = net, batch_norm, width

    def __call__(self, name: str, a: Node, n_out: int, kernel: int, stride: int = 1) -> Node:
        n_out = channels(n_out, self.width)
        if self.batch_norm:
            return conv_norm(self.net, (f"{name}.conv", f"{name}.bn"), a, n_out, kernel, stride, epsilon=1e-3)
        conv = layers.Conv(n_out, kernel, stride, kernel // 2, activation="relu", initializer="he_normal")
        return self.net.apply(f"{name}.conv", conv, a)


def _inception(unit: _Unit, name: str, a: Node, sizes: Sequence[int]) -> Node:
    one, before3, three, before5, five, behind_pool = sizes
    branch1 = unit(f"{name}.branch1", a, one, 1)
    branch2 = unit(f"{name}.branch2.0", a, before3, 1)
    branch2 = unit(f"{name}.branch2.1", branch2, three, 3)
    branch3 = unit(f"{name}.branch3.0", a, before5, 1)
    branch3 = unit(f"{name}.branch3.1", branch3, five, 3 if unit.batch_norm else 5)
    branch4 = unit.net.apply(f"{name}.branch4.0", layers.MaxPool(3, 1, 1), a)
    branch4 = unit(f"{name}.branch4.1", branch4, behind_pool, 1)
    return unit.net.apply(name, layers.Concatenate(), branch1, branch2, branch3, branch4)


def _head(unit: _Unit, name: str, a: Node, n_classes: int) -> str:
    """The name of the node that gives the head's classes."""
    net, size = unit.net, min(a.shape[1:])
    stride = max(1, size // 4)  # 4 by 4 means: of 14 pixels, 5x5 every 3, as in the paper
    kernel = max(1, size - 3 * stride)
    a = net.apply(f"{name}.avgpool", layers.AveragePool(kernel, stride), a)
    a = unit(f"{name}.conv", a, 128, 1)
    a = net.apply(f"{name}.flatten", layers.Flatten(), a)
    dense = layers.Dense(channels(1024, unit.width), "relu", initializer="he_normal")
    a = net.apply(f"{name}.fc1", dense, a)
    a = net.apply(f"{name}.dropout", layers.Dropout(0.7), a)
    net.apply(f"{name}.fc2", layers.Dense(n_classes), a)
    return f"{name}.fc2"


def _pool(net: Network, name: str, a: Node, kernel: int = 3) -> Node:
    """Half of height and width, rounded up."""
    return net.apply(name, layers.MaxPool(kernel, 2, ceil=True), a)
