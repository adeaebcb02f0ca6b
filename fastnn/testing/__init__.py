"""Conformance checks for plugins: the same for a stranger's as for ours. No test framework is needed; an AssertionError says what is wrong.

>>> from fastnn.testing import check_activation
>>> check_activation("tanh")

| check              | of                             | what must hold                                                                    |
|--------------------|--------------------------------|-----------------------------------------------------------------------------------|
| `check_activation` | `Activation`, `RowActivation`  | slope and curvature are the derivatives; NaN goes through; no NaN at extremes     |
| `check_loss`       | `Loss`                         | delta and curvature are the derivatives; everything is written; NaN goes through  |
| `check_optimizer`  | `Rule`, `Solver`               | comes down a quadratic; what a checkpoint keeps is all there is                   |
| `check_layer`      | `Layer`                        | builds the same twice; gradients and Hessian-vector products are the derivatives  |
| `check_op`         | `Op`                           | compiled kernels equal their bodies; gradients accumulate                         |

All of them: the name is free, settings survive a config, a float32 build computes in float32, results are the same twice and for 1, 2 and 3
threads, compiled code equals the plain Python. Each takes an object, a class or a registered name, with settings by keyword.
"""

from fastnn.testing.activations import check_activation
from fastnn.testing.layers import check_layer
from fastnn.testing.losses import check_loss
from fastnn.testing.ops import check_op
from fastnn.testing.optimizers import check_optimizer

__all__ = ["check_activation", "check_layer", "check_loss", "check_op", "check_optimizer"]
