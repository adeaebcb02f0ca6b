"""Contracts: settings, refusals in sentences, equality, pickling."""

import copy
import pickle

import numpy as np
import pytest

from fastnn.contracts import Activation, Initializer, Layer, Loss, RowActivation, Rule, Schedule, class_config
from fastnn.errors import FastnnError, MissingExtraError, PluginError, SettingError, need_extra


def value(z, alpha):
    return alpha * z


def slope(z, a, alpha):
    return alpha


def step(w, g, total, eta, t, epsilon):
    return w - eta * g / (epsilon + t), total


def rates(eta, t, steps, power):
    return eta * (1 - t / steps) ** power


scaled = Activation("scaled", value, slope, defaults={"alpha": 2.0}, aliases=("times",))
rule = Rule("rule", step, state=("total",), defaults={"eta": 0.1, "epsilon": 1e-8})
linear = Schedule("linear", rates, defaults={"power": 1.0})
PARTS = [scaled, rule, linear]
each = pytest.mark.parametrize("part", PARTS, ids=repr)


def test_settings_by_call_give_a_copy():
    changed = scaled(alpha=3)
    assert changed.settings == {"alpha": 3.0}
    assert scaled.settings == {"alpha": 2.0}
    assert changed.config() == {"name": "scaled", "alpha": 3.0}
    assert changed(alpha=2.0) == scaled
    assert hash(changed(alpha=2.0)) == hash(scaled)
    assert changed != scaled


@each
def test_a_part_survives_pickle_and_copy(part):
    for twin in (pickle.loads(pickle.dumps(part)), copy.deepcopy(part), copy.copy(part)):
        assert twin == part
        assert twin.settings == part.settings


@each
def test_a_part_is_frozen(part):
    with pytest.raises(AttributeError):
        part.name = "other"
    with pytest.raises(TypeError):
        part.defaults["alpha"] = 7
    part.settings["alpha"] = 7
    assert part.settings.get("alpha") != 7


def test_an_unknown_setting_names_near_misses():
    with pytest.raises(SettingError, match=r"'scaled' has no setting 'alfa'; did you mean 'alpha'\?"):
        scaled(alfa=1.0)


@pytest.mark.parametrize("wrong", ["0.1", None, [1], 1j])
def test_a_setting_that_is_no_number_is_refused(wrong):
    with pytest.raises(SettingError, match="'alpha' is not a number"):
        scaled(alpha=wrong)


def test_a_number_of_numpy_becomes_a_python_number():
    assert type(scaled(alpha=np.float32(0.5)).settings["alpha"]) is float
    assert type(Activation("a", value, slope, defaults={"alpha": np.int64(1)}).defaults["alpha"]) is int


def test_a_flag_takes_true_false_zero_or_one():
    flagged = Activation("flagged", value, slope, defaults={"alpha": False})
    assert flagged(alpha=1).settings == {"alpha": True}
    with pytest.raises(SettingError, match="'alpha' is a flag"):
        flagged(alpha=2)


def test_a_rule_takes_a_schedule_as_a_setting():
    assert rule(schedule="cosine").schedule == "cosine"
    assert rule(schedule="cosine").config() == {"name": "rule", "schedule": "cosine"}
    assert rule(schedule=linear(power=2)).config()["schedule"] == {"name": "linear", "power": 2.0}
    assert rule(schedule="cosine")(eta=0.3).schedule == "cosine"
    assert rule(schedule="constant") == rule
    with pytest.raises(SettingError, match="schedule is neither a name nor a Schedule"):
        rule(schedule=3)


def test_settings_of_a_function_are_named_in_its_order():
    assert rule.takes(rule.step) == ("eta", "epsilon")
    assert scaled.takes(scaled.slope) == ("alpha",)


def no_state(w, g, eta):
    return w


def other_state(w, g, sum, eta):
    return w, sum


def keyword_only(z, *, alpha):
    return z


def closure():
    factor = 2

    def inner(z):
        return factor * z

    return inner


def plain(z, a):
    return 1.0


def row(z, y, delta):
    return 0.0


