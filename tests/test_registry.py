"""The registry: look-ups by name, alias, object and config; registering in a session; namespaces; hooks."""

import inspect
import threading

import numpy as np
import pytest

from fastnn import hookspecs
from fastnn.contracts import Activation, Rule, Schedule
from fastnn.errors import PluginError, SettingError, UnknownNameError
from fastnn.hookspecs import KINDS
from fastnn.namespaces import activations, initializers, losses, optimizers, schedules
from fastnn.registry import Registry, registry


def step(w, g, eta):
    return w - eta * g


def value(z):
    return z


def slope(z, a):
    return 1.0


class Halver:
    name = "halver"
    needs = ("value",)

    def __init__(self, factor=0.5, times=1):
        self.factor, self.times = factor, times

    def start(self, theta):
        return None

    def step(self, objective, theta, state):
        theta *= self.factor


class Twice:
    name = "twice"

    def __init__(self, n_out):
        self.n_out = n_out

    def __call__(self, net, a):
        return a


@pytest.fixture
def session():
    """A registry of its own, so that what a test registers stays in the test."""
    return Registry()


BUILT_IN = {
    "activation": "identity step logistic tanh relu leaky_relu elu selu softplus gelu gelu_tanh swish clip softmax log_softmax",
    "layer": "dense activation add concatenate flatten dropout",
    "loss": "squared_error absolute_error huber cross_entropy binary_cross_entropy hinge perceptron",
    "optimizer": "gd sgd adagrad rmsprop adam adamw newton",
    "schedule": "constant inverse_sqrt step cosine",
    "initializer": "glorot_uniform glorot_normal he_uniform he_normal normal uniform zeros orthogonal",
}


@pytest.mark.parametrize("kind", BUILT_IN)
def test_what_is_promised_is_built_in(kind):
    built_in = [e.name for e in registry.entries(kind) if e.distribution == "fastnn"]
    assert set(BUILT_IN[kind].split()) <= set(built_in)


def test_no_plugin_of_the_library_has_a_problem():
    assert [p for p in registry.problems() if "'fastnn'" in p] == []


def test_every_built_in_has_one_name_and_its_aliases_find_it():
    for entry in registry.entries():
        for name in (entry.name, *entry.aliases, entry.name.upper(), entry.name.replace("_", "")):
            assert registry.find(entry.kind, name) is entry.object


def test_names_are_sorted_and_without_aliases():
    names = registry.names("activation")
    assert names == sorted(names)
    assert "sigmoid" not in names


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("activation", "sigmod", "unknown activation 'sigmod'; did you mean 'sigmoid'?"),
        ("optimizer", "adagard", "unknown optimizer 'adagard'; did you mean 'adagrad'"),
        ("loss", "", "unknown loss ''"),
        ("optimiser", "adam", "unknown kind of plugin 'optimiser'; did you mean 'optimizer'?"),
    ],
)
def test_an_unknown_name_lists_near_misses(kind, name, words):
    with pytest.raises(UnknownNameError) as caught:
        registry.get(kind, name)
    assert words in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_get_takes_a_name_an_object_a_class_or_a_config(session):
    session.register(Halver)
    adagrad = session.get("optimizer", "adagrad", eta=0.5)
    assert adagrad == session.get("optimizer", session.get("optimizer", "adagrad"), eta=0.5)
    assert adagrad == session.get("optimizer", {"name": "adagrad", "eta": 0.5})
    assert adagrad == session.get("optimizer", adagrad.config())
    assert session.get("optimizer", {"name": "adagrad", "eta": 0.5}, eta=0.7).settings["eta"] == 0.7
    for what in ("halver", Halver):
        solver = session.get("optimizer", what, factor=0.25)
        assert (type(solver), solver.factor, solver.times) == (Halver, 0.25, 1)
    assert session.get("optimizer", solver) is solver


@pytest.mark.parametrize("kind", ["activation", "loss", "optimizer", "schedule", "initializer"])
def test_a_config_rebuilds_each_object_with_other_settings(kind):
    for entry in registry.entries(kind):
        if inspect.isclass(entry.object):
            continue
        numbers = {k: v for k, v in entry.object.defaults.items() if type(v) is float}
        changed = entry.object(**{name: 0.75 * number + 0.125 for name, number in numbers.items()})
        assert registry.get(kind, changed.config()) == changed


def test_a_config_holds_the_schedule_of_a_rule():
    rule = registry.get("optimizer", "adam", schedule=registry.get("schedule", "cosine", low=0.1, warmup=5))
    config = rule.config()
    assert config == {"name": "adam", "schedule": {"name": "cosine", "low": 0.1, "warmup": 5}}
    assert registry.get("optimizer", config) == rule
    assert registry.get("optimizer", "sgd", momentum=0.9, schedule="step").schedule == "step"


