"""An optimizer rule: w, state <- step(w, g, state), one parameter at a time, inside the compiled loop."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

from fastnn.contracts.part import Function, Part
from fastnn.contracts.schedule import Schedule
from fastnn.errors import PluginError, SettingError


@dataclass(frozen=True, eq=False, repr=False)
class Rule(Part):
    """An update of one parameter: a pure function of scalars.

    step(w, g, *state, eta, t, ...) -> w, or (w, *state)

    First w, g and the state in the order of `state`; then, in any order, matched by name, `eta` (the learning
    rate that the schedule gives for this step), `t` (the step number, from 0, a real) and own settings. State
    starts at 0. `full_batch`: one step is one pass over the whole training set. `schedule`: a name or a
    Schedule; as a setting, `rule(eta=0.1, schedule="cosine")`.

    >>> def step(w, g, eta): return w - eta * g
    >>> descent = Rule("descent", step, defaults={"eta": 0.1})
    >>> descent.step(1.0, 2.0, 0.1)
    0.8
    >>> descent(eta=0.5, schedule="cosine").config()
    {'name': 'descent', 'eta': 0.5, 'schedule': 'cosine'}

    `domain` says where settings may lie, so that a slip is refused before training:

    >>> Rule("descent", step, defaults={"eta": 0.1}, domain=("eta > 0",))(eta=-1)
    Traceback (most recent call last):
    fastnn.errors.SettingError: optimizer 'descent': setting 'eta' is out of its domain
      got       -1.0
      expected  eta > 0
    """

    noun: ClassVar[str] = "optimizer"

    name: str
    step: Function
    state: tuple[str, ...] = ()
    _: KW_ONLY
    full_batch: bool = False
    schedule: str | Schedule = "constant"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_names("state", self.state, "total")
        if "eta" not in self.defaults:
            raise PluginError(
                f"optimizer {self.name!r} has no default learning rate", hint="defaults={'eta': 0.01}"
            )
        if "t" in self.defaults or "schedule" in self.defaults:
            raise PluginError(f"optimizer {self.name!r}: 't' and 'schedule' are given by the library")
        self._check("step", self.step, ("w", "g", *self.state), also=("eta", "t"))
        names = self.step.__code__.co_varnames[2 : 2 + len(self.state)]
        if names != self.state:
            raise PluginError(
                f"optimizer {self.name!r}: the arguments after w, g are not the state",
                got=f"step(w, g, {', '.join(names)}, ...)",
                expected=f"step(w, g, {', '.join(self.state)}, ...)",
            )

    def __call__(self, *, schedule: str | Schedule | None = None, **settings: Any) -> Self:
        """A copy with these settings and this schedule."""
        rule = super().__call__(**settings)
        if schedule is None or schedule == self.schedule:
            return rule
        if not isinstance(schedule, (str, Schedule)):
            raise SettingError(
                f"optimizer {self.name!r}: schedule is neither a name nor a Schedule", got=repr(schedule)
            )
        return dataclasses.replace(rule, schedule=schedule, changed={**rule.changed, "schedule": schedule})
