"""Gradients, Hessian-vector products and Hessians of whole networks against central differences, in float64 at 1e-7 relative or better."""

import numpy as np
import pytest
from cases import GRAPHS, SMOOTH, chain, labels, residual, rows

import fastnn as fnn
from fastnn.testing.claims import difference

REL = 1e-8  # of the largest entry; fourth-order differences leave some 1e-11


def agree(got, expected):
    assert np.abs(got - expected).max() <= REL * max(np.abs(expected).max(), 1e-3)


def check_objective(C, theta, hessian=False):
    """The three derivatives of C at theta; the Hessian in full where that is asked for."""
    n = theta.size
    g = C.gradient(theta)
    agree(g, np.array([difference(lambda h, e=e: C.value(theta + h * e)) for e in np.eye(n)]))
    rng = np.random.default_rng(0)
    for v in rng.normal(size=(2, n)):
        agree(C.hvp(theta, v), difference(lambda h, v=v: C.gradient(theta + h * v)))
    if hessian:
        H = C.hessian(theta)
        agree(H, np.stack([difference(lambda h, e=e: C.gradient(theta + h * e)) for e in np.eye(n)]))
        agree(H @ v, C.hvp(theta, v))
        assert (H == H.T).all()


@pytest.mark.parametrize("activation", SMOOTH)
def test_chain_with_a_smooth_activation(activation):
    net = chain(activation)
    C = net.objective(rows(net, 5), labels(5), loss="cross_entropy", threads=1)
    check_objective(C, net.theta, hessian=activation == "softmax")


def clear_rows(net, n):
    """Rows whose weighted inputs to the first layer stay away from 0, where the kinks are."""
    for seed in range(1000):
        X = rows(net, n, seed)
        if abs(X @ net.parameters["0/W"].T + net.parameters["0/b"]).min() > 0.03:
            return X
    raise AssertionError("no rows found")


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu"])
def test_chain_with_a_kinked_activation_away_from_its_kinks(activation):
    net = chain(activation)
    check_objective(net.objective(clear_rows(net, 5), labels(5), loss="cross_entropy", threads=1), net.theta)


LOSSES = [
    ("squared_error", "row", 3),
    ("huber", "row", 2),
    ("cross_entropy", "index", 3),
    ("cross_entropy", "row", 3),
    ("cross_entropy", "index", 1),
    ("binary_cross_entropy", "row", 2),
    ("binary_cross_entropy", "index", 1),
    ("binary_cross_entropy", "index", 3),
]


@pytest.mark.parametrize(("loss", "kind", "n_out"), LOSSES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_chain_with_a_smooth_loss(loss, kind, n_out, weighted):
    net = chain("tanh", n_out=n_out)
    rng = np.random.default_rng(3)
    if kind == "index":
        y = labels(6, max(n_out, 2))
    elif loss == "cross_entropy":
        y = rng.dirichlet(np.ones(n_out), size=6)
    else:
        y = rng.uniform(size=(6, n_out))
    X = rows(net, 6)
    if loss == "huber":  # residuals away from the threshold 1, on both sides of it
        y = net(X) + rng.choice([-2.0, -0.5, 0.4, 1.7], size=(6, n_out))
    weights = rng.uniform(0.1, 3, 6) if weighted else None
    C = net.objective(X, y, loss=loss, sample_weight=weights, threads=1)
    check_objective(C, net.theta, hessian=not weighted)


@pytest.mark.parametrize("name", GRAPHS)
def test_graph(name):
    net = GRAPHS[name]()
    X = clear_rows(net, 4) if name == "in_place" else rows(net, 4)
    check_objective(net.objective(X, labels(4), loss="cross_entropy", threads=1), net.theta)


def test_hessian_of_a_graph_in_full():
    net = residual()
    check_objective(net.objective(rows(net, 4), labels(4), loss="cross_entropy"), net.theta, hessian=True)


def test_parameters_that_the_output_does_not_depend_on_have_no_derivative():
    net = GRAPHS["loose_ends"]()
    C = net.objective(rows(net, 4), labels(4), loss="cross_entropy", threads=1)
    loose = np.zeros(net.theta.size, bool)
    for name, parameter in net.graph.parameters.items():
        loose[parameter.offset : parameter.offset + parameter.size] = name.startswith(("unused", "after"))
    assert loose.any() and not loose.all()
    for _ in range(2):  # the second time, memory holds what the first left
        assert (C.gradient(net.theta)[loose] == 0).all() and C.gradient(net.theta)[~loose].all()
        assert (C.hvp(net.theta, np.ones(net.theta.size))[loose] == 0).all()
        assert (C.hessian(net.theta)[loose] == 0).all()


def test_weights_count_as_repeated_rows():
    net = chain()
    X, y, k = rows(net, 5), labels(5), np.array([1, 3, 0, 2, 1])
    weighted = net.objective(X, y, loss="cross_entropy", sample_weight=k)
    repeated = net.objective(np.repeat(X, k, axis=0), np.repeat(y, k), loss="cross_entropy")
    v = np.linspace(-1, 1, net.theta.size)
    assert weighted.value(net.theta) == pytest.approx(repeated.value(net.theta), rel=1e-13)
    agree(weighted.gradient(net.theta), repeated.gradient(net.theta))
    agree(weighted.hvp(net.theta, v), repeated.hvp(net.theta, v))


def test_squared_error_of_a_linear_network_is_the_quadratic_of_the_normal_equations():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 3)), rng.normal(size=9)
    net = fnn.Network(3, [fnn.Dense(1)], dtype="float64", seed=1)
    C = net.objective(X, y, loss="squared_error")
    design = np.column_stack([X, np.ones(9)])
    assert C.hessian(net.theta) == pytest.approx(design.T @ design / 9, rel=1e-13)
    assert C.gradient(net.theta) == pytest.approx(design.T @ (design @ net.theta - y) / 9, rel=1e-12)
    assert C.value(net.theta) == pytest.approx(0.5 * ((design @ net.theta - y) ** 2).mean(), rel=1e-13)


def test_float32_gradients_are_those_of_float64_rounded():
    for name, build in GRAPHS.items():
        net, single = build(), build(dtype="float32")
        X, y = rows(net, 8), labels(8)
        g = net.objective(X, y, loss="cross_entropy").gradient(net.theta)
        g32 = single.objective(X, y, loss="cross_entropy").gradient(single.theta)
        assert g32.dtype == np.float32
        assert np.abs(g32 - g).max() <= 1e-5 * np.abs(g).max(), name


def test_a_loss_without_second_derivative_is_refused_in_a_sentence():
    net = chain(dtype="float64", n_out=1)
    with pytest.raises(fnn.CapabilityError, match="no curvature"):
        step = fnn.Network(
            3, [fnn.Dense(2, fnn.Activation("bare", value, slope)), fnn.Dense(1)], dtype="float64"
        )
        step.objective(rows(step, 3), np.zeros(3), loss="squared_error").hvp(step.theta, step.theta)
    with pytest.raises(fnn.CapabilityError, match="row_curvature"):
        bare = fnn.Loss("bare", row=row)
        net.objective(rows(net, 3), np.zeros(3), loss=bare).hvp(net.theta, net.theta)


def value(z):
    return z * z


def slope(z, a):
    return 2 * z


def row(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] = 2 * d
        total += d * d
    return total
