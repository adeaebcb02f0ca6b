"""Residual networks for small pictures, and the plain ones of equal depth that they were compared with.

    3x3, then 3 stages of n blocks with 16, 32 and 64 channels, mean over the picture, classes: 6 n + 2 layers

A block is two 3x3 convolutions. `shortcut` says what is added to them: "A", the block's input, of which every second pixel is taken and channels of zeros
are added where the shape changes, so that no parameter comes with it; None, nothing: a plain network.

Source: He, Zhang, Ren and Sun 2015, Deep residual learning for image recognition, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import SettingError
from fastnn.graph import Node
from fastnn.namespaces import layers
from fastnn.network import Network
from fastnn.zoo.blocks import channels, conv_norm
from fastnn.zoo.resnet import add

__all__ = ["cifar_resnet"]


def cifar_resnet(
    depth: int = 20,
    n_classes: int = 10,
    input_shape: Sequence[int] = (3, 32, 32),
    shortcut: str | None = "A",
    width: float = 1.0,
    **settings: Any,
) -> Network:
    """ResNet-20, 32, 44, 56, 110, ... for pictures of CIFAR's size: 269,722 parameters with 20 layers. Any depth 6 n + 2 will do.

    `shortcut=None` gives the plain network with the same parameters. First values are He's, N(0, 2 / fan_out). `width` multiplies every
    hidden layer; `settings` (seed, dtype) are the network's.

    >>> cifar_resnet(20), cifar_resnet(20, shortcut=None)
    (<Network (3, 32, 32) -> (10,), 63 layers, 269,722 parameters, float32>, <Network (3, 32, 32) -> (10,), 41 layers, 269,722 parameters, float32>)
    """
    given: Any = depth
    if not isinstance(given, int) or depth < 8 or depth % 6 != 2:
        raise SettingError(
            "there is no such network of this depth",
            got=repr(depth),
            expected="6 n + 2: 8, 14, 20, 32, 44, 56, 110",
        )
    if shortcut not in ("A", None):
        raise SettingError("unknown shortcut", got=repr(shortcut), expected="'A' or None")
    net = Network(input_shape, **settings)
    a = conv_norm(net, ("conv1", "bn1"), net.input, channels(16, width), 3)
    for stage in (1, 2, 3):
        for k in range((depth - 2) // 6):
            stride = 2 if stage > 1 and k == 0 else 1
            a = _block(net, f"layer{stage}.{k}", a, channels(8 * 2**stage, width), stride, shortcut)
    a = net.apply("avgpool", layers.GlobalAveragePool(), a)
    a = net.apply("flatten", layers.Flatten(), a)
    net.output = net.apply("fc", layers.Dense(n_classes), a)
    return net


def _block(net: Network, name: str, a: Node, n: int, stride: int, shortcut: str | None) -> Node:
    h = conv_norm(net, (f"{name}.conv1", f"{name}.bn1"), a, n, 3, stride)
    last = "identity" if shortcut else "relu"
    h = conv_norm(net, (f"{name}.conv2", f"{name}.bn2"), h, n, 3, activation=last)
    return add(net, name, h, _identity(net, name, a, h, stride)) if shortcut else h


def _identity(net: Network, name: str, a: Node, h: Node, stride: int) -> Node:
    """a; every second pixel of it, and zeros for the channels that are new, where a block changes the shape (option A)."""
    if a.shape == h.shape:
        return a
    if stride > 1:
        a = net.apply(f"{name}.subsample", layers.AveragePool(1, stride), a)
    new = h.shape[0] - a.shape[0]
    zeros = ((new // 2, new - new // 2), (0, 0), (0, 0))
    return net.apply(f"{name}.pad", layers.Pad(zeros), a)
