"""Ops: the mathematics of nodes, each given once as bodies (the work for one element) that run on every device."""

from fastnn.ops.activate import Activate
from fastnn.ops.affine import Affine
from fastnn.ops.average_pool import AveragePool
from fastnn.ops.batch_norm import BatchNorm
from fastnn.ops.convolve import Convolve
from fastnn.ops.dropout import Dropout
from fastnn.ops.join import Add, Concatenate
from fastnn.ops.kernel import Kernel
from fastnn.ops.layer_norm import LayerNorm
from fastnn.ops.local_response_norm import LocalResponseNorm
from fastnn.ops.loss import LossOp
from fastnn.ops.max_pool import MaxPool
from fastnn.ops.multiply import Multiply
from fastnn.ops.op import NodeBuffers, Op
from fastnn.ops.pad import Pad
from fastnn.ops.reshape import Flatten, Reshape
from fastnn.ops.rowwise import RowActivate
from fastnn.ops.transpose import Transpose

__all__ = [
    "Activate",
    "Add",
    "Affine",
    "AveragePool",
    "BatchNorm",
    "Concatenate",
    "Convolve",
    "Dropout",
    "Flatten",
    "Kernel",
    "LayerNorm",
    "LocalResponseNorm",
    "LossOp",
    "MaxPool",
    "Multiply",
    "NodeBuffers",
    "Op",
    "Pad",
    "Reshape",
    "RowActivate",
    "Transpose",
]
