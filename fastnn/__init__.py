"""Neural networks compiled by Numba."""
