"""Log-mel features: what a frame classifier for speech sees.

    frames    25 ms of sound every 10 ms, under a Hamming window
    power     |DFT|^2 of a frame
    mel       triangular filters, evenly spaced on the mel scale, m(f) = 1127 log(1 + f / 700): fine for low tones, coarse for high ones, as the ear
    features  log of each filter's power; 5 frames before and 5 after are put beside each frame

Source: Davis and Mermelstein 1980, Comparison of parametric representations for monosyllabic word recognition; the filters without the cosine transform:
Mohamed, Dahl and Hinton 2012, Acoustic modeling using deep belief networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.errors import DataError

Array = NDArray[Any]

FRAME, HOP = 0.025, 0.010  # seconds
LOW, HIGH = 64.0, 8000.0  # Hz
QUIET = 1e-10  # power below which a filter hears nothing; full scale is 1

__all__ = ["FRAME", "HOP", "context", "log_mel", "mel_filters"]


def mel_filters(rate: int, bins: int, n: int = 40) -> Array:
    """(n, bins) triangles over the frequencies 0 ... rate / 2 of a DFT; each begins where the last but one ends."""
    mel = np.linspace(1127 * np.log1p(LOW / 700), 1127 * np.log1p(min(HIGH, rate / 2) / 700), n + 2)
    edges = 700 * np.expm1(mel / 1127)
    f = np.linspace(0, rate / 2, bins)
    up = (f - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - f) / (edges[2:] - edges[1:-1])[:, None]
    triangles: Array = np.maximum(0, np.minimum(up, down))
    return triangles


def log_mel(signal: ArrayLike, rate: int, n: int = 40) -> Array:
    """(frames, n) float32: log power in n mel filters, of sound between -1 and 1 at `rate` samples a second.

    DataError where there is less than one frame of sound.

    >>> log_mel(np.zeros(8000), 16000).shape          # half a second: (500 - 25) / 10 + 1 frames
    (48, 40)
    """
    sound = np.asarray(signal, dtype=np.float64)
    length, hop = round(FRAME * rate), round(HOP * rate)
    if sound.ndim != 1 or len(sound) < length:
        raise DataError("there is less than one frame of sound", got=f"shape {sound.shape}", expected=f"({length} or more,)")  # fmt: skip
    frames = np.lib.stride_tricks.sliding_window_view(sound, length)[::hop]
    fft = 1 << (length - 1).bit_length()
    window = np.hamming(length)
    power = np.abs(np.fft.rfft(frames * window, fft)) ** 2 / (window**2).sum()
    heard = power @ mel_filters(rate, fft // 2 + 1, n).T
    features: Array = np.log(np.maximum(heard, QUIET)).astype(np.float32)
    return features


def context(features: Array, around: int = 5) -> Array:
    """(frames, (2 around + 1) n): each frame with its neighbours, the earliest first; the ends are repeated beyond the ends.

    >>> context(np.array([[1.0], [2.0], [3.0]]), around=1)
    array([[1., 1., 2.],
           [1., 2., 3.],
           [2., 3., 3.]])
    """
    frames = len(features)
    beside = np.arange(frames)[:, None] + np.arange(-around, around + 1)
    rows: Array = features[np.clip(beside, 0, frames - 1)].reshape(frames, -1)
    return rows
