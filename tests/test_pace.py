"""How many threads the next steps get, on a machine and a clock that are made up."""

import pytest

from fastnn.cpu import pace as pace_module
from fastnn.cpu.pace import Pace


class Machine:
    """A step takes so long with one thread and with all; somebody else has a share of the cores from one time to another."""

    def __init__(self, monkeypatch, one, all_of_them, crowded_one, crowded_all):
        self.now, self.idle, self.busy = 0.0, (one, all_of_them), (crowded_one, crowded_all)
        self.used = {1: 0.0, "all": 0.0}
        self.longest = 0.0
        monkeypatch.setattr(pace_module.time, "perf_counter", lambda: self.now)

    def run(self, pace, seconds, crowded, share=0.5):
        """Steps of so many seconds; how many."""
        end, total = self.now + seconds, 0
        self.used = {1: 0.0, "all": 0.0}
        while self.now < end:
            steps = pace.steps(10**6)
            wall = steps * (self.busy if crowded else self.idle)[pace.threads > 1]
            self.now += wall
            self.used[1 if pace.threads == 1 else "all"] += wall
            self.longest = max(self.longest, wall)
            pace.saw(steps, wall, wall * pace.threads * (share if crowded else 1.0))
            total += steps
        return total


@pytest.fixture
def small(monkeypatch):
    """20 us a step; 12 with two threads; 40 and 400 on busy cores, which is what was measured."""
    return Machine(monkeypatch, 20e-6, 12e-6, 40e-6, 400e-6)


def test_idle_cores_have_the_whole_team(small):
    pace = Pace(2, 2)
    small.run(pace, 5.0, crowded=False)
    assert small.used[1] == 0 and pace.threads == 2


def test_busy_cores_have_one_thread_most_of_the_time(small):
    pace = Pace(2, 2)
    small.run(pace, 1.0, crowded=False)
    steps = small.run(pace, 5.0, crowded=True)
    assert steps > 0.8 * 5.0 / 40e-6 and small.longest < 0.2


def test_the_team_comes_back(small):
    pace = Pace(2, 2)
    small.run(pace, 10.0, crowded=True)
    small.run(pace, 3.5, crowded=False)
    small.run(pace, 5.0, crowded=False)
    assert small.used[1] == 0


def test_a_team_that_is_faster_even_so_stays(monkeypatch):
    """Large steps: who shares its cores with others still has two of them."""
    machine = Machine(monkeypatch, 0.02, 0.011, 0.04, 0.025)
    pace = Pace(2, 2)
    machine.run(pace, 20.0, crowded=True)
    assert machine.used["all"] > 0.75 * 20


def test_one_look_that_found_somebody_changes_nothing(small):
    pace = Pace(2, 2)
    for _ in range(20):
        small.run(pace, 0.02, crowded=False)
        steps = pace.steps(10**6)
        pace.saw(steps, 5e-3, 5e-3)
        assert pace.threads == 2


def test_more_threads_than_cores_are_what_the_user_wants(small):
    pace = Pace(5, 2)
    for _ in range(100):
        small.now += 1.0
        pace.saw(pace.steps(100), 1e-3, 2e-3)
    assert pace.threads == 5
