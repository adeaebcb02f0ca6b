"""Restricted Boltzmann machines, and deep belief networks made of them, on the same plans, kernels and rules as networks."""

from fastnn.rbm.belief import DeepBelief
from fastnn.rbm.model import RBM

__all__ = ["RBM", "DeepBelief"]
