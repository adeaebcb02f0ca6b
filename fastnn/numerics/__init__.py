"""What compiled code computes with, the same on CPU and GPU: random numbers, and exp, log, tanh, ... that vectorise.

`float32` and `float64` stand for Python's `math` in code of their dtype: `from fastnn.numerics import float32 as math`.
"""

from fastnn.numerics.philox import philox, uniform

__all__ = ["philox", "uniform"]
