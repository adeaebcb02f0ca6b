"""Who a plugin is: found by its name, alone under it, and the same after a trip through config and pickle."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import pickle
import sys
from collections.abc import Mapping
from typing import Any

from fastnn.contracts import Part, class_config
from fastnn.errors import PluginError
from fastnn.registry import registry
from fastnn.testing.claims import require

__all__ = ["check_class_identity", "check_part_identity", "found", "label"]


def found(kind: str, what: Any, settings: Mapping[str, Any]) -> Any:
    """The configured plugin, from an object, a class or a name."""
    return registry.get(kind, what, **settings)


def label(thing: Any, kind: str) -> str:
    """How sentences call it."""
    return f"{kind} {thing.name!r}"


def check_part_identity(part: Part, kind: str) -> None:
    """Of an object made of functions: name, config, settings, pickle."""
    who = label(part, kind)
    _check_name(part, kind, who)
    config = part.config()
    try:
        json.dumps(config)
    except TypeError as error:
        raise AssertionError(f"{who}: config() is not fit for JSON: {error}") from error
    bare = dataclasses.replace(part, changed={})
    again = registry.get(kind, bare, **{name: value for name, value in config.items() if name != "name"})
    require(
        again.settings == part.settings,
        f"{who}: config() loses settings: {part.settings} became {again.settings}",
    )
    for setting, default in part.defaults.items():
        now = part.settings[setting]
        other = (not now) if isinstance(default, bool) else _another(part, setting, now, type(default))
        if other is None:  # its domain is one point
            continue
        changed = part(**{setting: other})
        require(changed.settings[setting] == other, f"{who}: setting {setting} cannot be set")
        require(part.settings[setting] != other, f"{who}: setting {setting} of a copy changes the original")
    functions = [value for value in vars(part).values() if inspect.isfunction(value)]
    if all(_is_found(function) for function in functions):
        require(pickle.loads(pickle.dumps(part)) == part, f"{who}: pickle does not give it back")


def _another(part: Part, setting: str, now: float, number: type) -> Any:
    """Another number of the setting's domain; None where none of a few lies in it."""
    tried = [number(1)] if now in (math.inf, 0) else [2 * now]
    tried += [number(now / 2), number(0), number(0.5), number(1), number(-1)]
    return next((x for x in tried if x != now and part.allows(setting, x)), None)


def _is_found(function: Any) -> bool:
    """Whether pickle finds the function by its name: not inside another one, and not where a later `def` took the name."""
    return getattr(sys.modules.get(function.__module__), function.__qualname__, None) is function


def check_class_identity(thing: Any, kind: str) -> None:
    """Of an object of a class (layer, solver): name, arguments kept under their names."""
    who = label(thing, kind)
    _check_name(thing, kind, who)
    try:
        config = class_config(thing)
    except PluginError as error:
        raise AssertionError(
            f"{who}: an argument of __init__ is not kept under its own name: {error}"
        ) from error
    again = type(thing)(**{name: value for name, value in config.items() if name != "name"})
    require(
        class_config(again) == config,
        f"{who}: its config {config} became {class_config(again)} in a second object",
    )


def _check_name(thing: Any, kind: str, who: str) -> None:
    """Nobody else may hold the name; a plugin that isn't registered (yet) must find it free."""
    require(
        isinstance(thing.name, str) and thing.name.isidentifier(), f"{who}: the name is not an identifier"
    )
    for entry in registry.entries(kind):
        registered = entry.object
        own = registered is thing or registered is type(thing)
        if isinstance(thing, Part) and isinstance(registered, Part):
            own = registered.name == thing.name and _modules(registered) == _modules(thing)
        require(
            own or not (_names(thing) & _names(entry)),
            f"{who}: a name of it belongs to {entry.source} already",
        )


def _modules(part: Part) -> set[str]:
    """Where the functions come from."""
    return {value.__module__ for value in vars(part).values() if inspect.isfunction(value)}


def _names(thing: Any) -> set[str]:
    """Name and aliases as look-ups compare them."""
    return {name.replace("_", "").lower() for name in (thing.name, *getattr(thing, "aliases", ()))}
