"""1989: one hidden layer approximates, at the rates that theory has for each construction; what depth adds."""

import numpy as np
import pytest

from fastnn.examples import approximation, depth


@pytest.mark.parametrize(("way", "ratio"), [("staircase", 1 / 2), ("broken_line", 1 / 4)])
def test_the_error_of_a_construction_falls_at_its_rate(way, ratio):
    make = getattr(approximation, way)
    errors = [approximation.error(make(n)) for n in (32, 64, 128)]
    assert errors[1] / errors[0] == pytest.approx(ratio, rel=0.15)
    assert errors[2] / errors[1] == pytest.approx(ratio, rel=0.15)


def test_a_broken_line_is_f_at_every_bend_and_within_its_bound():
    n = 20
    net = approximation.broken_line(n)
    bends = np.linspace(-1, 1, n + 1)[:, None]
    np.testing.assert_allclose(net(bends), approximation.f(bends), atol=1e-12)
    x = np.linspace(-1, 1, 20_001)
    curvature = np.abs(np.gradient(np.gradient(approximation.f(x), x), x)).max()
    assert approximation.error(net) <= curvature * (2 / n) ** 2 / 8


def test_few_trained_units_beat_every_construction_and_many_do_not_reach_least_squares():
    eight = approximation.error(approximation.trained(8, seed=0))
    made = [approximation.staircase(8), approximation.broken_line(8), approximation.least_squares(8)]
    assert eight < min(map(approximation.error, made)) / 4
    many = approximation.error(approximation.trained(64, seed=0, epochs=500))
    assert approximation.error(approximation.least_squares(64)) < many / 30


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_deep_and_wide_are_the_same_sawtooth_with_6k_and_3_times_2_to_the_k_parameters(k):
    deep, wide = depth.deep(k), depth.wide(k)
    assert deep.theta.size == 6 * k + 1 and wide.theta.size == 3 * 2**k + 1
    x = np.linspace(0, 1, 4001)[:, None]
    for net in (deep, wide):
        np.testing.assert_allclose(net(x), depth.sawtooth(x, k), atol=1e-10)
    corners = np.arange(2**k + 1)[:, None] / 2**k
    assert deep(corners)[:, 0].round(9).tolist() == [i % 2 for i in range(2**k + 1)]  # 2^k pieces, no fewer


def test_with_too_few_units_the_first_pieces_are_right_and_the_rest_is_level():
    net, x = depth.wide(4, units=8), np.linspace(0, 1, 1601)[:, None]
    early = x[:, 0] <= 6.5 / 16
    np.testing.assert_allclose(net(x)[early], depth.sawtooth(x, 4)[early], atol=1e-12)
    np.testing.assert_allclose(net(x)[~early], 0.5, atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 6])
def test_trained_networks_have_the_parameters_they_are_allowed_and_hardly_fewer(layers):
    import fastnn as fnn

    n = depth.width(layers, 300)
    for units, fits in ((n, True), (n + 1, False)):
        net = fnn.Network(1, [*(fnn.Dense(units) for _ in range(layers)), fnn.Dense(1)])
        assert (net.theta.size <= 300) == fits


def test_three_layers_learn_a_folded_function_better_than_one_of_as_many_parameters():
    name = "cos(16 arccos x)"
    one = depth.error(depth.trained(name, 1, 300, 16.0, seed=0, epochs=600), name)
    three = depth.error(depth.trained(name, 3, 300, 8.0, seed=0, epochs=600), name)
    assert three < 0.75 * one


@pytest.mark.parametrize(
    ("example", "small"),
    [
        (approximation, {"widths": (2, 8), "seeds": 1, "epochs": 100}),
        (depth, {"foldings": 4, "depths": (1, 3), "seeds": 1, "epochs": 20}),
    ],
    ids=["approximation", "depth"],
)
def test_the_example_draws_its_picture_and_has_something_to_say(example, small, tmp_path):
    pytest.importorskip("matplotlib")
    numbers = example.run(**small, out=str(tmp_path / "a.png"))
    assert (tmp_path / "a.png").stat().st_size > 20_000
    assert len(example.report(numbers)) >= 2
