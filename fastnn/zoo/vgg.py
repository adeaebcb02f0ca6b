"""VGG: nothing but 3x3 convolutions, in five stages with a pool after each, then three dense layers.

    stage             1     2     3     4     5
    channels          64    128   256   512   512
    convolutions  11  1     1     2     2     2        configuration A of the paper
                  13  2     2     2     2     2        B
                  16  2     2     3     3     3        D
                  19  2     2     4     4     4        E

Source: Simonyan and Zisserman 2014, Very deep convolutional networks for large-scale image recognition, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import SettingError
from fastnn.namespaces import layers
from fastnn.network import Network
from fastnn.zoo.blocks import channels

__all__ = ["vgg"]

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    depth: int = 19,
    n_classes: int = 1000,
    input_shape: Sequence[int] = (3, 224, 224),
    width: float = 1.0,
    **settings: Any,
) -> Network:
    """VGG-11, 13, 16 or 19: 132,863,336, 133,047,848, 138,357,544 or 143,667,240 parameters.

    Layers have PyTorch's names (features.0, classifier.0). First values are Glorot's, with which the paper found no pre-training needed (section 3.1). `width` multiplies every hidden layer; `settings` (seed, dtype) are the network's.

    >>> vgg(11, n_classes=10, input_shape=(3, 32, 32), width=1 / 16)
    <Network (3, 32, 32) -> (10,), 19 layers, 113,090 parameters, float32>
    """
    if depth not in CONVOLUTIONS:
        raise SettingError("there is no VGG of this depth", got=repr(depth), expected="11, 13, 16 or 19")
    net = Network(input_shape, **settings)
    a, place = net.input, 0  # in PyTorch's list, where relu and pool count
    for n_out, repeats in zip(CHANNELS, CONVOLUTIONS[depth], strict=True):
        for _ in range(repeats):
            conv = layers.Conv(channels(n_out, width), 3, padding=1, activation="relu")
            a = net.apply(f"features.{place}", conv, a)
            place += 2
        a = net.apply(f"features.{place}", layers.MaxPool(2), a)
        place += 1
    a = net.apply("flatten", layers.Flatten(), a)
    for place in (0, 3):
        a = net.apply(f"classifier.{place}", layers.Dense(channels(4096, width), "relu"), a)
        a = net.apply(f"classifier.{place + 2}", layers.Dropout(0.5), a)
    net.output = net.apply("classifier.6", layers.Dense(n_classes), a)
    return net
