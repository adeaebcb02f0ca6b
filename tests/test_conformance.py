"""Everything that is registered goes through its conformance check, and the checks find what is broken, in a sentence."""

import math

import pytest
from cases import LAYERS, OPS

import fastnn as fnn
from fastnn.ops import Kernel, Op
from fastnn.registry import registry
from fastnn.testing import check_activation, check_layer, check_loss, check_op, check_optimizer

ACTIVATION_SETTINGS = {"elu": [{}, {"alpha": 0.3}], "swish": [{}, {"beta": 2.5}]}
OPTIMIZER_SETTINGS = {
    "sgd": [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
        {"schedule": "cosine"},
    ],
    "newton": [{}, {"method": "cg"}, {"method": "elementwise"}],
}


def enrolled(kind, settings):
    return [(name, chosen) for name in registry.names(kind) for chosen in settings.get(name, [{}])]


@pytest.mark.parametrize(("name", "settings"), enrolled("activation", ACTIVATION_SETTINGS), ids=str)
def test_activation_conforms(name, settings):
    check_activation(name, finite=True, **settings)


@pytest.mark.parametrize(("name", "settings"), enrolled("loss", {}), ids=str)
def test_loss_conforms(name, settings):
    check_loss(name, finite=True, **settings)


@pytest.mark.parametrize(("name", "settings"), enrolled("optimizer", OPTIMIZER_SETTINGS), ids=str)
def test_optimizer_conforms(name, settings):
    check_optimizer(name, **settings)


@pytest.mark.parametrize(("name", "settings"), enrolled("layer", LAYERS), ids=str)
def test_layer_conforms(name, settings):
    check_layer(name, **settings)


@pytest.mark.parametrize(("name", "settings"), enrolled("op", OPS), ids=str)
def test_op_conforms(name, settings):
    check_op(name, **settings)


# ---- broken on purpose
def sine(z):
    return math.sin(z)


def cosine(z, a):
    return math.cos(z)


def slanted(z, a):
    return math.cos(z) + 0.01 * z


def minus_sine(z, a):
    return -math.sin(z)


def plus_sine(z, a):
    return math.sin(z)


def ramp(z):
    return max(z, 0.0)


def up(z, a):
    return 1.0 if z > 0 else 0.0


def ramp_up(z):
    return z if z > 0 else 0.0 * z


def hides(z):
    return z if z > 0 else 0.0


def root(z):
    return math.sqrt(z)


def root_slope(z, a):
    return 0.5 / a


Activation = fnn.Activation
BROKEN_ACTIVATIONS = [
    (
        Activation("broken", sine, slanted),
        r"slope is wrong at z = -30, and it declares no kinks: got -0.1457\d+, but the difference",
    ),
    (Activation("broken", sine, cosine, plus_sine), r"curvature is wrong at z = .*difference of slope"),
    (Activation("broken", ramp, up), "slope is wrong at z = 0, and it declares no kinks"),
    (Activation("broken", hides, up, kinks=(0.0,)), "value of NaN is not NaN"),
    (Activation("broken", root, root_slope, kinks=(0.0,)), "value is nan at z = -"),
    (Activation("tanh", sine, cosine, minus_sine), "a name of it belongs to .*fastnn.* already"),
    (Activation("mine", sine, cosine, aliases=("sigmoid",)), "a name of it belongs to .*fastnn.* already"),
]


