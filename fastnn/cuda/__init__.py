"""CUDA: the GPU's engine. The only package that imports numba.cuda and cuda.bindings.

compiler   text of a module -> cubin, without a GPU            toolkit    what kernels are written with (memory, simulated)
unit, tape the texts; forms, product, tensor: their loops      lower      from a plan to stages
driver     the CUDA driver; simulator: a GPU made of Python    machine    runs a plan, as fastnn/cpu/machine.py does
"""

from fastnn.cuda.compiler import compile_ptx, missing
from fastnn.cuda.device import choose, simulated
from fastnn.cuda.unit import kernel_text

__all__ = ["choose", "compile_ptx", "kernel_text", "missing", "simulated"]
