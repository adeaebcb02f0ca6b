"""What must be equal bit for bit: two runs, the masks of dropout, networks that take turns; and what each way to run a step must agree on."""

import pickle

import numpy as np
import pytest
from on_device import DTYPES, HOWS, agree, choose, compare_fits, dense, numbers, same_bits, tiny, trained

import fastnn as fnn

pytestmark = pytest.mark.cuda
both = pytest.mark.parametrize("dtype", DTYPES)


def total(z, y, delta):
    value = 0.0
    for j in range(len(z)):
        delta[j] = 1.0
        value += z[j] - y[j]
    return value


def masks(device, dtype, steps, batch, width):
    """Parameters whose every change is a sum of masks: powers of two all of them, so that no sum is rounded."""
    half = fnn.initializers.normal(mean=0.5, scale=0.0)
    layers = [
        fnn.Dropout(0.5),
        fnn.layers.Activation("identity"),
        fnn.Dropout(0.5),
        fnn.Dense(2, initializer=half),
    ]
    net = fnn.Network(width, layers, dtype=dtype)
    X, y = np.ones((batch, width)), np.zeros((batch, 2))
    options = {"loss": fnn.Loss("total", row=total), "optimizer": "sgd", "eta": 2.0**-7, "batch_size": batch}
    net.fit(X, y, epochs=steps, seed=11, device=device, verbose=False, **options)
    return net.theta.copy()


@both
@pytest.mark.parametrize(
    ("steps", "batch", "width"),
    [
        pytest.param(1, 1, 40, marks=tiny),
        pytest.param(3, 4, 9, marks=tiny),
        (1, 1, 4096),
        (50, 128, 1000),
    ],
)
def test_dropout_has_the_masks_of_the_cpu(steps, batch, width, dtype):
    found, expected = (masks(device, dtype, steps, batch, width) for device in ("cuda", "cpu"))
    same_bits(found, expected, "masks")
    W = expected[: 2 * width]
    assert len(np.unique(W)) > 1, "some are dropped and some are not"


@both
@pytest.mark.parametrize(
    ("sizes", "n", "batch"),
    [
        pytest.param((4, 5, 2), 9, 4, marks=tiny),
        ((64, 64, 10), 1000, 64),
        ((784, 512, 10), 1000, 128),
        ((1000, 1023, 3), 2000, 1000),
    ],
)
def test_two_runs_have_the_same_bits(sizes, n, batch, dtype):
    X, y = numbers(n, sizes[0], dtype=dtype), numbers(n, sizes[-1], seed=1, dtype=dtype)
    options = {"batch_size": batch, "optimizer": "adam", "eta": 1e-3}
    first = trained(dense(*sizes, dtype=dtype), X, y, "cuda", **options)
    again = trained(dense(*sizes, dtype=dtype), X, y, "cuda", **options)
    same_bits(again[0], first[0], "losses")
    same_bits(again[1], first[1], "parameters")


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_two_runs_on_tensor_cores_have_the_same_bits(precision):
    X, y = numbers(1000, 256), numbers(1000, 10, seed=1)
    options = {"batch_size": 128, "precision": precision}
    first = trained(dense(256, 512, 10), X, y, "cuda", **options)
    again = trained(dense(256, 512, 10), X, y, "cuda", **options)
    same_bits(again[1], first[1], "parameters")


@tiny
def test_two_fits_in_a_row_go_on_where_the_first_ended():
    X, y = numbers(9, 4), numbers(9, 2, seed=1)
    nets = {device: dense(4, 5, 2) for device in ("cuda", "cpu")}
    for device, net in nets.items():
        trained(net, X, y, device)
        trained(net, X[:5], y[:5], device, batch_size=2)
    agree(nets["cuda"].theta, nets["cpu"].theta, 1e-5)


@tiny
def test_parameters_that_were_changed_between_fits_are_seen():
    X, y = numbers(6, 4), numbers(6, 2, seed=1)
    net, other = dense(4, 5, 2), dense(4, 5, 2)
    trained(net, X, y, "cuda")
    net(X, device="cuda")
    net.theta[:] = other.theta
    same_bits(net(X, device="cuda"), other(X, device="cuda"), "outputs")
    same_bits(trained(net, X, y, "cuda")[1], trained(other, X, y, "cuda")[1], "parameters")


