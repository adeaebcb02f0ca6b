"""What the networks share: numbers of channels by width, He's first values, a convolution with its batch normalisation."""

from __future__ import annotations

from math import inf, sqrt
from numbers import Real
from typing import Any

from fastnn.errors import SettingError
from fastnn.graph import Node
from fastnn.namespaces import initializers, layers
from fastnn.network import Network

__all__ = ["channels", "constant", "conv_norm", "he_fan_out"]


def channels(n: int, width: float, multiple: int = 1) -> int:
    """`width` times n channels, at least one group of `multiple`; SettingError for a width that is no positive number."""
    given: Any = width
    if isinstance(given, bool) or not isinstance(given, Real) or not 0 < float(given) < inf:
        raise SettingError(
            "width is no positive number", got=repr(width), expected="1 for the paper's network"
        )
    return multiple * max(1, round(n * width / multiple))


def constant(value: float) -> Any:
    """An initializer that gives `value` everywhere."""
    return initializers.normal(mean=value, scale=0.0)


def he_fan_out(n_in: int, n_out: int) -> Any:
    """N(0, 2 / fan_out): gradients keep their size on the way back (He et al. 2015, equation 14).

    he_normal has variance gain^2 2 / fan_in, and fan_in / fan_out = n_in / n_out whatever the kernel.
    """
    return initializers.he_normal(gain=sqrt(n_in / n_out))


def conv_norm(
    net: Network,
    names: tuple[str, str],
    a: Node,
    n_out: int,
    kernel: int,
    stride: int = 1,
    activation: str = "relu",
    epsilon: float = 1e-5,
) -> Node:
    """Convolution without bias, which the batch normalisation behind it brings, then the activation; `names` are theirs.

    Zeros around the image keep height and width where the stride is 1.
    """
    conv = layers.Conv(
        n_out, kernel, stride, kernel // 2, bias=False, initializer=he_fan_out(a.shape[0], n_out)
    )
    norm = layers.BatchNorm(epsilon=epsilon, activation=activation)
    return net.apply(names[1], norm, net.apply(names[0], conv, a))