REFUSED = {
    "a lambda": (lambda: Activation("f", lambda z: z, plain), "value is a lambda"),
    "a ufunc": (lambda: Activation("f", np.tanh, plain), "value is not a plain Python function"),
    "no function": (lambda: Activation("f", None, plain), "value is not a plain Python function"),
    "a closure": (lambda: Activation("f", closure(), plain), "uses factor of an enclosing function"),
    "keyword-only": (lambda: Activation("f", keyword_only, plain), "keyword-only"),
    "a setting without default": (
        lambda: Activation("f", value, plain),
        "takes 'alpha', which is no setting",
    ),
    "too few arguments": (lambda: Activation("f", plain, keyword_only), "takes 'a', which is no setting"),
    "a name with a dash": (lambda: Activation("my-f", value, slope), "is no|is not an identifier"),
    "aliases as a string": (
        lambda: Activation("f", value, slope, defaults={"alpha": 1}, aliases="g"),
        "aliases is a string",
    ),
    "a rule without eta": (lambda: Rule("r", no_state), "has no default learning rate"),
    "a rule whose state differs": (
        lambda: Rule("r", other_state, state=("total",), defaults={"eta": 1}),
        "arguments after w, g are not the state",
    ),
    "a rule with a forgotten state": (
        lambda: Rule("r", other_state, defaults={"eta": 1}),
        "takes 'sum', which is no setting",
    ),
    "a loss without functions": (lambda: Loss("l"), "neither row nor index"),
    "a curvature without its loss": (lambda: Loss("l", row=row, index_curvature=slope), "index_curvature"),
    "an unknown task": (lambda: Loss("l", row=row, task="ranking"), "unknown task 'ranking'"),
    "a row activation of scalars": (
        lambda: RowActivation("f", plain, row),
        "backward has the wrong arguments",
    ),
    "a schedule of the wrong arguments": (lambda: Schedule("s", rates), "takes 'power', which is no setting"),
    "an initializer of the wrong arguments": (
        lambda: Initializer("i", plain),
        "values has the wrong arguments",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_when_made(case):
    make, words = REFUSED[case]
    with pytest.raises(PluginError, match=words):
        make()


class Wide:
    name = "wide"

    def __init__(self, n_out, activation="identity", scale=1.0):
        self.n_out, self.activation, self.scale = n_out, activation, scale

    def __call__(self, net, a):
        return a


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"defaults": 3}, "defaults is no mapping"),
        ({"state": 3}, "state is no tuple of strings"),
        ({"state": "total"}, r"state is a string(.|\n)*as \('total',\)"),
        ({"state": (1,)}, "state is no tuple of strings"),
        ({"aliases": 3}, "aliases is no tuple of strings"),
        ({"aliases": "other"}, "aliases is a string"),
        ({"domain": 3}, "domain is no tuple of strings"),
        ({"domain": ("epsilon > 0", 3)}, "domain is no tuple of strings"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(wrong, sentence):
    with pytest.raises(PluginError, match=sentence):
        Rule("wrong", step, **{"state": ("total",), "defaults": {"eta": 0.1, "epsilon": 1e-8}, **wrong})


def test_an_argument_that_is_not_kept_is_named():
    class Forgets:
        name = "forgets"

        def __init__(self, rate=0.5): ...

    with pytest.raises(
        PluginError, match=r"'forgets' does not keep the argument 'rate'(.|\n)*self.rate = rate"
    ):
        class_config(Forgets())


def test_class_config_holds_what_differs_from_the_defaults():
    assert class_config(Wide(3)) == {"name": "wide", "n_out": 3}
    config = class_config(Wide(np.int64(3), scaled(alpha=5.0), scale=2.0))
    assert config == {
        "name": "wide",
        "n_out": 3,
        "activation": {"name": "scaled", "alpha": 5.0},
        "scale": 2.0,
    }
    assert type(config["n_out"]) is int
    assert isinstance(Wide(3), Layer)


def test_errors_survive_pickle_with_all_their_lines():
    error = SettingError("what", got=1, expected="two", hint="three")
    twin = pickle.loads(pickle.dumps(error))
    assert str(twin) == str(error) == "what\n  got       1\n  expected  two\n  try       three"
    assert isinstance(twin, FastnnError) and isinstance(twin, ValueError)


def test_a_missing_extra_says_how_to_install_it():
    with pytest.raises(MissingExtraError, match=r'pip install "fastnn\[plot\]"'):
        need_extra("no_such_package.part", "plot")


def test_need_extra_gives_the_module_and_shows_a_broken_one(tmp_path, monkeypatch):
    (tmp_path / "broken_extra.py").write_text("import another_missing_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert need_extra("json.decoder", "x").__name__ == "json.decoder"
    with pytest.raises(ModuleNotFoundError, match="another_missing_package") as caught:
        need_extra("broken_extra", "x")
    assert not isinstance(caught.value, MissingExtraError)