@tiny
def test_two_networks_that_take_turns_do_not_disturb_each_other():
    X, y = numbers(6, 4), numbers(6, 2, seed=1)
    Z = numbers(6, 3, seed=2)

    def pair():
        return dense(4, 5, 2), dense(3, 7, 2, activation="logistic", seed=1)

    alone = pair()
    for net, rows in zip(alone, (X, Z), strict=True):
        for _ in range(2):
            trained(net, rows, y, "cuda")
    turns = pair()
    for _ in range(2):
        for net, rows in zip(turns, (X, Z), strict=True):
            trained(net, rows, y, "cuda")
            net(rows, device="cuda")
    for net, other in zip(turns, alone, strict=True):
        same_bits(net.theta, other.theta, "parameters")


@tiny
@pytest.mark.parametrize("how", HOWS)
def test_each_way_to_run_a_step_gives_the_losses_of_the_cpu(how):
    X, y = numbers(9, 4), numbers(9, 2, seed=1)
    with choose(how=how):
        compare_fits(lambda: dense(4, 5, 2), X, y, how, optimizer="adam", eta=0.01)


@pytest.mark.parametrize("how", HOWS)
def test_each_way_runs_a_thousand_steps_alike(how):
    X = numbers(4000, 8)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    options = {"loss": "cross_entropy", "epochs": 5, "batch_size": 20, "eta": 0.05}
    with choose(how=how):
        losses, theta = trained(dense(8, 32, 2), X, y, "cuda", **options)
    expected, theta_of_cpu = trained(dense(8, 32, 2), X, y, "cpu", **options)
    agree(losses, expected, 1e-4, how)
    agree(theta, theta_of_cpu, 1e-3, how)  # a thousand roundings, each carried on by the next step


@tiny
def test_a_way_that_does_not_exist_is_refused():
    with pytest.raises(fnn.errors.FastnnError, match="sideways"), choose(how="sideways"):
        trained(dense(4, 5, 2), numbers(6, 4), numbers(6, 2), "cuda")


@tiny
def test_a_network_that_was_sent_to_the_gpu_stays_there():
    net, X = dense(4, 5, 2), numbers(6, 4)
    expected = net(X)
    net.to("cuda")
    assert net.device.kind == "cuda"
    agree(net(X), expected, 1e-5)
    again = pickle.loads(pickle.dumps(net))
    same_bits(again.theta, net.theta, "parameters")
    net.to("cpu")
    assert net.device.kind == "cpu"
    same_bits(net(X), expected, "outputs")


@tiny
def test_a_unit_of_nan_spoils_no_other_unit():
    net, X = dense(4, 3), numbers(6, 4)
    expected = net(X, device="cuda")
    next(iter(net.parameters.values()))[1] = np.nan
    found = net(X, device="cuda")
    assert np.isnan(found[:, 1]).all()
    same_bits(np.delete(found, 1, axis=1), np.delete(expected, 1, axis=1), "outputs")


@tiny
def test_a_fit_that_diverges_leaves_finite_parameters():
    net = dense(4, 5, 2)
    with pytest.raises(fnn.DivergedError, match=r"not finite at step \d+"):
        trained(net, numbers(6, 4), 1e15 * numbers(6, 2), "cuda", eta=1e20, epochs=20)
    assert np.isfinite(net.theta).all() and np.isfinite(net(numbers(2, 4), device="cuda")).all()


@tiny
def test_callbacks_see_every_epoch():
    seen = []
    look = fnn.LambdaCallback(on_epoch_end=lambda run, row: seen.append((row["epoch"], run.net.theta.copy())))
    net = dense(4, 5, 2)
    trained(net, numbers(6, 4), numbers(6, 2), "cuda", epochs=3, callbacks=look)
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert (seen[0][1] != seen[1][1]).any(), "callbacks see the parameters of their epoch"
    same_bits(seen[-1][1], net.theta, "parameters")


@tiny
def test_a_checkpoint_goes_on_as_if_nothing_had_happened(tmp_path):
    X, y = numbers(9, 4), numbers(9, 2, seed=1)
    whole = trained(dense(4, 5, 2), X, y, "cuda", optimizer="adam", epochs=4)
    path = tmp_path / "half.safetensors"
    trained(dense(4, 5, 2), X, y, "cuda", optimizer="adam", epochs=2, callbacks=fnn.Checkpoint(path))
    net = dense(4, 5, 2)
    found = trained(net, X, y, "cuda", optimizer="adam", epochs=4, resume=path)
    same_bits(found[1], whole[1], "parameters")
