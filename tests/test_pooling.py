"""Pooling: which windows there are, what they give, where gradients go; against loops in NumPy that follow ONNX's definition."""

from math import ceil, floor

import numpy as np
import pytest

import fastnn as fnn

CASES = [
    {"kernel": 2},
    {"kernel": 3, "stride": 2, "padding": 1},
    {"kernel": 3, "stride": 2, "padding": 1, "ceil": True},
    {"kernel": (3, 2), "stride": (1, 3), "padding": ((1, 0), (0, 1)), "ceil": True},
    {"kernel": (2, 5), "stride": (3, 2), "padding": (1, 2)},
]


def pooled(a, kernel, stride=None, padding=0, dilation=1, ceil_=False, value=np.max):
    """One channel, pixel by pixel; `value` gets the numbers of a window, and how many pixels it has up to the end of the padding."""
    pair = lambda n: n if isinstance(n, tuple) else (n, n)
    kernel, dilation = pair(kernel), pair(dilation)
    stride = kernel if stride is None else pair(stride)
    sides = tuple(p if isinstance(p, tuple) else (p, p) for p in pair(padding))
    counts, starts = [], []
    for n, k, s, (before, after), d in zip(a.shape, kernel, stride, sides, dilation, strict=True):
        count = (ceil if ceil_ else floor)((n + before + after - d * (k - 1) - 1) / s) + 1
        if ceil_ and (count - 1) * s >= n + before:
            count -= 1
        counts.append(count)
        starts.append([m * s - before for m in range(count)])
    z = np.empty(counts, a.dtype)
    for u, y0 in enumerate(starts[0]):
        for v, x0 in enumerate(starts[1]):
            places = [
                (y0 + p * dilation[0], x0 + q * dilation[1])
                for p in range(kernel[0])
                for q in range(kernel[1])
            ]
            inside = [a[y, x] for y, x in places if 0 <= y < a.shape[0] and 0 <= x < a.shape[1]]
            framed = [1 for y, x in places if y < a.shape[0] + sides[0][1] and x < a.shape[1] + sides[1][1]]
            z[u, v] = value(np.array(inside)) if value is np.max else value(np.array(inside), len(framed))
    return z


def image(shape=(2, 7, 9), seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def asked(layer, a, dtype="float64"):
    return fnn.Network(a.shape, [layer], dtype=dtype)(a)


@pytest.mark.parametrize("settings", [*CASES, {"kernel": (3, 2), "stride": 1, "dilation": (2, 3)}], ids=str)
def test_max_pooling_is_the_largest_number_of_each_window(settings):
    a = image()
    options = {"ceil_": settings.get("ceil", False)} | {k: v for k, v in settings.items() if k != "ceil"}
    expected = np.stack([pooled(plane, **options) for plane in a])
    assert (asked(fnn.MaxPool(**settings), a) == expected).all()


@pytest.mark.parametrize("count_padding", [False, True])
@pytest.mark.parametrize("settings", CASES, ids=str)
def test_average_pooling_counts_the_padding_or_not(settings, count_padding):
    a = image()

    def mean(inside, framed):
        return inside.sum() / (framed if count_padding else inside.size)

    options = {"ceil_": settings.get("ceil", False)} | {k: v for k, v in settings.items() if k != "ceil"}
    expected = np.stack([pooled(plane, value=mean, **options) for plane in a])
    got = asked(fnn.AveragePool(**settings, count_padding=count_padding), a)
    assert got == pytest.approx(expected, rel=1e-12)


def test_no_window_begins_in_the_padding_behind():
    assert fnn.Network((1, 3, 3), [fnn.MaxPool(1, stride=2, ceil=True)]).output.shape == (1, 2, 2)
    # 2 + 2 of padding, windows of 1 every 3: rounded up there would be 2, and the second begins behind the image
    net = fnn.Network((1, 2, 2), [fnn.MaxPool(2, stride=3, padding=1, ceil=True)])
    assert net.output.shape == (1, 1, 1)


def test_global_pooling_gives_one_pixel():
    a = image((3, 5, 7))
    assert asked(fnn.GlobalMaxPool(), a)[:, 0, 0].tolist() == a.max(axis=(1, 2)).tolist()
    assert asked(fnn.GlobalAveragePool(), a)[:, 0, 0] == pytest.approx(a.mean(axis=(1, 2)), rel=1e-13)
    large = image((2, 20, 30), dtype="float32")  # more numbers than lanes, and a rest
    assert asked(fnn.GlobalMaxPool(), large, "float32")[:, 0, 0].tolist() == large.max(axis=(1, 2)).tolist()
    exact = large.astype("float64").mean(axis=(1, 2))
    assert asked(fnn.GlobalAveragePool(), large, "float32")[:, 0, 0] == pytest.approx(exact, abs=1e-7)


def shifted(shape, layer):
    """shape -> + one parameter for each pixel -> the layer -> a row."""
    net = fnn.Network(int(np.prod(shape)), dtype="float64")
    scaled = net.apply("shift", fnn.Dense(int(np.prod(shape))), net.input)
    net.parameters["shift/W"][...] = np.eye(int(np.prod(shape)))
    node = net.apply("pool", layer, net.apply("image", fnn.layers.Reshape(shape), scaled))
    net.output = net.apply("row", fnn.layers.Flatten(), node)
    return net


@pytest.mark.parametrize("layer", [fnn.MaxPool(2), fnn.GlobalMaxPool()], ids=["windows", "global"])
def test_a_tie_sends_its_gradient_to_the_first(layer):
    net = shifted((1, 2, 2), layer)
    g = net.objective([[1.0, 1.0, 1.0, 0.0]], [[0.0]], loss="squared_error").gradient(net.theta)
    start = net.graph.parameters["shift/b"].offset
    assert g[start:].tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "layer",
    [fnn.MaxPool(2), fnn.AveragePool(2), fnn.GlobalMaxPool(), fnn.GlobalAveragePool()],
    ids=lambda x: x.name,
)
@pytest.mark.parametrize("place", [(0, 0), (1, 1)])
def test_nan_wins(layer, place):
    net = shifted((1, 2, 2), layer)
    net.parameters["shift/b"].reshape(2, 2)[place] = np.nan
    assert np.isnan(net(np.ones((1, 4)))).all()
    assert np.isnan(net.objective(np.ones((1, 4)), [[0.0]], loss="squared_error").value(net.theta))


def test_a_window_of_minus_infinities_has_a_place_too():
    net = shifted((1, 2, 2), fnn.MaxPool(2))
    net.parameters["shift/b"][...] = -np.inf
    assert net(np.ones((1, 4)))[0, 0] == -np.inf


@pytest.mark.parametrize(
    ("layer", "shape", "match"),
    [
        (fnn.MaxPool(2), (4,), "moves over images"),
        (fnn.GlobalAveragePool(), (4,), "moves over images"),
        (fnn.MaxPool(5), (1, 4, 4), "reaches over 5 pixels"),
        (fnn.AveragePool(2, padding=2), (1, 4, 4), "in the padding alone"),
    ],
)
def test_what_does_not_fit_is_refused(layer, shape, match):
    with pytest.raises(fnn.ShapeError, match=match):
        fnn.Network(shape, [layer])


@pytest.mark.parametrize(
    "settings",
    [{"kernel": 0}, {"kernel": 2, "stride": "a"}, {"kernel": 2, "padding": -1}, {"kernel": (1, 2, 3)}],
)
def test_settings_that_are_no_numbers_are_refused(settings):
    with pytest.raises(fnn.SettingError):
        fnn.MaxPool(**settings)