@pytest.mark.parametrize(
    ("kind", "what", "settings", "words"),
    [
        ("activation", step, {}, "this is not an activation"),
        ("activation", Rule("r", step, defaults={"eta": 1.0}), {}, "this is not an activation"),
        ("loss", None, {}, "this is not a loss"),
        ("optimizer", "adam", {"beta": 1}, "no setting 'beta'; did you mean 'beta1' or 'beta2'?"),
        ("optimizer", Halver, {"facto": 1}, "no setting 'facto'; did you mean 'factor'?"),
        ("optimizer", Halver(), {"factor": 1}, "has its settings already"),
        ("optimizer", {"eta": 1}, {}, "has no name"),
        ("layer", Twice, {}, "'twice' needs n_out"),
    ],
)
def test_a_wrong_thing_or_setting_is_refused(kind, what, settings, words):
    with pytest.raises(SettingError) as caught:
        registry.get(kind, what, **settings)
    assert words in str(caught.value)


def test_register_infers_the_kind_and_returns_what_it_got(session):
    rule = Rule("mine", step, defaults={"eta": 1.0}, aliases=("my_rule",))
    assert session.register(rule) is rule
    assert session.register(Halver) is Halver
    assert session.register(Twice) is Twice
    assert session.get("optimizer", "MyRule") is rule
    assert session.find("optimizer", "halver") is Halver
    assert session.find("layer", "twice") is Twice
    entry = next(e for e in session.entries("optimizer") if e.name == "mine")
    assert entry.distribution == __name__.partition(".")[0]


def test_registering_again_from_the_same_place_replaces(session):
    first, second = (Rule("mine", step, defaults={"eta": eta}) for eta in (1.0, 2.0))
    session.register(first)
    session.register(second)
    assert session.get("optimizer", "mine") is second
    assert session.names("optimizer").count("mine") == 1


@pytest.mark.parametrize("name", ["relu", "re_lu", "sigmoid", "mine"])
def test_registering_a_name_of_another_distribution_is_refused(session, name):
    mine = Activation("mine", value, slope)
    session.register(mine)
    before = session.get("activation", name)
    stranger = Activation(name, foreign("value", "z"), foreign("slope", "z, a"))
    with pytest.raises(PluginError) as caught:
        session.register(stranger)
    assert "'another_package'" in str(caught.value)
    owner = __name__.partition(".")[0] if name == "mine" else "fastnn"
    assert f"'{owner}'" in str(caught.value)
    assert session.get("activation", name) is before


def foreign(name, arguments):
    """A function that another package defines."""
    space = {"__name__": "another_package.part"}
    exec(f"def {name}({arguments}): return 0.0", space)  # noqa: S102
    return space[name]


def test_a_changed_copy_of_a_built_in_does_not_take_its_place(session):
    with pytest.raises(PluginError, match="'adam' of 'this session'"):
        session.register(session.get("optimizer", "adam", eta=0.5))


def test_unregister_takes_back(session):
    session.register(Halver)
    session.unregister(Halver)
    assert "halver" not in session.names("optimizer")
    with pytest.raises(UnknownNameError):
        session.get("optimizer", "halver")


@pytest.mark.parametrize("thing", [step, 3, "relu", object(), Activation, Halver()])
def test_what_is_no_plugin_is_not_registered(session, thing):
    count = len(session.entries())
    with pytest.raises(PluginError):
        session.register(thing)
    assert len(session.entries()) == count


def test_names_of_different_kinds_do_not_clash():
    assert isinstance(registry.get("activation", "step"), Activation)
    assert isinstance(registry.get("schedule", "step"), Schedule)


def test_namespaces_ignore_case_and_underscores():
    assert optimizers.Adagrad(eta=0.05) == registry.get("optimizer", "adagrad", eta=0.05)
    assert activations.LeakyReLU is activations.leaky_relu
    assert losses.Huber(threshold=2.0).settings == {"threshold": 2.0}
    assert schedules.cosine.name == "cosine"
    assert initializers.HeNormal.name == "he_normal"
    assert optimizers.Newton(method="cg").method == "cg"


def test_a_namespace_lists_its_names_and_names_near_misses():
    assert dir(optimizers) == registry.names("optimizer")
    assert not hasattr(optimizers, "_private")
    with pytest.raises(AttributeError, match="did you mean 'adagrad'"):
        optimizers.Adagard  # noqa: B018


def test_a_registered_object_appears_in_its_namespace():
    rule = registry.register(Rule("only_in_this_test", step, defaults={"eta": 1.0}))
    try:
        assert optimizers.OnlyInThisTest is rule
    finally:
        registry.unregister(rule)
    assert not hasattr(optimizers, "only_in_this_test")


def test_many_threads_may_look_up_first(session):
    found, start = [], threading.Barrier(8)

    def look_up():
        start.wait()
        found.append(session.get("activation", "relu"))

    threads = [threading.Thread(target=look_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(relu) for relu in found}) == 1


def test_every_kind_has_a_hook_with_an_example():
    specified = {
        name: function
        for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
        if name.startswith("fastnn_")
    }
    assert set(specified) == set(KINDS.values())
    for name, function in specified.items():
        assert "`return [" in (function.__doc__ or ""), name
        assert not inspect.signature(function).parameters, name


def test_entries_can_be_listed_as_rows():
    for entry in registry.entries():
        assert entry.kind in KINDS
        assert entry.name.isidentifier()
        assert isinstance(entry.version, str)
    kinds = [entry.kind for entry in registry.entries()]
    assert kinds == sorted(kinds, key=list(KINDS).index)
    assert np.unique([f"{e.kind} {e.name}" for e in registry.entries()]).size == len(registry.entries())
