"""Pictures of CIFAR's shape made on the spot: ten shapes and textures, in two colours each, at places and of sizes of their own, with noise.

    0 disc   1 ring   2 square   3 frame   4 cross   5 triangle   6 bars across   7 bars upright   8 slanted bars   9 chessboard

A shape is where a function of the place (u, v) in the picture, turned a little and scaled, is below 1; a texture is the sign of a wave.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CLASSES = (
    "disc", "ring", "square", "frame", "cross", "triangle", "bars across", "bars upright", "slanted bars", "chessboard",
)  # fmt: skip

__all__ = ["CLASSES", "pictures"]


def pictures(n: int, seed: int = 0, size: int = 32, noise: float = 0.15) -> tuple[Array, Array]:
    """X (n, 3, size, size) float32, of mean about 0, and y (n,), as many of each class as can be.

    >>> X, y = pictures(20)
    >>> X.shape, sorted(set(y.tolist())) == list(range(10))
    ((20, 3, 32, 32), True)
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % len(CLASSES))
    X = np.stack([_picture(int(k), rng, size) for k in y])
    X += noise * rng.standard_normal(X.shape)
    return X.astype(np.float32), y


def _picture(k: int, rng: np.random.Generator, size: int) -> Array:
    """One picture of class k, (3, size, size): paper and ink in colours that are far enough apart."""
    paper, ink = rng.uniform(-1, 1, (2, 3))
    while np.abs(paper - ink).max() < 0.6:
        paper, ink = rng.uniform(-1, 1, (2, 3))
    place = (np.arange(size) + 0.5) / size * 2 - 1
    u, v = np.meshgrid(place, place)  # to the right, and down
    turn = rng.uniform(-0.25, 0.25)
    u, v = np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
    inside = _texture(k, rng, u, v) if k >= 6 else _shape(k, rng, u, v)
    picture: Array = np.where(inside, ink[:, None, None], paper[:, None, None])
    return picture


def _shape(k: int, rng: np.random.Generator, u: Array, v: Array) -> Array:
    scale = rng.uniform(0.4, 0.75)
    u, v = ((w - rng.uniform(-0.25, 0.25)) / scale for w in (u, v))
    around, square = np.hypot(u, v), np.maximum(np.abs(u), np.abs(v))
    shapes = (
        around < 1,
        (around > 0.6) & (around < 1),
        square < 0.9,
        (square > 0.55) & (square < 0.9),
        (np.minimum(np.abs(u), np.abs(v)) < 0.25) & (square < 1),
        (v < 0.8) & (v > 2 * np.abs(u) - 1),
    )
    return shapes[k]


def _texture(k: int, rng: np.random.Generator, u: Array, v: Array) -> Array:
    waves = rng.uniform(2, 4)  # in the picture's width
    first, second = rng.uniform(0, 2 * np.pi, 2)
    across, upright = np.sin(np.pi * waves * v + first), np.sin(np.pi * waves * u + second)
    slanted = np.sin(np.pi * waves * (u + v) / np.sqrt(2) + first)
    board: Array = (across, upright, slanted, across * upright)[k - 6] > 0
    return board
