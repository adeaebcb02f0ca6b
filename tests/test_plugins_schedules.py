"""Learning-rate schedules: their formulas, and warm-up on top of each."""

import numpy as np
import pytest

from fastnn.registry import registry

SCHEDULES = [registry.get("schedule", name) for name in registry.names("schedule")]
each = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def rates(schedule, t, eta=0.5, **known):
    return schedule.rates(eta, t, **({"steps": 100, "epoch_steps": 10} | known))


@each
def test_rates_are_positive_float64_and_start_at_eta(schedule):
    found = rates(schedule, np.arange(100))
    assert found.dtype == np.float64
    assert found.shape == (100,)
    assert found[0] == 0.5
    assert (found > 0).all()


@each
def test_a_rate_does_not_depend_on_the_steps_asked_with_it(schedule):
    whole = rates(schedule, np.arange(100))
    assert [rates(schedule, [t])[0] for t in range(100)] == whole.tolist()
    assert rates(schedule, []).shape == (0,)


@each
def test_warmup_rises_linearly_and_then_leaves_the_schedule_alone(schedule):
    t = np.arange(100)
    plain, warm = rates(schedule, t), rates(schedule(warmup=8), t)
    assert warm[:8] == pytest.approx(plain[:8] * np.arange(1, 9) / 8)
    assert warm[8:].tolist() == plain[8:].tolist()


def test_constant_stays():
    assert set(rates(registry.get("schedule", "constant"), np.arange(100))) == {0.5}


def test_inverse_sqrt_is_that_of_the_notes():
    found = rates(registry.get("schedule", "inverse_sqrt"), [0, 1, 2, 99])
    assert found == pytest.approx([0.5, 0.5 / 2**0.5, 0.5 / 3**0.5, 0.05])


def test_step_drops_after_every_so_many_epochs():
    found = rates(registry.get("schedule", "step", every=2, factor=0.5), [0, 19, 20, 39, 40, 99])
    assert found.tolist() == [0.5, 0.5, 0.25, 0.25, 0.125, 0.5 * 0.5**4]


def test_cosine_goes_from_eta_to_low_and_stays_there():
    found = rates(registry.get("schedule", "cosine", low=0.1), [0, 25, 50, 100, 130])
    assert found == pytest.approx([0.5, 0.3 + 0.2 * 0.5**0.5, 0.3, 0.1, 0.1])


@each
def test_a_plan_of_zero_steps_gives_no_warning(schedule):
    assert np.isfinite(schedule.rates(0.5, [0], steps=0)).all()
