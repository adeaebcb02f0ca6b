"""A setting may state where it may lie; outside is refused when it is set, and where nothing is stated nothing is checked."""

import math
import pickle

import pytest

import fastnn as fnn
from fastnn.contracts import Rule, Schedule
from fastnn.contracts.domain import parse
from fastnn.errors import PluginError, SettingError


def step(w, g, eta, pull):
    return w - eta * (g + pull * w)


def values(eta, t, low):
    return eta + low


free = Rule("free", step, defaults={"eta": 0.1, "pull": 0.0})
bound = Rule("bound", step, defaults=free.defaults, domain=("eta > 0", "0 <= pull < 1"))


@pytest.mark.parametrize(
    ("setting", "wrong"), [("eta", 0), ("eta", -1.0), ("pull", 1), ("pull", -0.1), ("pull", math.nan)]
)
def test_out_of_its_domain_is_refused_with_what_was_got_and_expected(setting, wrong):
    text = {"eta": "eta > 0", "pull": "0 <= pull < 1"}[setting]
    with pytest.raises(SettingError) as caught:
        bound(**{setting: wrong})
    assert str(caught.value).splitlines() == [
        f"optimizer 'bound': setting '{setting}' is out of its domain",
        f"  got       {float(wrong)!r}",
        f"  expected  {text}",
    ]


def test_within_it_and_without_one_everything_is_taken():
    assert bound(eta=1e-9, pull=0.999).settings == {"eta": 1e-9, "pull": 0.999}
    assert free(eta=-1, pull=math.inf).settings == {"eta": -1.0, "pull": math.inf}
    assert pickle.loads(pickle.dumps(bound)) == bound != free


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        (("speed > 0",), "domain 'speed > 0' means no setting(.|\n)*eta, pull"),
        (("eta positive",), "this is no domain of a setting(.|\n)*0 <= momentum < 1"),
        (("eta",), "this is no domain"),
        (("eta > 1.2.3",), "this is no domain"),
        ("eta > 0", "domain is a string"),
        (("eta > 0.5",), "'eta' is out of its domain\n  got       0.1"),
    ],
)
def test_a_domain_that_is_wrong_itself_is_the_plugins_error(domain, sentence):
    with pytest.raises(PluginError, match=sentence):
        Rule("wrong", step, defaults=free.defaults, domain=domain)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("x > 0", [1e-300, math.inf], [0, -1, math.nan]),
        ("0<=x<1", [0, 0.5], [1, -1e-9]),
        ("1 > x >= -2.5e-1", [-0.25, 0], [1, -0.26]),
        ("0 < x < inf", [1], [math.inf, 0]),
    ],
)
def test_bounds_are_read_as_they_are_written(text, inside, outside):
    domain = parse(text)
    assert all(map(domain.holds, inside)) and not any(map(domain.holds, outside))


BUILT_IN = [
    ("optimizer", "adam", {"eta": -0.1}),
    ("optimizer", "adam", {"beta1": 1.0}),
    ("optimizer", "adamw", {"weight_decay": -1}),
    ("optimizer", "sgd", {"momentum": 1.5}),
    ("optimizer", "rmsprop", {"alpha": 1}),
    ("optimizer", "adagrad", {"epsilon": -1e-9}),
    ("optimizer", "gd", {"eta": math.nan}),
    ("optimizer", "newton", {"damping": "much"}),
    ("optimizer", "newton", {"iterations": 2.5}),
    ("schedule", "step", {"every": 0}),
    ("schedule", "cosine", {"warmup": -5}),
    ("activation", "elu", {"alpha": 0}),
    ("loss", "huber", {"threshold": 0}),
    ("loss", "hinge", {"margin": -1}),
    ("initializer", "normal", {"scale": -1}),
]


@pytest.mark.parametrize(("kind", "name", "setting"), BUILT_IN)
def test_built_in_settings_have_domains(kind, name, setting):
    with pytest.raises(
        SettingError, match=rf"'{next(iter(setting))}' is out of its domain\n  got(.|\n)*expected"
    ):
        fnn.registry.get(kind, name, **setting)


def test_every_schedule_has_the_domain_of_its_warmup():
    schedule = Schedule("raised", values, defaults={"low": 0.0}, domain=("low >= 0",))
    assert schedule(low=1).settings == {"low": 1.0, "warmup": 0}
    for wrong in ({"warmup": -1}, {"low": -1}):
        with pytest.raises(SettingError, match="out of its domain"):
            schedule(**wrong)
