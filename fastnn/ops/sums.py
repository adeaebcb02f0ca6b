"""Sums for a CPU's vector unit: 64 partial sums in a thread's scratch memory, folded at the end. Helpers of bodies in other files.

A plain loop over a sum is one chain of additions, which no compiler may take apart; 64 chains side by side run at the speed of memory, and
lose fewer digits.
"""

__all__ = ["add_in_lanes", "fold", "products_in_lanes", "squares_in_lanes"]


def fold(scratch):  # type: ignore[no-untyped-def]
    """The sum of the 64 lanes."""
    for k in range(32):
        scratch[k] = scratch[k] + scratch[k + 32]
    for k in range(16):
        scratch[k] = scratch[k] + scratch[k + 16]
    for k in range(8):
        scratch[k] = scratch[k] + scratch[k + 8]
    total = 0.0
    for k in range(8):
        total += scratch[k]
    return total


def add_in_lanes(a, at, size, scratch):  # type: ignore[no-untyped-def]
    """sum_k a[at + k]"""
    total = 0.0
    if size < 64:
        for k in range(size):
            total += a[at + k]
        return total
    for k in range(64):
        scratch[k] = a[at + k]
    for block in range(1, size // 64):
        for k in range(64):
            scratch[k] = scratch[k] + a[at + block * 64 + k]
    for k in range(size % 64):
        scratch[k] = scratch[k] + a[at + size // 64 * 64 + k]
    return fold(scratch)


def squares_in_lanes(a, at, size, middle, scratch):  # type: ignore[no-untyped-def]
    """sum_k (a[at + k] - middle)^2"""
    total = 0.0
    if size < 64:
        for k in range(size):
            d = a[at + k] - middle
            total += d * d
        return total
    for k in range(64):
        d = a[at + k] - middle
        scratch[k] = d * d
    for block in range(1, size // 64):
        for k in range(64):
            d = a[at + block * 64 + k] - middle
            scratch[k] = scratch[k] + d * d
    for k in range(size % 64):
        d = a[at + size // 64 * 64 + k] - middle
        scratch[k] = scratch[k] + d * d
    return fold(scratch)


def products_in_lanes(delta, a, at, size, middle, scratch):  # type: ignore[no-untyped-def]
    """sum_k delta[at + k] (a[at + k] - middle)"""
    total = 0.0
    if size < 64:
        for k in range(size):
            total += delta[at + k] * (a[at + k] - middle)
        return total
    for k in range(64):
        scratch[k] = delta[at + k] * (a[at + k] - middle)
    for block in range(1, size // 64):
        for k in range(64):
            scratch[k] = scratch[k] + delta[at + block * 64 + k] * (a[at + block * 64 + k] - middle)
    for k in range(size % 64):
        scratch[k] = scratch[k] + delta[at + size // 64 * 64 + k] * (a[at + size // 64 * 64 + k] - middle)
    return fold(scratch)
