"""Outputs far from zero through the compiled losses and links, float32 and float64, against SciPy; nothing overflows, no digits are lost."""

import numpy as np
import pytest
from scipy import special

import fastnn as fnn

SIZES = {"float32": (1.0, 20.0, 90.0, 1e4, 3e37), "float64": (1.0, 40.0, 750.0, 1e8, 3e307)}
REL = {"float32": 4e-6, "float64": 1e-13}


def through(n, dtype):
    """A network whose outputs are its inputs."""
    return fnn.Network(n, [fnn.layers.Activation("identity")], dtype=dtype)


def outputs(dtype, size, n, rows=64):
    rng = np.random.default_rng(n)
    return (size * rng.uniform(-1, 1, (rows, n))).astype(dtype)


def delta(z, y, loss, dtype):
    """dL/dz of each row: the gradient of a bias under a single row."""
    net = fnn.Network(z.shape[1], [fnn.Dense(z.shape[1], initializer="zeros")], dtype=dtype)
    found = []
    for row, target in zip(z, y, strict=True):
        net.parameters["0/b"][:] = row
        g = net.objective(np.zeros((1, len(row))), target[None], loss=loss, threads=1).gradient(net.theta)
        found.append(g[-len(row) :])
    return np.array(found)


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("n", [2, 3, 10])
def test_cross_entropy_equals_scipy(dtype, n):
    for size in SIZES[dtype]:
        z, y = outputs(dtype, size, n), np.random.default_rng(1).integers(0, n, 64)
        exact = z.astype(np.float64)
        net = through(n, dtype)
        losses = -special.log_softmax(exact, axis=1)[np.arange(64), y]
        got = [net.evaluate(z[s : s + 1], y[s : s + 1], loss="cross_entropy")["loss"] for s in range(16)]
        assert got == pytest.approx(losses[:16], rel=REL[dtype], abs=REL[dtype]), size
        assert delta(z[:6], y[:6], "cross_entropy", dtype) == pytest.approx(
            special.softmax(exact[:6], axis=1) - np.eye(n)[y[:6]], rel=1e3 * REL[dtype], abs=2 * REL[dtype]
        )
        net.fit(z, y, loss="cross_entropy", epochs=0, verbose=False)
        shown = net.predict(z)
        assert shown == pytest.approx(
            special.softmax(exact, axis=1), rel=1e3 * REL[dtype] if size > 1 else REL[dtype], abs=1e-35
        )
        assert shown.sum(axis=1) == pytest.approx(np.ones(64), rel=REL[dtype])


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_the_logistic_of_one_output_equals_scipy(dtype, loss):
    for size in SIZES[dtype]:
        z, y = outputs(dtype, size, 1), np.random.default_rng(2).integers(0, 2, 64)
        exact = z[:, 0].astype(np.float64)
        losses = np.where(y == 1, -special.log_expit(exact), -special.log_expit(-exact))
        net = through(1, dtype)
        got = [net.evaluate(z[s : s + 1], y[s : s + 1], loss=loss)["loss"] for s in range(64)]
        assert got == pytest.approx(losses, rel=REL[dtype], abs=float(np.finfo(dtype).tiny))
        assert delta(z[:8], y[:8], loss, dtype)[:, 0] == pytest.approx(
            special.expit(exact[:8]) - y[:8], rel=1e-6 if dtype == "float64" else 1e-2, abs=2 * REL[dtype]
        )
        net.fit(z, y, loss=loss, epochs=0, verbose=False)
        assert net.predict(z)[:, 0] == pytest.approx(
            special.expit(exact), rel=REL[dtype], abs=float(np.finfo(dtype).tiny)
        )


@pytest.mark.parametrize("dtype", SIZES)
def test_second_derivatives_stay_finite_and_right(dtype):
    for size in SIZES[dtype][:4]:
        z = outputs(dtype, size, 3, 8)
        net = fnn.Network(3, [fnn.Dense(3, initializer="zeros")], dtype=dtype)
        for row in z:
            net.parameters["0/b"][:] = row
            H = net.objective(np.zeros((1, 3)), [1], loss="cross_entropy", threads=1).hessian(net.theta)[
                9:, 9:
            ]
            p = special.softmax(row.astype(np.float64))
            assert pytest.approx(np.diag(p) - np.outer(p, p), abs=2 * REL[dtype]) == H


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "softplus", "softmax", "elu", "gelu", "swish"])
def test_activations_far_out_equal_scipy(dtype, activation):
    oracle = {
        "logistic": special.expit,
        "tanh": np.tanh,
        "softplus": lambda z: np.logaddexp(0, z),
        "softmax": lambda z: special.softmax(z, axis=1),
        "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        "gelu": lambda z: z * special.ndtr(z),
        "swish": lambda z: z * special.expit(z),
    }[activation]
    for size in SIZES[dtype]:
        z = outputs(dtype, size, 4)
        a = fnn.Network(4, [fnn.layers.Activation(activation)], dtype=dtype)(z)
        with np.errstate(all="ignore"):
            expected = oracle(z.astype(np.float64))
        assert np.isfinite(a).all()
        # exp of a rounded difference: an error of size times eps in the exponent
        eps = float(np.finfo(dtype).eps)
        rel = max(REL[dtype], 40 * eps * min(size, 100))
        assert a == pytest.approx(
            expected, rel=rel, abs=eps * (1 if activation in ("gelu", "swish") else 1e-3)
        )
