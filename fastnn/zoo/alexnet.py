"""AlexNet: five convolutions, three pools, three dense layers with dropout; the network that won ImageNet in 2012.

    grouped (2012)      conv 96 11x11/4, LRN, pool, conv 256 5x5 in 2 groups, LRN, pool, conv 384, conv 384 in 2, conv 256 in 2, pool, 4096, 4096, 1000
    one tower (2014)    conv 64 11x11/4, pool, conv 192 5x5, pool, conv 384, conv 256, conv 256, pool, 4096, 4096, 1000

Sources: Krizhevsky, Sutskever and Hinton 2012, ImageNet classification with deep convolutional neural networks (two GPUs: hence the groups);
Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks, which is what PyTorch publishes weights of.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from fastnn.graph import Node
from fastnn.namespaces import initializers, layers
from fastnn.network import Network
from fastnn.zoo.blocks import channels, constant

__all__ = ["alexnet"]

POOLED = (1, 2, 5)  # convolutions with a pool behind them
GROUPED = {1: 96, 2: 256, 3: 384, 4: 384, 5: 256}
ONE_TOWER = {1: 64, 2: 192, 3: 384, 4: 256, 5: 256}


def alexnet(
    grouped: bool = False,
    n_classes: int = 1000,
    input_shape: Sequence[int] = (3, 224, 224),
    width: float = 1.0,
    **settings: Any,
) -> Network:
    """AlexNet in one tower (61,100,840 parameters), or as it was first, in two groups with local response normalisation (60,965,224).

    The one tower's layers have PyTorch's names (features.0, classifier.1), the grouped one's those of Caffe's file (conv1, fc6). First values are the paper's:
    weights N(0, 0.01^2), biases 1 in convolutions 2, 4 and 5 and in hidden dense layers, 0 elsewhere; the one tower's weights are He's. `width`
    multiplies every hidden layer; `settings` (seed, dtype) are the network's.

    >>> alexnet(n_classes=10, width=1 / 16)
    <Network (3, 224, 224) -> (10,), 14 layers, 227,150 parameters, float32>
    """
    net = Network(input_shape, **settings)
    a = _grouped(net, width) if grouped else _one_tower(net, width)
    a = net.apply("flatten", layers.Flatten(), a)
    names = ("fc6", "fc7", "fc8") if grouped else ("classifier.1", "classifier.4", "classifier.6")
    W, b = (_normal(width), constant(1.0)) if grouped else ("he_normal", "zeros")
    for number, name in enumerate(names[:2], 6):
        a = net.apply(f"drop{number}", layers.Dropout(0.5), a)
        a = net.apply(name, layers.Dense(channels(4096, width), "relu", initializer=W, initializer_b=b), a)
    net.output = net.apply(
        names[2], layers.Dense(n_classes, initializer=W if grouped else "glorot_uniform"), a
    )
    return net


def _grouped(net: Network, width: float) -> Node:
    a = net.input
    for number, n_out in GROUPED.items():
        conv = layers.Conv(
            channels(n_out, width, 2),
            **_window(number),
            groups=2 if number in (2, 4, 5) else 1,  # what lay on two GPUs, which met before the third only
            activation="relu",
            initializer=_normal(width),
            initializer_b=constant(1.0 if number in (2, 4, 5) else 0.0),
        )
        a = net.apply(f"conv{number}", conv, a)
        if number in (1, 2):  # the paper sums alpha a^2, ONNX and we alpha / size a^2
            a = net.apply(f"norm{number}", layers.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0), a)
        if number in POOLED:
            a = net.apply(f"pool{number}", layers.MaxPool(3, 2), a)
    return a


def _normal(width: float) -> Any:
    """N(0, 0.01^2), and as much more for narrow layers as they add up fewer numbers."""
    return initializers.normal(scale=0.01 / sqrt(width))


def _one_tower(net: Network, width: float) -> Node:
    a, place = net.input, 0  # in PyTorch's list, where relu and pool count
    for number, n_out in ONE_TOWER.items():
        conv = layers.Conv(
            channels(n_out, width), **_window(number), activation="relu", initializer="he_normal"
        )
        a = net.apply(f"features.{place}", conv, a)
        place += 2
        if number in POOLED:
            a = net.apply(f"features.{place}", layers.MaxPool(3, 2), a)
            place += 1
    return a


def _window(number: int) -> dict[str, int]:
    """Kernel, stride and padding; with a border of 2, a picture of 224 gives the paper's 55."""
    first = {1: {"kernel": 11, "stride": 4, "padding": 2}, 2: {"kernel": 5, "padding": 2}}
    return first.get(number, {"kernel": 3, "padding": 1})
