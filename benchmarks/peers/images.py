"""What is measured on images: layers of known networks, LeNet-5's data and first weights; the same for every library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRODUCTS = ("forward", "backward", "gradient")
"""z = W * a + b, dC/da, dC/dW."""
ETA, BETA1, BETA2, EPSILON = 0.001, 0.9, 0.999, 1e-8
"""Adam's, for LeNet-5."""


@dataclass(frozen=True)
class Layer:
    """A convolution of images (n_in, size, size), with as much padding as keeps their size where the stride is 1."""

    n_in: int
    n_out: int
    size: int
    kernel: int = 3
    stride: int = 1
    batch: int = 8

    @property
    def padding(self) -> int:
        return self.kernel // 2

    @property
    def out(self) -> int:
        return (self.size - 1) // self.stride + 1

    @property
    def flops(self) -> int:
        """Of each of the three products, as the formula has them; a multiply-add counts two."""
        return 2 * self.batch * self.n_out * self.out**2 * self.n_in * self.kernel**2

    @property
    def bytes(self) -> int:
        """Read and written at least by each of the three products, in float32."""
        weights = self.n_out * self.n_in * self.kernel**2
        return 4 * (self.batch * (self.n_in * self.size**2 + self.n_out * self.out**2) + weights)

    @property
    def name(self) -> str:
        step = f" / {self.stride}" if self.stride > 1 else ""
        return f"{self.n_in} to {self.n_out}, {self.kernel}x{self.kernel}{step}, {self.size}x{self.size}"

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """a, W, b, delta, float32."""
        random = np.random.default_rng(0)
        shapes = (
            (self.batch, self.n_in, self.size, self.size),
            (self.n_out, self.n_in, self.kernel, self.kernel),
            (self.n_out,),
            (self.batch, self.n_out, self.out, self.out),
        )
        a, W, b, delta = (random.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return a, W, b, delta


PLAIN = tuple((n, n, size) for n, size in ((64, 56), (64, 32), (128, 28), (256, 14), (512, 7)))
BY_3 = tuple(Layer(*sizes, batch=batch) for batch in (8, 32) for sizes in PLAIN)
"""3 x 3, as in VGG and ResNet."""
OF_RESNET_50 = (
    Layer(3, 64, 224, kernel=7, stride=2),
    Layer(64, 256, 56, kernel=1),
    Layer(256, 64, 56, kernel=1),
    Layer(512, 128, 28, kernel=1),
    Layer(1024, 256, 14, kernel=1),
    Layer(2048, 512, 7, kernel=1),
    Layer(256, 512, 56, kernel=1, stride=2),
    Layer(128, 128, 56, stride=2),
)
LAYERS = (*BY_3, *OF_RESNET_50)
QUICK = (*(Layer(*sizes) for sizes in PLAIN[1:4]), OF_RESNET_50[4], OF_RESNET_50[7])

LENET = ((6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 256), (120,), (84, 120), (84,), (10, 84), (10,))
"""Shapes of its parameters: two convolutions, three dense layers, W and b of each."""


def digits(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """X (samples, 1, 28, 28) in 0 to 1 and labels, drawn at random: what they show costs nothing."""
    random = np.random.default_rng(1)
    return random.random((samples, 1, 28, 28), dtype=np.float32), random.integers(0, 10, samples)


def lenet_weights() -> list[np.ndarray]:
    """What everybody starts from."""
    random = np.random.default_rng(0)
    return [
        (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        if len(shape) > 1
        else np.zeros(shape, np.float32)
        for shape in LENET
    ]


def picture() -> np.ndarray:
    """One image (1, 3, 224, 224)."""
    return np.random.default_rng(2).standard_normal((1, 3, 224, 224), dtype=np.float32)
