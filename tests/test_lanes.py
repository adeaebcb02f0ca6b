"""Functions of rows in lanes: the same bits as one sample at a time, for every loss and row activation there is."""

import ast

import numpy as np
import pytest

import fastnn as fnn
from fastnn.compile.lanes import Refused, in_lanes
from fastnn.cpu import Machine
from fastnn.ops import LossOp
from fastnn.ops.text import definitions
from fastnn.plan import build_plan
from fastnn.registry import registry

LOSSES = [
    (name, kind)
    for name in registry.names("loss")
    for kind in ("index", "row")
    if getattr(registry.get("loss", name), kind) is not None
]


def delta_and_loss(loss, kind, z, y, threads=1):
    """What the loss gives on these outputs, through a network that is nothing but its input."""
    net = fnn.Network(
        z.shape[1],
        [fnn.layers.Activation("identity"), fnn.Dense(z.shape[1])],
        dtype=str(z.dtype),
    )
    net.theta = np.r_[np.eye(z.shape[1]).ravel(), np.zeros(z.shape[1])].astype(z.dtype)
    op = LossOp(registry.get("loss", loss), kind)
    plan = build_plan(net.graph, len(z), net.dtype, "gradient", loss=op)
    machine = Machine(plan, threads=threads)
    g = np.zeros_like(net.theta)
    for name, array in {"theta": net.theta, "X": z, "y": y, "g": g}.items():
        machine.bind(name, array)
    machine.run()
    return machine.total[0], g


def targets(loss, kind, rng, rows, n):
    classes = rng.integers(0, max(n, 2), rows)
    if kind == "index":
        return classes
    if registry.get("loss", loss).task == "classification":
        return np.eye(max(n, 2))[classes][:, :n]
    return rng.standard_normal((rows, n))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "kind"), LOSSES)
def test_a_batch_gives_the_sum_of_its_samples(loss, kind, dtype):
    """Batches long enough for lanes, with a rest, against samples alone, which never are."""
    rng = np.random.default_rng(7)
    for rows, n in ((16, 1), (67, 2), (130, 10), (33, 37), (20, 700)):
        z = np.ascontiguousarray(rng.standard_normal((rows, n)) * 3, dtype)
        y = np.ascontiguousarray(targets(loss, kind, rng, rows, n), np.int64 if kind == "index" else dtype)
        together, g = delta_and_loss(loss, kind, z, y)
        alone = [delta_and_loss(loss, kind, z[i : i + 1], y[i : i + 1]) for i in range(rows)]
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(together, np.mean([a[0] for a in alone]), rtol=tolerance)
        np.testing.assert_allclose(
            g, np.mean([a[1] for a in alone], axis=0), rtol=100 * tolerance, atol=tolerance
        )


@pytest.mark.parametrize(("loss", "kind"), LOSSES)
def test_shares_that_are_too_short_for_lanes_give_the_same_bits(loss, kind):
    """24 samples are lanes for one thread, and one at a time for three."""
    rng = np.random.default_rng(8)
    z = np.ascontiguousarray(rng.standard_normal((24, 10)) * 3, "float32")
    y = np.ascontiguousarray(targets(loss, kind, rng, 24, 10), np.int64 if kind == "index" else "float32")
    one, three = delta_and_loss(loss, kind, z, y), delta_and_loss(loss, kind, z, y, threads=3)
    assert one[0] == three[0]
    np.testing.assert_array_equal(one[1], three[1])


def test_softmax_inside_a_network():
    """A row activation forward and backward, in lanes and alone."""
    net = fnn.Network(5, [fnn.Dense(7), fnn.layers.Activation("softmax"), fnn.Dense(3)])
    X, y = np.random.default_rng(0).standard_normal((100, 5)), np.arange(100) % 3
    together = net.objective(X, y, loss="cross_entropy").gradient(net.theta)
    alone = [
        net.objective(X[i : i + 1], y[i : i + 1], loss="cross_entropy").gradient(net.theta)
        for i in range(100)
    ]
    np.testing.assert_allclose(together, np.mean(alone, axis=0), rtol=1e-4, atol=1e-6)


def test_every_loss_and_softmax_runs_in_lanes():
    """All but those that count whole numbers for each sample; a change that refuses more would make steps slower in silence."""
    refused = []
    for name, kind in LOSSES:
        kernel = LossOp(registry.get("loss", name), kind).value
        texts = [t[2:] for t in definitions(kernel, False, "#") if t.startswith("\n#")]
        rows = [n for n, spec in kernel.arrays.items() if spec == "2"]
        try:
            in_lanes([t.partition("\n")[2] for t in texts], rows, [n for n in kernel.arrays if n not in rows])
        except Refused:
            refused.append((name, kind))
    assert refused == [("hinge", "index"), ("perceptron", "index")]


BODY = "def body(i, out, z):\n    {}\n"


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("out[i, 0] = i", "the number of the sample"),
        ("while z[i, 0] > real(0.0):\n        out[i, 0] = z[i, 0]", "while"),
        ("best = 0\n    for j in range(z.shape[1]):\n        if z[i, j] > z[i, best]:\n            best = j\n    out[i, best] = real(1.0)", "whole number"),
        ("for j in range(z.shape[1]):\n        if z[i, j] > real(0.0):\n            for k in range(3):\n                out[i, j] += z[i, k]", "differ"),
    ],
)  # fmt: skip
def test_what_differs_from_sample_to_sample_is_refused(statement, reason):
    with pytest.raises(Refused, match=reason):
        in_lanes([BODY.format(statement)], ["out", "z"], [])


def test_a_function_that_hands_on_what_gives_nothing():
    """A configured copy of a plugin function is `return f_(..., its settings)`, also where f_ only writes."""
    helper = "def fill_(z, out, level):\n    for j in range(len(z)):\n        out[j] = level * z[j]\n"
    wrapper = "def fill(z, out):\n    return fill_(z, out, real(2.0))\n"
    texts = in_lanes([helper, wrapper, BODY.format("fill(z[i], out[i])")], ["out", "z"], [])
    assert "_result" not in "".join(texts)


def test_the_text_of_a_sum():
    (text,) = in_lanes(
        [
            BODY.format(
                "t = real(0.0)\n    for j in range(z.shape[1]):\n        t += z[i, j]\n    out[i, 0] = t"
            )
        ],
        ["out", "z"],
        [],
    )
    assert ast.unparse(ast.parse(text)) == ast.unparse(
        ast.parse(
            """
def body_lanes(out, z, _lanes):
    t = lane_array(real)
    for _l in range(_lanes):
        t[_l] = real(0.0)
    for j in range(z.shape[0]):
        for _l in range(_lanes):
            t[_l] += z[j, _l]
    for _l in range(_lanes):
        out[0, _l] = t[_l]
"""
        )
    )
