"""Sums over channels and over planes (a channel of a sample): gradients of biases, batch norm. Forms that forms.py hands on.

Threads take numbers that lie side by side, and add up what they found in pairs: always in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.cuda.places import quotient
from fastnn.cuda.storage import storage
from fastnn.cuda.toolkit import cuda, pointer

__all__ = ["channel_sums", "plane_moments", "plane_sums"]


@cuda.jit(device=True)
def fold(mine, lane, lanes):  # type: ignore[no-untyped-def]
    """mine[0] becomes the sum of `lanes` numbers, a power of two; all threads of the block come here."""
    half = lanes // 2
    cuda.syncthreads()
    while half > 0:
        if lane < half:
            mine[lane] += mine[lane + half]
        cuda.syncthreads()
        half //= 2


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
            fold(mine, t, threads)
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


def plane_moments(real: Any, threads: int) -> Any:
    """C[i] = (1/n) sum_k a[i,k]; squares[i] = sum_k (a[i,k] - C[i])^2.    words: a, planes i, pixels n, lanes for a plane, squares"""
    zero, SIZE = real(0), np.dtype(real).itemsize

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        a, planes, pixels, lanes, squares = pointer(w[0], real), w[1], w[2], w[3], pointer(w[4], real)
        teams = threads // lanes
        team, lane = cuda.threadIdx.x // lanes, cuda.threadIdx.x % lanes
        mine = pointer(storage() + team * lanes * SIZE, real)
        for work in range(cuda.blockIdx.x, (planes + teams - 1) // teams, cuda.gridDim.x):
            i = work * teams + team
            last = (i + 1) * pixels if i < planes else 0
            total = zero
            for k in range(i * pixels + lane, last, lanes):
                total += a[k]
            mine[lane] = total
            fold(mine, lane, lanes)
            middle = mine[0] / real(pixels)
            cuda.syncthreads()
            total = zero
            for k in range(i * pixels + lane, last, lanes):
                total += (a[k] - middle) * (a[k] - middle)
            mine[lane] = total
            fold(mine, lane, lanes)
            if lane == 0 and i < planes:
                C[i], squares[i] = middle, mine[0]
            cuda.syncthreads()

    return run


def plane_sums(real: Any, threads: int) -> Any:
    """C[i] = sum_k delta[i,k]; weighted[i] = sum_k delta[i,k] (a[i,k] - mean[i % channels]).

    words: delta, planes i, pixels n, lanes for a plane, weighted, a, mean, channels
    """
    zero, SIZE = real(0), np.dtype(real).itemsize

    @cuda.jit(device=True)
    def run(w, C, step, row, seed, eta):  # type: ignore[no-untyped-def]
        delta, planes, pixels, lanes, weighted = pointer(w[0], real), w[1], w[2], w[3], pointer(w[4], real)
        a, mean, channels = pointer(w[5], real), pointer(w[6], real), w[7]
        teams = threads // lanes
        team, lane = cuda.threadIdx.x // lanes, cuda.threadIdx.x % lanes
        mine = pointer(storage() + team * lanes * SIZE, real)
        other = pointer(storage() + (threads + team * lanes) * SIZE, real)
        for work in range(cuda.blockIdx.x, (planes + teams - 1) // teams, cuda.gridDim.x):
            i = work * teams + team
            last = (i + 1) * pixels if i < planes else 0
            middle = mean[i % channels]
            total, product = zero, zero
            for k in range(i * pixels + lane, last, lanes):
                total += delta[k]
                product += delta[k] * (a[k] - middle)
            mine[lane], other[lane] = total, product
            fold(mine, lane, lanes)
            fold(other, lane, lanes)
            if lane == 0 and i < planes:
                C[i], weighted[i] = mine[0], other[0]
            cuda.syncthreads()

    return run