@pytest.mark.parametrize(("activation", "sentence"), BROKEN_ACTIVATIONS)
def test_a_broken_activation_is_named(activation, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_activation(activation)


def test_a_sound_activation_of_a_stranger_passes():
    check_activation(Activation("sine_wave", sine, cosine, minus_sine), finite=True)
    check_activation(Activation("ramp_up", ramp_up, up, kinks=(0.0,)), finite=True)


def average(a, z):
    total = 0.0
    for k in range(len(z)):
        total += z[k]
    for k in range(len(z)):
        a[k] = z[k] - total / len(z)


def average_backward(out, delta, z, a):
    average(out, delta)


def forgets(out, delta, z, a):
    for k in range(len(z)):
        out[k] = delta[k]


def test_row_activations_are_held_to_their_jacobian():
    check_activation(fnn.RowActivation("centred", average, average_backward))
    with pytest.raises(AssertionError, match=r"backward is wrong at z = .*place 0"):
        check_activation(fnn.RowActivation("centred", average, forgets))


def square(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] = 2 * d
        total += d * d
    return total


def steep(z, y, delta):
    return 0.5 * square(z, y, delta)


def adds(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] += 2 * d
        total += d * d
    return total


def lazy(z, y, delta):
    d = z[0] - y[0]
    delta[0] = 2 * d
    return d * d


def silent(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        total += (z[j] - y[j]) * (z[j] - y[j])
    return total


def silent_of_a_class(z, y, delta):
    return z[y] * z[y]


def greedy(z, y, delta):
    value = square(z, y, delta)
    z[0] = 0.0
    return value


def forgetful(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        d = z[j] - y[j]
        delta[j] = 2 * d if d * d > 0 else 0.0
        total += d * d if d * d > 0 else 0.0
    return total


def wrong_curvature(z, y, v, out):
    for j in range(len(z)):
        out[j] = v[j]


def curvature(z, y, v, out):
    for j in range(len(z)):
        out[j] = 2 * v[j]


def one_hot(z, y, delta):
    total = 0.0
    for j in range(len(z)):
        d = z[j] - (1.0 if j == y else 0.0)
        delta[j] = 2 * d
        total += d * d
    return total


def off_by_one(z, y, delta):
    value = one_hot(z, y, delta)
    delta[0] -= 1.0
    return value


BROKEN_LOSSES = [
    (
        fnn.Loss("broken", row=steep),
        r"delta is wrong at z = .* place 0: got .* but the difference of the value is",
    ),
    (fnn.Loss("broken", row=silent), r"\(row\): delta is never written; dL/dz_j belongs into delta\[j\]"),
    (fnn.Loss("broken", index=silent_of_a_class), r"\(index\): delta is never written"),
    (fnn.Loss("broken", row=adds), "depends on what lay there"),
    (fnn.Loss("broken", row=lazy), "delta is not fully written for 2 outputs"),
    (fnn.Loss("broken", row=greedy), "z is written to|delta"),
    (fnn.Loss("broken", row=forgetful), "value of NaN is"),
    (fnn.Loss("broken", row=square, row_curvature=wrong_curvature), "curvature is wrong at z"),
    (fnn.Loss("broken", index=off_by_one, task="classification"), r"\(index\): delta is wrong"),
]


@pytest.mark.parametrize(("loss", "sentence"), BROKEN_LOSSES)
def test_a_broken_loss_is_named(loss, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_loss(loss)


def test_a_sound_loss_of_a_stranger_passes():
    check_loss(fnn.Loss("plain_square", row=square, index=one_hot, row_curvature=curvature), finite=True)


def ascends(w, g, eta):
    return w + eta * g


def sleeps(w, g, eta):
    return w + 0.0 * g


def divides(w, g, total, eta):
    total = total + g * g
    return w - eta * g / math.sqrt(total), total


def hidden(w, g, eta):
    return w - eta * min(max(g, -1.0), 1.0) if abs(g) > 0 else w


DEFAULTS = {"eta": 0.01}
BROKEN_RULES = [
    (
        fnn.Rule("broken", ascends, defaults=DEFAULTS),
        "a quadratic went from .* above its bottom|the loss of a quadratic is",
    ),
    (fnn.Rule("broken", sleeps, defaults=DEFAULTS), "in 2000 steps of eta 0.01, not below 0.5 of it"),
    (
        fnn.Rule("broken", divides, state=("total",), defaults=DEFAULTS),
        "w is nan after a first step with gradient 0",
    ),
    (fnn.Rule("broken", hidden, defaults=DEFAULTS), "a gradient that is NaN leaves no NaN in w or the state"),
]


@pytest.mark.parametrize(("rule", "sentence"), BROKEN_RULES)
def test_a_broken_rule_is_named(rule, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_optimizer(rule)


class Curious:
    """Asks for more than it says."""

    name = "curious"
    needs = ("gradient",)

    def __init__(self, eta=0.1):
        self.eta = eta

    def start(self, theta):
        return {}

    def step(self, objective, theta, state):
        objective.hvp(theta, theta)
        return state


class Renamed(Curious):
    name = "renamed"

    def __init__(self, eta=0.1):
        self.rate = eta


class Replaces(Curious):
    """Steps on a copy."""

    name = "replaces"

    def step(self, objective, theta, state):
        theta = theta - self.eta * objective.gradient(theta)
        return state


class Remembers(Curious):
    """Momentum, kept on the object in place of the state that a checkpoint saves."""

    name = "remembers"

    def start(self, theta):
        self.velocity = 0.0 * theta
        return {}

    def step(self, objective, theta, state):
        self.velocity = 0.5 * self.velocity + objective.gradient(theta)
        theta -= self.eta * self.velocity
        return state


class Honest(Remembers):
    name = "honest"

    def start(self, theta):
        return {"velocity": 0.0 * theta}

    def step(self, objective, theta, state):
        velocity = 0.5 * state["velocity"] + objective.gradient(theta)
        theta -= (self.eta * velocity).astype(theta.dtype)
        return {"velocity": velocity}


BROKEN_SOLVERS = [
    (Curious, "asks the objective for hvp, which its needs"),
    (Renamed, "an argument of __init__ is not kept under its own name"),
    (Replaces, "a quadratic went from"),
    (Remembers, "resumed from a checkpoint"),
]


@pytest.mark.parametrize(("solver", "sentence"), BROKEN_SOLVERS)
def test_a_broken_solver_is_named(solver, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_optimizer(solver())


def test_a_sound_solver_of_a_stranger_passes():
    check_optimizer(Honest())


def scaled(i, z, a, w):
    z[i // z.shape[1], i % z.shape[1]] = a[i // z.shape[1], i % z.shape[1]] * w[i % z.shape[1]]


def scaled_backward(i, out, delta, w):
    out[i // out.shape[1], i % out.shape[1]] += (
        delta[i // out.shape[1], i % out.shape[1]] * w[i % out.shape[1]]
    )


def scaled_gradient(i, g, delta, a):
    total = 0.0
    for s in range(a.shape[0]):
        total += delta[s, i] * a[s, i]
    g[i] += total


def adds_in_a_loop(i, g, delta, a):
    for s in range(a.shape[0]):
        g[i] += delta[s, i] * a[s, i]


class Scale(Op):
    """z = w a, feature by feature."""

    name = "scale"
    FORWARD = Kernel("scale.forward", scaled, {"z": "2", "a": "2", "w": "1"})
    BACKWARD = Kernel(
        "scale.backward", scaled_backward, {"out": "2", "delta": "2", "w": "1"}, accumulates=True
    )
    GRADIENT = Kernel("scale.gradient", scaled_gradient, {"g": "1", "delta": "2", "a": "2"}, accumulates=True)

    def shape(self, a, parameters, **attributes):
        return a[0]

    def kernels(self):
        return (self.FORWARD, self.BACKWARD, self.GRADIENT)

    def forward(self, tape, n):
        tape.write(self.FORWARD, n.z, n.a[0], n.parameters[0])

    def backward(self, tape, n):
        tape.add(self.BACKWARD, n.d_a[0], n.delta, n.parameters[0])
        tape.add(self.GRADIENT, n.g[0], n.delta, n.a[0])


class ScaleInPlace(Scale):
    """Says that dC/da may be written over delta, which the gradient of w still reads."""

    backward_in_place = True


class LoopScale(Scale):
    GRADIENT = Kernel(
        "scale.loop_gradient", adds_in_a_loop, {"g": "1", "delta": "2", "a": "2"}, accumulates=True
    )


class WrongScale(Scale):
    def backward(self, tape, n):
        tape.add(self.BACKWARD, n.d_a[0], n.delta, n.parameters[0])
        tape.add(self.GRADIENT, n.g[0], n.delta, n.delta)


@pytest.mark.parametrize("op", [Scale, ScaleInPlace])
def test_a_sound_op_of_a_stranger_passes(op):
    check_op(op(), parameter_shapes=((4,),))


@pytest.mark.parametrize(
    ("op", "sentence"),
    [
        (WrongScale, "gradient is wrong for parameter 'layer/parameter0'"),
        (LoopScale, "gradient is wrong for parameter"),
    ],
)
def test_a_broken_op_is_named(op, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_op(op(), parameter_shapes=((4,),))


class Forgetful:
    """A layer that does not keep its argument."""

    name = "forgetful"

    def __init__(self, n=3):
        self.width = n

    def __call__(self, net, a):
        return net.apply("inner", fnn.Dense(self.width), a)


class Unsteady:
    """A layer that draws its own first values."""

    name = "unsteady"
    drawn = 0

    def __call__(self, net, a):
        Unsteady.drawn += 1
        return net.apply(
            "inner", fnn.Dense(3, initializer=fnn.initializers.normal(mean=float(Unsteady.drawn))), a
        )


class Block:
    """A residual block: sound."""

    name = "residual_block"

    def __init__(self, activation="tanh"):
        self.activation = activation

    def __call__(self, net, a):
        h = net.apply("first", fnn.Dense(a.shape[0], self.activation), a)
        return net.apply("sum", fnn.Add(), net.apply("second", fnn.Dense(a.shape[0]), h), a)


def test_a_broken_layer_is_named():
    with pytest.raises(AssertionError, match="an argument of __init__ is not kept under its own name"):
        check_layer(Forgetful())
    with pytest.raises(AssertionError, match="start from different parameters"):
        check_layer(Unsteady())


def test_a_sound_layer_of_a_stranger_passes():
    check_layer(Block())
    check_layer(Block("softplus"), input_shapes=(3,))
