"""LeNet-5 as small benchmarks have it: two convolutions, two pools, three dense layers, relu throughout.

    (1, 28, 28) -> conv 5x5 (6, 24, 24) -> pool (6, 12, 12) -> conv 5x5 (16, 8, 8) -> pool (16, 4, 4) -> 120 -> 84 -> 10

Source: LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition; with relu, largest of 2x2 and all
sixteen maps reading all six, as the benchmark of SimpleChains.jl has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.namespaces import layers
from fastnn.network import Network
from fastnn.zoo.blocks import channels

__all__ = ["lenet"]


def lenet(
    n_classes: int = 10, input_shape: Sequence[int] = (1, 28, 28), width: float = 1.0, **settings: Any
) -> Network:
    """LeNet-5: 44,426 parameters for ten classes of (1, 28, 28). `settings` (seed, dtype) are the network's.

    >>> lenet()
    <Network (1, 28, 28) -> (10,), 8 layers, 44,426 parameters, float32>
    """
    net = Network(input_shape, **settings)
    a = net.input
    for number, n_out in enumerate((6, 16), 1):
        conv = layers.Conv(channels(n_out, width), 5, activation="relu", initializer="he_normal")
        a = net.apply(f"conv{number}", conv, a)
        a = net.apply(f"pool{number}", layers.MaxPool(2), a)
    a = net.apply("flatten", layers.Flatten(), a)
    for number, n_out in enumerate((120, 84), 1):
        a = net.apply(f"fc{number}", layers.Dense(channels(n_out, width), "relu", initializer="he_normal"), a)
    net.output = net.apply("fc3", layers.Dense(n_classes), a)
    return net
