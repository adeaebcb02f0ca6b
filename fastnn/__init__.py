"""fastnn: fast small and medium neural networks on Numba, open to plugins written as plain Python functions."""

from fastnn.contracts import Activation, Initializer, Loss, RowActivation, Rule, Schedule
from fastnn.hookspecs import hookimpl

__all__ = ["Activation", "Initializer", "Loss", "RowActivation", "Rule", "Schedule", "hookimpl"]
