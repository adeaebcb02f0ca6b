"""Rules, as the Python that gets compiled: against the numbers of PyTorch, on a bowl, by their formulas."""

import importlib.util
import math

import numpy as np
import pytest

import fastnn as fnn
from fastnn.registry import registry

RULES = [registry.get("optimizer", name) for name in registry.names("optimizer")]
RULES = [rule for rule in RULES if isinstance(rule, fnn.Rule)]
STEPS = (1, 2, 10, 100)
# w after STEPS steps from 1.7 along w^3 - w + sin(t) / 2, float64, computed by torch.optim 2.13.0
PYTORCH = [
    ("sgd", {"eta": 0.05}, (1.53935, 1.4128986587960337, 1.0960878602703645, 1.0156785571112732)),
    (
        "sgd",
        {"eta": 0.05, "momentum": 0.9},
        (1.53935, 1.2683136587960337, -0.11095322991171472, -1.0168258616076344),
    ),
    (
        "sgd",
        {"eta": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        (1.3786150000000001, 1.070589330826123, 0.19749237012776788, 0.9547102193466172),
    ),
    (
        "adagrad",
        {"eta": 0.1},
        (1.6000000000031123, 1.5327853963664835, 1.3127469243046854, 1.0210277315240952),
    ),
    (
        "rmsprop",
        {"eta": 0.02},
        (1.5000000062247119, 1.3833409108846144, 1.1055069153595207, 1.0154779506818563),
    ),
    ("adam", {"eta": 0.05}, (1.6500000001556177, 1.599981413839019, 1.2409780710291003, 0.9943300009229986)),
    (
        "adamw",
        {"eta": 0.05, "weight_decay": 0.1},
        (1.6415000001556177, 1.5832969199325446, 1.1772737471513586, 0.9593963447707924),
    ),
]


def trajectory(rule, gradient, w, steps):
    """w after each step, of one parameter."""
    state, found = [0.0] * len(rule.state), []
    names = rule.step.__code__.co_varnames[2 + len(rule.state) : rule.step.__code__.co_argcount]
    for t in range(steps):
        known = {**rule.settings, "t": float(t)}
        result = rule.step(w, gradient(w, t), *state, *(known[name] for name in names))
        w, *state = result if rule.state else (result,)
        found.append(w)
    return found


def wavy(w, t):
    return w**3 - w + 0.5 * math.sin(t)


@pytest.mark.parametrize(("name", "settings", "expected"), PYTORCH)
def test_trajectory_equals_pytorchs_numbers(name, settings, expected):
    found = trajectory(registry.get("optimizer", name, **settings), wavy, 1.7, max(STEPS))
    assert [found[step - 1] for step in STEPS] == pytest.approx(expected, rel=1e-12)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(
    ("name", "settings", "torch_name", "torch_settings"),
    [
        ("sgd", {"weight_decay": 0.02}, "SGD", {"weight_decay": 0.02}),
        ("sgd", {"momentum": 0.8, "weight_decay": 0.02}, "SGD", {"momentum": 0.8, "weight_decay": 0.02}),
        ("sgd", {"momentum": 0.8, "nesterov": True}, "SGD", {"momentum": 0.8, "nesterov": True}),
        ("adagrad", {"epsilon": 0.1}, "Adagrad", {"eps": 0.1}),
        ("rmsprop", {"alpha": 0.8, "epsilon": 0.1}, "RMSprop", {"alpha": 0.8, "eps": 0.1}),
        ("adam", {"beta1": 0.7, "beta2": 0.9, "epsilon": 0.1}, "Adam", {"betas": (0.7, 0.9), "eps": 0.1}),
        ("adamw", {"weight_decay": 0.3}, "AdamW", {"weight_decay": 0.3}),
    ],
)
def test_trajectory_equals_pytorch(name, settings, torch_name, torch_settings):
    import torch

    rng = np.random.default_rng(0)
    for start in rng.normal(size=5):
        w = torch.tensor([start], dtype=torch.float64, requires_grad=True)
        optimizer = getattr(torch.optim, torch_name)([w], lr=0.03, **torch_settings)
        expected = []
        for t in range(100):
            w.grad = torch.tensor([wavy(w.item(), t)], dtype=torch.float64)
            optimizer.step()
            expected.append(w.item())
        rule = registry.get("optimizer", name, eta=0.03, **settings)
        assert trajectory(rule, wavy, start, 100) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rule_comes_down_into_a_bowl(rule):
    rule = rule(eta=0.1)
    end = trajectory(rule, lambda w, t: 2 * (w - 3), 4.0, 500)[-1]
    assert abs(end - 3) < 0.02


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_rule_stays_where_the_gradient_is_zero(rule):
    rule = rule(weight_decay=0) if "weight_decay" in rule.defaults else rule
    assert trajectory(rule, lambda w, t: 0.0, 1.25, 3) == [1.25] * 3


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_not_a_number_goes_through(rule):
    assert math.isnan(trajectory(rule, lambda w, t: math.nan, 1.0, 1)[0])


def test_sgd_stores_a_velocity_only_with_momentum():
    sgd = registry.get("optimizer", "sgd")
    assert sgd.state == ()
    assert sgd(momentum=0.5).state == ("velocity",)
    assert sgd(momentum=0.5)(eta=0.3).state == ("velocity",)
    assert sgd(momentum=0.5)(momentum=0.0) == sgd


def test_sgd_without_momentum_is_the_momentum_step_at_zero():
    sgd = registry.get("optimizer", "sgd", weight_decay=0.1, eta=0.2)
    nearly = sgd(momentum=1e-300)
    assert trajectory(sgd, wavy, 1.7, 20) == pytest.approx(trajectory(nearly, wavy, 1.7, 20), rel=1e-14)


def test_adagrad_divides_by_the_root_of_all_squared_gradients():
    gradients = [3.0, -4.0, 12.0]
    found = trajectory(
        registry.get("optimizer", "adagrad", eta=1.0, epsilon=0.0), lambda w, t: gradients[t], 0.0, 3
    )
    steps = [3.0 / 3.0, -4.0 / 5.0, 12.0 / 13.0]
    assert found == pytest.approx([-sum(steps[: k + 1]) for k in range(3)], rel=1e-15)


@pytest.mark.parametrize("g", [1e-4, -2.0, 1e6])
def test_adams_first_step_has_the_length_eta(g):
    found = trajectory(registry.get("optimizer", "adam", eta=0.5, epsilon=0.0), lambda w, t: g, 1.0, 1)
    assert found[0] == pytest.approx(1.0 - math.copysign(0.5, g), rel=1e-12)


def test_weight_decay_of_adam_is_decoupled_from_the_gradient():
    adam = registry.get("optimizer", "adam", eta=0.1, weight_decay=0.5)
    assert trajectory(adam, lambda w, t: 0.0, 2.0, 2) == pytest.approx([2.0 * 0.95, 2.0 * 0.95**2])


def test_gd_takes_the_whole_training_set_and_the_rate_of_the_notes():
    gd = registry.get("optimizer", "gd")
    assert gd.full_batch
    assert registry.get("schedule", gd.schedule).rates(0.1, [0, 3], steps=4).tolist() == [0.1, 0.05]
