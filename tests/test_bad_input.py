"""What cannot work is refused before anything changes: one error of ours, in a sentence that says where and what, and the network as it was."""

import warnings

import numpy as np
import pytest
from cases import GRAPHS

import fastnn as fnn
from fastnn.errors import (
    CapabilityError,
    DataError,
    FastnnError,
    PluginError,
    SettingError,
    ShapeError,
    UnknownNameError,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)), np.array(["no", "so", "yes"] * 4)
VALUES = RNG.normal(size=(12, 3))


def holed(place, value=np.nan, n=12):
    array = np.array(X[:n])
    array[place] = value
    return array


def trained():
    """A network that has something to lose: scaler, labels, loss, history."""
    net = fnn.Network(4, [fnn.Dense(5, "tanh"), fnn.Dense(3)], seed=1)
    net.fit(X, Y, epochs=2, scale="standardise", verbose=False, threads=1)
    return net


def everything(net):
    scaler = (
        None
        if net.scaler is None
        else (net.scaler.kind, net.scaler.shift.tobytes(), net.scaler.scale.tobytes())
    )
    classes = None if net.classes is None else net.classes.tolist()
    return net.theta.tobytes(), scaler, classes, net.loss, net.features, len(net.history), net(X).tobytes()


FITS = [
    # X
    ((X[:, :3], Y), {}, ShapeError, r"X does not fit the network's input\n  got +\(12, 3\)\n  expected +\(rows, 4\)"),
    ((X[0], Y[:1]), {}, ShapeError, r"one sample, not a batch(.|\n)*X\[None\]"),
    ((X[:, :, None], Y), {}, ShapeError, "X does not fit"),
    ((3.0, Y), {}, ShapeError, "X does not fit"),
    ((X[:0], Y[:0]), {}, DataError, "no rows to train on"),
    (([], []), {}, ShapeError, "X does not fit"),
    ((holed((7, 2)), Y), {}, DataError, r"X has 1 values that are not finite\n  got +X\[7, 2\] = nan"),
    ((holed((7, 2), np.inf), Y), {"validation": 0.5, "seed": 3}, DataError, r"X\[7, 2\] = inf"),
    ((holed((5, 0), 1e300), Y), {}, DataError, r"X has numbers that float32 cannot hold\n  got +X\[5, 0\] = 1e\+300"),
    ((X.astype(str), Y), {}, DataError, "X is not an array of numbers"),
    ((np.array([["a"] * 4] * 12, dtype=object), Y), {}, DataError, "X is not an array of numbers"),
    ((X.astype(complex), Y), {}, DataError, "complex"),
    (([[1.0, 2, 3, 4], [1.0, 2]], Y[:2]), {}, DataError, "X is not an array of numbers"),
    ((None, Y), {}, FastnnError, "X"),
    # y
    ((X, Y[:11]), {}, ShapeError, r"X and y have different numbers of rows\n  got +12 and 11"),
    ((X, "no"), {}, FastnnError, "y"),
    ((X, np.array([0, 1, 2, 3] * 3)), {}, DataError, r"y has 4 classes, but the network has 3 outputs(.|\n)*Dense\(4\)"),
    ((X, np.array([0.5, 1, 2] * 4)), {}, DataError, "y has fractions"),
    ((X, np.array([0.0, np.nan, 2] * 4)), {}, DataError, "y"),
    ((X, np.array(["a", None, "b"] * 4, dtype=object)), {}, DataError, r"labels missing\n  got +y\[1\] = None"),
    ((X, VALUES[:, :2]), {"loss": "squared_error"}, ShapeError, r"y does not fit(.|\n)*\(rows, 3\)"),
    ((X, VALUES[:, 0]), {"loss": "squared_error"}, ShapeError, "y does not fit"),
    ((X, np.where(VALUES > 2, np.inf, np.where(abs(VALUES) < 0.1, np.nan, VALUES))), {"loss": "squared_error"}, DataError, r"y\[\d+, \d\]"),
    ((X, Y), {"loss": "squared_error"}, DataError, "y is not an array of numbers"),
    ((X, VALUES), {"loss": "hinge"}, FastnnError, r"'hinge' does not take this target\n  got +y\[0, 0\](.|\n)*-1 and \+1"),
    # names
    ((X, Y), {"optimizer": "adagard"}, UnknownNameError, "unknown optimizer 'adagard'; did you mean 'adagrad'"),
    ((X, Y), {"loss": "crossentropy_"}, None, ""),
    ((X, Y), {"loss": "cross_entrophy"}, UnknownNameError, "did you mean 'cross_entropy'"),
    ((X, Y), {"optimizer": 3}, SettingError, "not an optimizer"),
    ((X, Y), {"loss": np.mean}, FastnnError, "not a loss"),
    ((X, Y), {"epoch": 3}, SettingError, "fit has no argument 'epoch'; did you mean 'epochs'"),
    ((X, Y), {"optimizer": "adam", "betal": 0.5}, SettingError, "no setting 'betal'; did you mean 'beta1'"),
    ((X, Y), {"optimizer": "adam", "eta": "fast"}, SettingError, "setting 'eta' is not a number"),
    ((X, Y), {"optimizer": "adam", "schedule": "cosinus"}, UnknownNameError, "did you mean 'cosine'"),
    ((X, Y), {"scale": "standard_ise_"}, FastnnError, "scal"),
    ((X, Y), {"scale": "maxmin"}, FastnnError, "scal"),
    # numbers
    ((X, Y), {"epochs": -1}, SettingError, r"epochs is not a whole number\n  got +-1\n  expected +0 or more"),
    ((X, Y), {"epochs": 2.5}, SettingError, "epochs"),
    ((X, Y), {"batch_size": 0}, SettingError, "batch_size"),
    ((X, Y), {"batch_size": 3.5}, SettingError, "batch_size"),
    ((X, Y), {"batch_size": "all"}, SettingError, "batch_size"),
    ((X, Y), {"optimizer": "newton", "batch_size": -1}, SettingError, "batch_size"),
    ((X, Y), {"validation": 1.5}, SettingError, "validation is a share"),
    ((X, Y), {"validation": -0.1}, SettingError, "validation is a share"),
    ((X, Y), {"validation": 0.99}, DataError, "leaves no rows"),
    ((X, Y), {"validation": (X,)}, SettingError, "pair"),
    ((X, Y), {"validation": (X[:, :2], Y)}, ShapeError, "does not fit"),
    ((X, Y), {"validation": (X, Y[:3])}, ShapeError, "different numbers of rows"),
    ((X, Y), {"validation": (X, np.array(["maybe"] * 12))}, DataError, "label that the network was not trained on(.|\n)*maybe"),
    ((X, Y), {"threads": 0}, SettingError, "threads"),
    ((X, Y), {"threads": 2.0}, SettingError, "threads"),
    ((X, Y), {"threads": 100_000}, SettingError, r"threads is too large\n  got +100000\n  expected +1 to 1024"),
    ((X, Y), {"epochs": "3"}, SettingError, r"epochs is not a whole number\n  got +'3'"),
    ((X, Y), {"eta": -1}, SettingError, r"'eta' is out of its domain\n  got +-1.0\n  expected +eta >= 0"),
    ((X, Y), {"seed": "today"}, SettingError, "seed"),
    ((X, Y), {"seed": 0.5}, SettingError, "seed"),
    ((X, Y), {"sample_weight": np.ones(11)}, ShapeError, "sample_weight"),
    ((X, Y), {"sample_weight": np.ones(11), "validation": 0.5}, ShapeError, "sample_weight"),
    ((X, Y), {"sample_weight": -np.ones(12)}, DataError, "negative"),
    ((X, Y), {"sample_weight": np.zeros(12)}, DataError, "all zero"),
    ((X, Y), {"sample_weight": np.full(12, np.nan)}, DataError, "sample_weight"),
    ((X, Y), {"class_weight": {"perhaps": 2.0}}, DataError, "'perhaps'.*no classes|no classes"),
    ((X, Y), {"class_weight": "even"}, DataError, "class_weight"),
    ((X, Y), {"class_weight": 3}, DataError, "class_weight is no mapping"),
    ((X, Y), {"class_weight": {"no": "much"}}, FastnnError, "class_weight holds what is no number"),
    ((X, VALUES), {"loss": "squared_error", "class_weight": "balanced"}, DataError, "class labels"),
    ((X, Y), {"callbacks": [print]}, SettingError, "not a callback"),
    ((X, Y), {"callbacks": fnn.EarlyStopping}, SettingError, "callback"),
    ((X, Y), {"callbacks": 3}, SettingError, "3 is not a callback"),
    ((X, Y), {"callbacks": "all"}, SettingError, "'all' is not a callback"),
    ((X, Y), {"verbose": "loud"}, SettingError, r"verbose is neither yes nor no\n  got +'loud'\n  expected +True or False"),
    ((X, Y), {"shuffle": "no"}, SettingError, "shuffle is neither yes nor no"),
    ((X, Y), {"resume": 3}, SettingError, "resume is no path"),
    ((X, Y), {"resume": "nowhere.safetensors"}, (FastnnError, FileNotFoundError), "nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "options", "kind", "sentence"), FITS)
def test_a_fit_that_cannot_work_changes_nothing(data, options, kind, sentence):
    net = trained()
    before = everything(net)
    if kind is None:  # case and underscores do not matter
        net.fit(*data, **({"epochs": 0, "verbose": False} | options))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(kind, match=sentence) as caught:
            net.fit(*data, **({"epochs": 1, "verbose": False} | options))
    assert len(str(caught.value)) < 600
    assert everything(net) == before


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (lambda net: net(X[0, :3]), ShapeError, r"got +\(3,\)\n  expected +\(rows, 4\)"),
        (lambda net: net.evaluate(X[0], Y[:1]), ShapeError, r"X\[None\]"),
        (lambda net: net(X[:, :3]), ShapeError, "expected"),
        (lambda net: net(holed((3, 1))), DataError, r"X\[3, 1\] = nan"),
        (lambda net: net(X, threads=-1), SettingError, "threads"),
        (lambda net: net.predict(X.astype(str)), DataError, "numbers"),
        (lambda net: net.evaluate(X, Y[:3]), ShapeError, "different numbers of rows"),
        (lambda net: net.evaluate(X, ["never"] * 12), DataError, "not trained on"),
        (lambda net: net.objective(X, Y[:5]), ShapeError, "different numbers of rows"),
        (lambda net: net.objective(X[:0], Y[:0]), DataError, "an objective needs rows"),
        (lambda net: net.objective(X, Y).gradient(np.zeros(3)), ShapeError, "theta"),
        (lambda net: net.objective(X, Y).hvp(net.theta, np.zeros((2, 2))), ShapeError, "v is not"),
        (lambda net: setattr(net, "theta", np.zeros(3)), ShapeError, "theta"),
        (lambda net: net.parameters["0/w"], (KeyError, FastnnError), "0/w"),
        (lambda net: net.plan(batch=4, mode="train", loss="hinge"), UnknownNameError, "mode of a plan"),
    ],
)
def test_a_question_that_cannot_be_answered_changes_nothing(ask, kind, sentence):
    net = trained()
    before = everything(net)
    with pytest.raises(kind, match=sentence):
        ask(net)
    assert everything(net) == before


