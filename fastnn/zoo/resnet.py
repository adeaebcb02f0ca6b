"""Residual networks: blocks learn what to add to their input, and so a network of 152 layers trains.

    basic block         relu(a + BN(3x3 relu(BN(3x3 a))))                    ResNet-18 and 34
    bottleneck          relu(a + BN(1x1 relu(BN(3x3 relu(BN(1x1 a))))))      ResNet-50, 101 and 152; four times as many channels come out

Where a block changes the shape, a 1x1 convolution with batch normalisation takes the place of a (option B).

Source: He, Zhang, Ren and Sun 2015, Deep residual learning for image recognition, table 1; in bottlenecks the 3x3 convolution has the stride and not the first 1x1, as in PyTorch's published weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import SettingError
from fastnn.graph import Node
from fastnn.namespaces import layers
from fastnn.network import Network
from fastnn.zoo.blocks import channels, conv_norm

__all__ = ["basic", "resnet"]

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def resnet(
    depth: int = 50,
    n_classes: int = 1000,
    input_shape: Sequence[int] = (3, 224, 224),
    width: float = 1.0,
    **settings: Any,
) -> Network:
    """ResNet-18, 34, 50, 101 or 152: 11,689,512, 21,797,672, 25,557,032, 44,549,160 or 60,192,808 parameters.

    Layers have PyTorch's names (layer1.0.conv1, layer1.0.bn1). First values are He's, N(0, 2 / fan_out). `width` multiplies every hidden
    layer; `settings` (seed, dtype) are the network's.

    >>> resnet(18, n_classes=10, input_shape=(3, 32, 32), width=1 / 8)
    <Network (3, 32, 32) -> (10,), 60 layers, 177,362 parameters, float32>
    """
    if depth not in BLOCKS:
        raise SettingError(
            "there is no ResNet of this depth", got=repr(depth), expected="18, 34, 50, 101 or 152"
        )
    net = Network(input_shape, **settings)
    a = conv_norm(net, ("conv1", "bn1"), net.input, channels(64, width), 7, 2)
    a = net.apply("maxpool", layers.MaxPool(3, 2, 1), a)
    block = basic if depth < 50 else bottleneck
    for stage, repeats in enumerate(BLOCKS[depth], 1):
        for k in range(repeats):
            stride = 2 if stage > 1 and k == 0 else 1
            a = block(net, f"layer{stage}.{k}", a, channels(32 * 2**stage, width), stride)
    a = net.apply("avgpool", layers.GlobalAveragePool(), a)
    a = net.apply("flatten", layers.Flatten(), a)
    net.output = net.apply("fc", layers.Dense(n_classes), a)
    return net


def basic(net: Network, name: str, a: Node, n: int, stride: int) -> Node:
    """Two 3x3 convolutions with n channels, and what they are added to."""
    h = conv_norm(net, (f"{name}.conv1", f"{name}.bn1"), a, n, 3, stride)
    h = conv_norm(net, (f"{name}.conv2", f"{name}.bn2"), h, n, 3, activation="identity")
    return add(net, name, h, _shortcut(net, name, a, h, stride))


def bottleneck(net: Network, name: str, a: Node, n: int, stride: int) -> Node:
    """1x1 to n channels, 3x3, 1x1 to 4 n channels, and what they are added to."""
    h = conv_norm(net, (f"{name}.conv1", f"{name}.bn1"), a, n, 1)
    h = conv_norm(net, (f"{name}.conv2", f"{name}.bn2"), h, n, 3, stride)
    h = conv_norm(net, (f"{name}.conv3", f"{name}.bn3"), h, 4 * n, 1, activation="identity")
    return add(net, name, h, _shortcut(net, name, a, h, stride))


def add(net: Network, name: str, h: Node, shortcut: Node) -> Node:
    """relu(h + shortcut), the block's output: a node of the block's own name."""
    return net.apply(name, layers.Activation("relu"), net.apply(f"{name}.add", layers.Add(), h, shortcut))


def _shortcut(net: Network, name: str, a: Node, h: Node, stride: int) -> Node:
    """a, or its projection onto the shape of h."""
    if a.shape == h.shape:
        return a
    names = f"{name}.downsample.0", f"{name}.downsample.1"
    return conv_norm(net, names, a, h.shape[0], 1, stride, activation="identity")
