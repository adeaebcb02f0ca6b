"""Moving data: the rows of a batch, gathered in the order of the epoch, and the sums that come out of a step.

gather       out[s] = X[order[row + s]]              row: first row of this batch in the epoch's order
collect      total += sum_s values[s], in this order
check        bad = 1 where one of the values is not finite
zero         out = 0
"""

from __future__ import annotations

import math

from fastnn.ops.kernel import Kernel

__all__ = ["CHECK", "COLLECT", "GATHER_CLASSES", "GATHER_NUMBERS", "GATHER_ROWS", "ZERO"]


def gather_rows(i, out, X, order, row):  # type: ignore[no-untyped-def]
    source = order[row + i]
    for k in range(out.shape[1]):
        out[i, k] = X[source, k]


def gather_numbers(i, out, x, order, row):  # type: ignore[no-untyped-def]
    out[i] = x[order[row + i]]


def collect(i, total, values):  # type: ignore[no-untyped-def]
    summed = total[i]  # float64 always: a million float32 one after the other lose 0.05 %
    for s in range(values.shape[0]):
        summed += values[s]
    total[i] = summed


def check(i, bad, values):  # type: ignore[no-untyped-def]
    for s in range(values.shape[0]):
        if not math.isfinite(values[s]):
            bad[i] = 1


def zero(i, out):  # type: ignore[no-untyped-def]
    out[i] = 0.0


GATHER_ROWS = Kernel("data.gather_rows", gather_rows, {"out": "2", "X": "2", "order": "i1"}, by_row=True)
GATHER_NUMBERS = Kernel("data.gather_numbers", gather_numbers, {"out": "1", "x": "1", "order": "i1"})
GATHER_CLASSES = Kernel("data.gather_classes", gather_numbers, {"out": "i1", "x": "i1", "order": "i1"})
COLLECT = Kernel("data.collect", collect, {"total": "d*", "values": "1"})
CHECK = Kernel("data.check", check, {"bad": "i*", "values": "1"})
ZERO = Kernel("data.zero", zero, {"out": "*"})
