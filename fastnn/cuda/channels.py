"""Sums over a channel's pixels, and over samples: gradients of biases. A form that forms.py hands on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.cuda.reciprocal import quotient
from fastnn.cuda.storage import storage
from fastnn.cuda.toolkit import cuda, pointer

__all__ = ["channel_sums"]


def channel_sums(real: Any, threads: int, split_sum: bool, operands: Any, after: Any) -> Any:
    """C[j] = start[j] + sum_{s,n} A[s,j,n], a block for each channel j; where `split_sum`, sums over parts of (s, n) go to `parts`.

    words: start (or 0), A, channels, pixels n, (s, n) in all, in a part, splits, parts, reciprocals of channels and of pixels
    """
    zero = real(0)

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        mine = pointer(storage(), real)
        start, A, parts = pointer(w[0], real), pointer(w[1], real), pointer(w[7], real)
        channels, pixels = np.int32(w[2]), np.int32(w[3])
        far = np.int32(channels * pixels)
        samples_on = quotient(np.int32(threads), np.uint32(w[10]), w[11])
        pixels_on = np.int32(threads - samples_on * pixels)
        o = operands(w, C, step, row, seed, eta)
        t = np.int32(cuda.threadIdx.x)
        for work in range(cuda.blockIdx.x, w[2] * w[6], cuda.gridDim.x):
            part = quotient(np.int32(work), np.uint32(w[8]), w[9])
            j = np.int32(work - part * channels)
            n, last = np.int32(part * w[5] + t), np.int32(min((part + 1) * w[5], w[4]))
            s = quotient(n, np.uint32(w[10]), w[11])
            inner = np.int32(n - s * pixels)
            at = np.int32(s * far + j * pixels + inner)
            total = zero
            while n < last:
                total += A[at]
                n = np.int32(n + threads)
                inner = np.int32(inner + pixels_on)
                at = np.int32(at + samples_on * far + pixels_on)
                if inner >= pixels:
                    inner = np.int32(inner - pixels)
                    at = np.int32(at + far - pixels)
            mine[t] = total
            cuda.syncthreads()
            half = threads // 2
            while half > 0:  # in pairs: always in the same order
                if t < half:
                    mine[t] += mine[t + half]
                cuda.syncthreads()
                half //= 2
            if t == 0:
                total = mine[0]
                if split_sum:
                    parts[part * channels + j] = total
                else:
                    if w[0] != 0:
                        total += start[j]
                    C[j] = total
                    after(j, o)
            cuda.syncthreads()

    return run
