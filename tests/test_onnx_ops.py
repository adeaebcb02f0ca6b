"""Ops of imported models that no registered layer shows alone; the layers are enrolled in test_conformance.py."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.errors import ShapeError
from fastnn.onnx import ops
from fastnn.onnx.layers import broadcast
from fastnn.testing import check_op


def test_a_product_of_two_nodes_conforms():
    check_op(ops.MatrixProduct(), input_shapes=((2, 3, 4), (2, 4, 2)))


@pytest.mark.parametrize(
    ("small", "large"), [((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 3, 1), (4, 3, 2)), ((), (2, 2)), ((5,), (5,))]
)
def test_broadcast_is_numpys(small, large):
    a = np.arange(np.prod(small, dtype=int), dtype=np.float32).reshape(small)
    net = fnn.Network(max(a.size, 1), [fnn.layers.Take(**broadcast(small, large))])
    np.testing.assert_array_equal(net(a.reshape(1, -1))[0], np.broadcast_to(a, large))


def test_copies_of_what_is_not_there_are_refused():
    for settings in ({"lengths": (4,), "strides": (1,), "first": 3}, {"lengths": (4,), "strides": (-1,)}):
        with pytest.raises(ShapeError, match="not there"):
            fnn.Network(6, [fnn.layers.Take(shape=(4,), **settings)])
    with pytest.raises(ShapeError, match="does not broadcast"):
        broadcast((2,), (3,))
