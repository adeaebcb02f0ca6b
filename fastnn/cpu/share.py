"""Who does what: thread t of a team takes a run of units, as equal as can be."""

from __future__ import annotations

from numba import njit

__all__ = ["share"]


@njit(nogil=True, error_model="numpy", inline="always")
def share(units, t, team):  # type: ignore[no-untyped-def]
    """First unit and the one behind the last for thread t of `team`."""
    return units * t // team, units * (t + 1) // team
