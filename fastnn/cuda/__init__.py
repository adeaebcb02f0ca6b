"""CUDA: so far, every kernel's body as a CUDA kernel, and its machine code without a GPU. The only package that imports numba.cuda.

numba-cuda is in maintenance; what it has of our needs is asked for here and in `compiler.py`, `memory.py` and the header of `unit.py`, so that
its successor can take its place.
"""

from fastnn.cuda.compiler import compile_ptx, missing
from fastnn.cuda.unit import kernel_text

__all__ = ["compile_ptx", "kernel_text", "missing"]
