"""An op that breaks its contract is named when the plan is built: what it does not write would be whatever lay there."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.ops import Kernel, Op

X = np.ones((6, 3))


def copied(i, z, a):
    z[i] = a[i]


COPY = Kernel("test.copy", copied, {"z": "*", "a": "*"})


class Copy(Op):
    name = "copy"

    def shape(self, a, parameters, **attributes):
        return a[0]

    def forward(self, tape, n):
        tape.write(COPY, n.z, n.a[0])


class NoShape(Op):
    name = "no_shape"


class NoForward(Op):
    name = "no_forward"

    def shape(self, a, parameters, **attributes):
        return a[0]


class Forgets(Copy):
    name = "forgets"

    def forward(self, tape, n):
        pass


class TooFew(Copy):
    name = "too_few"

    def forward(self, tape, n):
        tape.write(COPY, n.z)


class ForgetsBackward(Copy):
    name = "forgets_backward"

    def backward(self, tape, n):
        pass


class Layer:
    name = "layer"

    def __init__(self, op):
        self.op = op

    def __call__(self, net, a):
        return net.op(self.op, a)


@pytest.mark.parametrize(
    "op, words",
    [
        (NoShape(), "no method shape"),
        (NoForward(), "no method forward"),
        (Forgets(), "does not write all of n.z"),
        (TooFew(), "has 2 arrays"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_an_op_that_cannot_run_is_named(op, words):
    with pytest.raises(fnn.PluginError, match=words):
        fnn.Network(3, [Layer(op)])(X)


@pytest.mark.parametrize(
    "op, words", [(Copy(), "no method backward"), (ForgetsBackward(), "does not write all of n.d_a")]
)
def test_an_op_that_cannot_learn_is_named(op, words):
    net = fnn.Network(3, [fnn.Dense(3), Layer(op)])
    np.testing.assert_array_equal(net(X), fnn.Network(3, [fnn.Dense(3)])(X))
    with pytest.raises(fnn.PluginError, match=words):
        net.fit(X, X, loss="squared_error", epochs=1, verbose=False)
