"""Plugins that live in a session: defined anew, changed under way, named like something else; what is compiled is what is there now."""

import sys

import pytest
from fastnn.plugins import softplus, tanh
from fastnn.plugins.softplus import slope as logistic
from fastnn.plugins.softplus import value as soft
from fastnn.plugins.tanh import value as hyperbolic

import fastnn as fnn

QUIET = {"verbose": False, "threads": 1}


def write_module(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    sys.path.insert(0, str(folder))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(folder))


def test_settings_of_a_rule_may_be_called_as_what_the_loop_knows():
    net = fnn.Network(1, [fnn.Dense(1)], dtype="float64")
    before = net.theta.copy()
    rule = fnn.Rule("busy", busy, defaults={"eta": 0.1, "step": 2.0, "seed": 1.5, "row": 1.0})
    net.fit([[1.0]], [2.0], loss="squared_error", optimizer=rule, epochs=1, **QUIET)
    assert net.theta == pytest.approx(before - 0.3 * (before.sum() - 2.0), rel=1e-12)


def busy(w, g, eta, step, seed, row):
    return w - eta * step * seed * row * g


def test_a_loss_that_is_defined_anew_under_its_name_is_used(tmp_path):
    text = "def row(z, y, delta):\n    delta[0] = {0}\n    return {0} * (z[0] - y[0])\n"
    net = fnn.Network(1, [fnn.Dense(1, initializer="zeros")], dtype="float64")
    found = []
    for k, slope in enumerate((1.0, 5.0)):
        module = write_module(tmp_path, f"redefined_loss_{k}", text.format(slope))
        module.row.__module__, module.row.__qualname__ = "__main__", "row"  # as in a notebook
        loss = fnn.Loss("mine", row=module.row)
        found.append(net.evaluate([[1.0]], [-1.0], loss=loss)["loss"])
    assert found == [1.0, 5.0]


def test_a_number_or_a_helper_that_changes_in_its_module_is_seen(tmp_path):
    module = write_module(
        tmp_path, "changing_activation",
        "FACTOR = 2.0\ndef once(z):\n    return z\ndef thrice(z):\n    return 3 * z\n"
        "def value(z):\n    return FACTOR * once(z)\ndef slope(z, a):\n    return FACTOR\n",
    )  # fmt: skip
    activation = fnn.Activation("changing", module.value, module.slope)

    def asked():
        return fnn.Network(1, [fnn.layers.Activation(activation)], dtype="float64")([[1.0]]).item()

    assert asked() == 2.0
    module.FACTOR = 5.0
    assert asked() == 5.0
    module.once = module.thrice
    assert asked() == 15.0


def test_functions_of_one_name_from_two_modules_are_not_mixed_up():
    net = fnn.Network(1, [fnn.layers.Activation(fnn.Activation("mish", mish, mish_slope))], dtype="float64")
    assert net([[0.7]]).item() == pytest.approx(0.7 * tanh.value(softplus.value(0.7)), rel=1e-14)


def mish(z):
    return z * hyperbolic(soft(z))


def mish_slope(z, a):
    t = hyperbolic(soft(z))
    return t + z * (1 - t * t) * logistic(z, a)


def test_what_cannot_be_compiled_is_refused_in_a_sentence(tmp_path):
    module = write_module(
        tmp_path,
        "uncompilable",
        "import math\ndef value(z):\n    return math.comb(z, 2)\ndef slope(z, a):\n    return 1.0\n",
    )
    with pytest.raises(fnn.PluginError, match="comb"):
        fnn.Network(1, [fnn.layers.Activation(fnn.Activation("combs", module.value, module.slope))])([[1.0]])
