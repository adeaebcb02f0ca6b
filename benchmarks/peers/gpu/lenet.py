"""LeNet-5 as every library trains it here: the sizes, the first weights, the images. And what is asked of a convolution by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ETA", "SHAPES", "STEPS", "Shape", "arrays", "flops", "images", "shapes_of", "weights"]

ETA, STEPS = 0.005, 20
"""Small steps: with ten times as large ones, PyTorch on one thread and on two are half of the way apart after 20 steps on noise."""
SHAPES = ((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,))
"""Convolution 5x5 (padding 2), relu, largest of 2x2, convolution 5x5, relu, largest of 2x2, dense 120, 84, 10: 61,706 parameters, of 28x28 images."""


def weights() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    scale = [1.0 / np.sqrt(np.prod(shape[1:]) or 1) for shape in SHAPES]
    return [(s * random.standard_normal(shape) if len(shape) > 1 else np.zeros(shape)).astype(np.float32)
            for s, shape in zip(scale, SHAPES, strict=True)]  # fmt: skip


def images(batch: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    X = random.standard_normal((batch * steps, 1, 28, 28), dtype=np.float32)
    return X, random.integers(0, 10, batch * steps)


@dataclass(frozen=True)
class Shape:
    """A convolution of the same size of image before and after, but for the stride."""

    n_in: int
    n_out: int
    size: int
    batch: int
    kernel: int = 3
    stride: int = 1

    @property
    def name(self) -> str:
        stride = f"/{self.stride}" * (self.stride > 1)
        return f"{self.kernel}x{self.kernel}{stride}, {self.n_in} to {self.n_out}, {self.size}x{self.size}"


def shapes_of(s: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Of z, a and W; padding is half of the kernel."""
    out = (s.size + 2 * (s.kernel // 2) - s.kernel) // s.stride + 1
    return (
        (s.batch, s.n_out, out, out), (s.batch, s.n_in, s.size, s.size), (s.n_out, s.n_in, s.kernel, s.kernel),
    )  # fmt: skip


def flops(s: Shape) -> int:
    return 2 * int(np.prod(shapes_of(s)[0])) * s.n_in * s.kernel**2


def arrays(product: str, s: Shape) -> list[Any]:
    """The operands of a product, the result first."""
    z, a, W = shapes_of(s)
    wanted = {"forward": (z, a, W), "backward": (a, z, W), "gradient": (W, z, a)}[product]
    random = np.random.default_rng(0)
    return [random.standard_normal(shape, dtype=np.float32) for shape in wanted]