@pytest.mark.parametrize(
    ("build", "kind", "sentence"),
    [
        (lambda: fnn.Network(0), ShapeError, "number of features"),
        (lambda: fnn.Network((2, -1)), ShapeError, "number of features"),
        (lambda: fnn.Network(2.5), ShapeError, "number of features"),
        (lambda: fnn.Network("4"), ShapeError, "number of features"),
        (lambda: fnn.Network(4, dtype="float16"), SettingError, "dtype"),
        (lambda: fnn.Network(4, dtype="real"), SettingError, "dtype"),
        (lambda: fnn.Network(4, seed="x"), SettingError, "seed"),
        (
            lambda: fnn.Network(4, [fnn.Dense(3, "sigmod")]),
            UnknownNameError,
            "unknown activation 'sigmod'; did you mean 'sigmoid'",
        ),
        (lambda: fnn.Network(4, [fnn.Dense(0)]), ShapeError, "Dense"),
        (lambda: fnn.Network(4, [fnn.Dense(2.5)]), ShapeError, "Dense"),
        (lambda: fnn.Network(4, [fnn.Dense(3, initializer="glorot")]), UnknownNameError, "glorot_uniform"),
        (lambda: fnn.Network(4, ["dens"]), UnknownNameError, "did you mean 'dense'"),
        (lambda: fnn.Network(4, ["dense"]), SettingError, "dense.* needs n_out"),
        (lambda: fnn.Network(4, [fnn.Dense]), SettingError, "needs n_out"),
        (lambda: fnn.Network(4, [3]), SettingError, "not a layer"),
        (lambda: fnn.Network((2, 3), [fnn.Dense(3)]), ShapeError, r"Flatten\(\)"),
        (lambda: fnn.Network((2, 3), [fnn.layers.Activation("softmax")]), ShapeError, r"Flatten\(\)"),
        (lambda: fnn.Network(4, [fnn.Dropout(1.0)]), SettingError, "rate"),
        (lambda: fnn.Network(4, [fnn.Dropout("half")]), SettingError, "dropout rate"),
        (lambda: fnn.Network(4, [fnn.Add()]), ShapeError, "layer '0'.*add joins two or more"),
        (lambda: fnn.Network(4)(X), FastnnError, "no output yet"),
        (lambda: fnn.Network(4).fit(X, Y), FastnnError, "no output yet"),
        (
            lambda: fnn.Network((2, 2), [fnn.layers.Activation("tanh")]).fit(np.zeros((2, 2, 2)), [0, 1]),
            ShapeError,
            "reads rows",
        ),
        (lambda: fnn.activations.sigmod, (AttributeError, FastnnError), "sigmoid"),
        (lambda: fnn.optimizers.Adam(etta=1), SettingError, "did you mean 'eta'"),
        (lambda: fnn.losses.huber(threshold="x"), SettingError, "not a number"),
        (lambda: fnn.Rule("x", lambda w, g: w, defaults={"eta": 1.0}), PluginError, "lambda"),
        (lambda: fnn.Denss, AttributeError, "Denss"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_in_a_sentence(build, kind, sentence):
    with pytest.raises(kind, match=sentence):
        build()


def test_shapes_that_do_not_join_are_refused_and_the_network_goes_on():
    net = fnn.Network(4)
    a = net.apply("a", fnn.Dense(3), net.input)
    with pytest.raises(ShapeError, match=r"layer 'sum'.*\n  got +\(3,\), \(4,\)"):
        net.apply("sum", fnn.Add(), a, net.input)
    with pytest.raises(FastnnError, match="a layer cannot be called 'a'"):
        net.apply("a", fnn.Dense(3), net.input)
    other = fnn.Network(4)
    with pytest.raises(FastnnError, match="no node of this network"):
        net.apply("foreign", fnn.Dense(3), other.input)
    net.output = net.apply("sum", fnn.Dense(2), a)
    assert net(X).shape == (12, 2) and list(net.parameters) == ["a/W", "a/b", "sum/W", "sum/b"]


def test_a_layer_that_fails_leaves_no_parameters_behind():
    class Fails:
        name = "fails"

        def __call__(self, net, a):
            net.parameter("W", (3, 3), "zeros")
            raise ShapeError("on purpose")

    net = fnn.Network(4, [fnn.Dense(3)])
    with pytest.raises(ShapeError, match="on purpose"):
        net.apply("broken", Fails(), net.output)
    net.output = net.apply("fine", fnn.Dense(2), net.output)
    assert list(net.parameters) == ["0/W", "0/b", "fine/W", "fine/b"]
    assert net.theta.size == sum(view.size for view in net.parameters.values())


def test_capabilities_are_refused_before_training():
    net = GRAPHS["chain"]()
    bare = fnn.Activation("bare", square, twice)
    broken = fnn.Network(3, [fnn.Dense(2, bare), fnn.Dense(3)], dtype="float64")
    with pytest.raises(CapabilityError, match=r"newton needs .* no curvature"):
        broken.fit(np.zeros((4, 3)), [0, 1, 2, 0], optimizer="newton", verbose=False)
    assert net.loss is None and broken.loss is None


class Asks:
    """A solver that says what it needs."""

    name = "asks"

    def __init__(self, needs):
        self.needs = needs

    def start(self, theta):
        return {}

    def step(self, objective, theta, state):
        return state


@pytest.mark.parametrize(
    ("needs", "sentence"),
    [
        (("value", "hessain"), "needs 'hessain', which no objective answers; did you mean 'hessian'"),
        ("hvp", "needs is no tuple of names"),
        (None, "needs is no tuple of names"),
    ],
)
def test_what_a_solver_needs_is_something_that_an_objective_answers(needs, sentence):
    net = GRAPHS["chain"]()
    with pytest.raises(PluginError, match=sentence):
        net.fit(np.zeros((4, *net.input_shape)), [0, 1, 2, 0], optimizer=Asks(needs), epochs=1, verbose=False)


def test_second_order_without_parameters_is_refused_by_name():
    net = fnn.Network(3, [fnn.layers.Activation("tanh")], seed=0)
    data = np.ones((4, 3)), np.zeros((4, 3))
    with pytest.raises(CapabilityError, match=r"asks needs hvp, but .*no parameter"):
        net.fit(*data, loss="squared_error", optimizer=Asks(("hvp",)), epochs=1, verbose=False)
    with pytest.raises(CapabilityError, match="no parameter"):
        net.objective(*data, loss="squared_error").hvp(net.theta, net.theta)


def square(z):
    return z * z


def twice(z, a):
    return 2 * z
