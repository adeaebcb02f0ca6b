"""A part: a name, plain functions, and settings; what every function-based plugin has in common.

A part is frozen and compares by value. Calling it gives a copy with other settings:

>>> from fastnn.contracts import Activation
>>> def value(z, alpha): return z if z > 0 else alpha * z
>>> def slope(z, a, alpha): return 1 if z > 0 else alpha
>>> leaky = Activation("leaky", value, slope, defaults={"alpha": 0.01})
>>> leaky(alpha=0.2).settings
{'alpha': 0.2}
>>> leaky(alpha=0.2).config()
{'name': 'leaky', 'alpha': 0.2}
>>> leaky(alpha=0.01) == leaky
True

A setting may state its domain; a number outside is refused, and without one nothing is checked:

>>> steep = Activation("steep", value, slope, defaults={"alpha": 2.0}, domain=("alpha >= 1",))
>>> steep(alpha=0.5)
Traceback (most recent call last):
fastnn.errors.SettingError: activation 'steep': setting 'alpha' is out of its domain
  got       0.5
  expected  alpha >= 1
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from fastnn.contracts import domain as domains
from fastnn.errors import PluginError, SettingError, did_you_mean

Function = Callable[..., Any]
Number = int | float | bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """Name, aliases, default settings, their domains and the settings changed from them.

    `domain` states where settings may lie: ("eta >= 0", "0 <= momentum < 1"). `noun` is the word for messages; `compiled` says whether the functions are compiled from their source.
    """

    noun: ClassVar[str] = "part"
    compiled: ClassVar[bool] = True

    name: str
    defaults: Mapping[str, Number] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    domain: tuple[str, ...] = field(default=(), repr=False)
    changed: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        name: Any = self.name
        defaults: Any = self.defaults
        if not (isinstance(name, str) and name.isidentifier()):
            raise PluginError(
                f"{self.noun} name {name!r} is not an identifier", expected="one as 'leaky_relu'"
            )
        self._check_names("aliases", self.aliases, "another_name")
        if not isinstance(defaults, Mapping):
            raise PluginError(
                f"{self.noun} {self.name!r}: defaults is no mapping",
                got=repr(defaults)[:80],
                expected="{setting: number}",
            )
        numbers = {setting: self._number(setting, value) for setting, value in self.defaults.items()}
        object.__setattr__(self, "defaults", numbers)
        self._freeze()
        self._check_domain()

    def _check_domain(self) -> None:
        """PluginError for a domain that means no setting, or that its default is out of; SettingError for a setting."""
        self._check_names("domain", self.domain, "eta >= 0")
        for text in self.domain:
            bounds = domains.parse(text)
            if bounds.name not in self.defaults:
                raise PluginError(
                    f"{self.noun} {self.name!r}: domain {text!r} means no setting{did_you_mean(bounds.name, self.defaults)}",
                    expected=", ".join(self.defaults) or "no domain where there are no settings",
                )
            value = self.settings[bounds.name]
            if not bounds.holds(value):
                error = SettingError if bounds.name in self.changed else PluginError
                raise error(
                    f"{self.noun} {self.name!r}: setting {bounds.name!r} is out of its domain",
                    got=repr(value),
                    expected=bounds.text,
                )

    def _check_names(self, field_: str, values: Any, example: str) -> None:
        """The field becomes a tuple of texts; PluginError where it is something else."""
        texts = tuple(values) if isinstance(values, Iterable) and not isinstance(values, str) else None
        if texts is None or not all(isinstance(text, str) for text in texts):
            what = "a string" if isinstance(values, str) else "no tuple of strings"
            raise PluginError(
                f"{self.noun} {self.name!r}: {field_} is {what}",
                got=repr(values)[:80],
                expected=f"a tuple, as ({example!r},)",
            )
        object.__setattr__(self, field_, texts)

    def allows(self, name: str, value: float) -> bool:
        """Whether `value` lies in what the domains say of the setting `name`."""
        return all(d.holds(value) for d in map(domains.parse, self.domain) if d.name == name)

    def _freeze(self) -> None:
        object.__setattr__(self, "defaults", types.MappingProxyType(dict(self.defaults)))
        object.__setattr__(self, "changed", types.MappingProxyType(dict(self.changed)))

    @property
    def settings(self) -> dict[str, Number]:
        """Defaults with the changes on top, in the order of the defaults."""
        return {name: self.changed.get(name, default) for name, default in self.defaults.items()}

    def __call__(self, **settings: Any) -> Self:
        """A copy with these settings; SettingError names near misses of an unknown one."""
        changed = dict(self.changed)
        for name, value in settings.items():
            if name not in self.defaults:
                raise SettingError(
                    f"{self.noun} {self.name!r} has no setting {name!r}{did_you_mean(name, self.defaults)}",
                    expected=", ".join(self.defaults) or "no settings at all",
                )
            number = self._number(name, value)
            if type(number) is type(self.defaults[name]) and number == self.defaults[name]:
                changed.pop(name, None)
            else:
                changed[name] = number
        return dataclasses.replace(self, changed=changed)

    def config(self) -> dict[str, Any]:
        """{"name": ..., changed settings}: what rebuilds this object through the registry; fit for JSON."""
        return {"name": self.name} | {
            name: value.config() if isinstance(value, Part) else value for name, value in self.changed.items()
        }

    def takes(self, function: Function) -> tuple[str, ...]:
        """The names of the own settings that `function` takes, in the order of its arguments."""
        return tuple(name for name in inspect.signature(function).parameters if name in self.defaults)

    def _number(self, name: str, value: Any) -> Number:
        """`value` as a Python number; a whole number becomes real (or a flag) where the default is one."""
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, (bool, int, float)):
            raise SettingError(
                f"{self.noun} {self.name!r}: setting {name!r} is not a number",
                got=repr(value),
                expected="a number",
            )
        default = self.defaults.get(name)
        if isinstance(default, bool):
            if value not in (0, 1):
                raise SettingError(
                    f"{self.noun} {self.name!r}: setting {name!r} is a flag",
                    got=repr(value),
                    expected="True or False",
                )
            return bool(value)
        return float(value) if isinstance(default, float) else value

    def _check(self, role: str, function: Function, first: Iterable[str], also: Iterable[str] = ()) -> None:
        """Refuse a function whose arguments are not `first` in order, then settings (or `also`) by name."""
        where = f"{self.noun} {self.name!r}: {role}"
        first = tuple(first)
        given: Any = function
        if not isinstance(given, types.FunctionType):
            raise PluginError(
                f"{where} is not a plain Python function",
                got=repr(given),
                expected=f"def {role}({', '.join(first)}, ...)",
                hint="leave decorators away: the library compiles it" if callable(given) else None,
            )
        if self.compiled and given.__name__ == "<lambda>":
            raise PluginError(
                f"{where} is a lambda, which cannot be compiled from its source", hint="use def"
            )
        if self.compiled and given.__code__.co_freevars:
            raise PluginError(
                f"{where} uses {', '.join(given.__code__.co_freevars)} of an enclosing function",
                hint="move it to the module, or make it a setting",
            )
        parameters = list(inspect.signature(function).parameters.values())
        if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
            raise PluginError(
                f"{where} has keyword-only, positional-only or starred arguments", hint="use plain ones"
            )
        names = [p.name for p in parameters]
        known = {*self.defaults, *also}
        rest = names[len(first) :]
        if len(names) < len(first) or any(name in known for name in names[: len(first)]):
            raise PluginError(
                f"{where} has the wrong arguments",
                got=f"({', '.join(names)})",
                expected=f"({', '.join(first)}, ...)",
            )
        for name in rest:
            if name not in known:
                raise PluginError(
                    f"{where} takes {name!r}, which is no setting{did_you_mean(name, known)}",
                    got=f"({', '.join(names)})",
                    expected=f"({', '.join(first)}) and then any of: {', '.join(sorted(known)) or 'nothing'}",
                    hint=f"defaults={{{name!r}: ...}}",
                )

    def _values(self) -> tuple[Any, ...]:
        return tuple(
            dict(value) if isinstance(value, Mapping) else value
            for value in (getattr(self, f.name) for f in dataclasses.fields(self))
        )

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self.name, tuple(self.settings.items())))

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.changed.items())
        return f"<{self.noun} {self.name}({settings})>"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"defaults": dict(self.defaults), "changed": dict(self.changed)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._freeze()
