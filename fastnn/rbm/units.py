"""Units of a restricted Boltzmann machine, visible or hidden: what is expected of one given the other side, and how it is drawn.

    x = W v + b for hidden units, x = W^T h + c for visible ones          (the other side's message and the bias)

| units    | values | P(unit given x)       | mean        | drawn from a uniform u       | in the energy       |
|----------|--------|-----------------------|-------------|------------------------------|---------------------|
| binary   | 0, 1   | p = 1 / (1 + exp(-x)) | p           | 1 where u < p                | -(bias) unit        |
| gaussian | reals  | normal, variance 1    | x           | x + a normal number          | (unit - bias)^2 / 2 |

u = uniform(seed, step, stream, i) comes from a counter: nothing is stored, and the bits are the same on every device and for any number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from fastnn.errors import UnknownNameError
from fastnn.numerics import uniform
from fastnn.ops.kernel import Kernel
from fastnn.registry import registry

__all__ = ["STREAMS", "Units", "units"]

STREAMS = 2
"""Streams of random numbers that a draw takes: a normal number needs two uniform ones."""


def mean(i, p, scale):  # type: ignore[no-untyped-def]
    p[i] = scale * expected(p[i])  # type: ignore[name-defined]  # noqa: F821  (the activation)


def draw_binary(i, unit, p, scale, stream, seed, step):  # type: ignore[no-untyped-def]
    m = expected(p[i])  # type: ignore[name-defined]  # noqa: F821
    p[i] = scale * m
    unit[i] = 1.0 if uniform(seed, step, stream, i) < m else 0.0


def draw_gaussian(i, unit, p, scale, stream, seed, step):  # type: ignore[no-untyped-def]
    m = expected(p[i])  # type: ignore[name-defined]  # noqa: F821
    p[i] = scale * m
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(seed, step, stream, i)))  # Box and Muller, 1958
    unit[i] = m + radius * math.cos(6.283185307179586 * uniform(seed, step, stream + 1, i))


def free_binary(x, bias):  # type: ignore[no-untyped-def]
    return (x if x > 0 else 0.0) + math.log1p(math.exp(-math.fabs(x)))


def free_gaussian(x, bias):  # type: ignore[no-untyped-def]
    return 0.5 * (x * x - bias * bias)


def seen_binary(unit, bias):  # type: ignore[no-untyped-def]
    return -bias * unit


def seen_gaussian(unit, bias):  # type: ignore[no-untyped-def]
    return 0.5 * (unit - bias) * (unit - bias)


@dataclass(frozen=True)
class Units:
    """One kind of units.

    name         "binary" or "gaussian"
    activation   what makes the mean of x
    mean         kernel: x becomes scale times the mean, where it lies
    draw         kernel: the same, and a sample beside it
    free         free(x, bias): what a hidden unit that is summed over takes off the free energy
    seen         seen(unit, bias): what a visible unit brings to the energy by itself
    """

    name: str
    activation: str
    draw: Kernel = field(compare=False)
    mean: Kernel = field(compare=False)
    free: Callable[..., Any] = field(compare=False)
    seen: Callable[..., Any] = field(compare=False)


_KINDS: dict[str, tuple[Any, ...]] = {
    "binary": ("logistic", draw_binary, free_binary, seen_binary),
    "gaussian": ("identity", draw_gaussian, free_gaussian, seen_gaussian),
}


@cache
def units(name: str) -> Units:
    """The kind of this name; UnknownNameError with near misses."""
    if name not in _KINDS:
        raise UnknownNameError.among("kind of units", name, list(_KINDS))
    activation, drawn, free, seen = _KINDS[name]
    found = registry.get("activation", activation)
    functions = {"expected": (found.value, {s: found.settings[s] for s in found.takes(found.value)})}
    draw = Kernel(
        f"rbm.{drawn.__name__}",
        drawn,
        {"unit": "*", "p": "*"},
        reals=("scale",),
        wholes=("stream",),
        functions=functions,
        extra_results=1,
        elementwise=True,
    )
    one = Kernel(
        f"rbm.mean_{name}", mean, {"p": "*"}, reals=("scale",), functions=functions, elementwise=True
    )
    return Units(name, activation, draw, one, free, seen)
