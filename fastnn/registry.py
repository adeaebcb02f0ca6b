"""The registry: from names to activations, layers, losses, optimizers, schedules, initializers and ops.

Plugins, built in or installed, are loaded at the first look-up. One that is broken is reported, by
`registry.problems()` and once as a warning, and everything else goes on working. A name that two
distributions claim belongs to neither.
"""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from fastnn.contracts import Part
from fastnn.discovery import Discovery, Entry, aliases_of, canonical, check_plugin, kind_of
from fastnn.errors import PluginError, PluginWarning, SettingError, UnknownNameError, did_you_mean
from fastnn.hookspecs import KINDS

__all__ = ["Entry", "Registry", "register", "registry"]

T = TypeVar("T")


class Registry:
    """Names, their aliases and what they stand for; case and underscores do not matter in a look-up.

    >>> registry.names("schedule")
    ['constant', 'cosine', 'inverse_sqrt', 'step']
    >>> registry.get("activation", "LeakyReLU", alpha=0.2)
    <activation leaky_relu(alpha=0.2)>
    >>> registry.get("activation", "sigmoid").name
    'logistic'
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loaded = False
        self._entries: list[Entry] = []
        self._problems: list[str] = []
        self._claims: dict[tuple[str, str], list[Entry]] = {}

    def names(self, kind: str) -> list[str]:
        """The usable names of a kind, sorted, without aliases."""
        entries = self.entries(kind)
        return sorted(e.name for e in entries if len(self._claims[kind, _key(e.name)]) == 1)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """Entries (kind, name, aliases, distribution, version, object) of a kind, or of all."""
        self._load()
        if kind is not None:
            self._check_kind(kind)
        order = list(KINDS)
        chosen = [entry for entry in self._entries if kind in (None, entry.kind)]
        return sorted(chosen, key=lambda e: (order.index(e.kind), e.name, e.distribution))

    def problems(self) -> list[str]:
        """What is wrong with broken plugins, a sentence each; empty when all is well."""
        self._load()
        return list(self._problems)

    def find(self, kind: str, name: str) -> Any:
        """What is registered under this name or alias: an object, or the class of a layer or a solver."""
        self._load()
        self._check_kind(kind)
        claims = self._claims.get((kind, _key(name)), [])
        if not claims:
            known = {n for e in self.entries(kind) for n in (e.name, *e.aliases)}
            raise UnknownNameError.among(kind, name, known)
        if len(claims) > 1:
            raise PluginError(
                f"{kind} {name!r} is claimed by {' and by '.join(e.source for e in claims)}",
                hint="uninstall one, or name those to load in the environment variable FASTNN_PLUGINS",
            )
        return claims[0].object

    def get(self, kind: str, what: Any, **settings: Any) -> Any:
        """The configured object for a name, alias, config ({"name": ..., settings}), object or class."""
        if isinstance(what, Mapping):
            config = {**what, **settings}
            if "name" not in config:
                raise SettingError(f"a config of {_a(kind)} has no name", got=repr(dict(what)))
            what = config.pop("name")
            settings = config
        thing = self.find(kind, what) if isinstance(what, str) else self._checked(kind, what)
        if isinstance(settings.get("schedule"), Mapping):
            settings["schedule"] = self.get("schedule", settings["schedule"])
        if isinstance(thing, Part):
            return thing(**settings) if settings else thing
        if inspect.isclass(thing):
            return _construct(kind, thing, settings)
        if settings:
            raise SettingError(
                f"{kind} {thing.name!r} is an object that has its settings already", got=", ".join(settings)
            )
        return thing

    def register(self, thing: T) -> T:
        """Add a plugin object or class for this session and return it; its kind follows from its type.

        What the same module registered under this name before is replaced. PluginError where the name belongs
        to another distribution.
        """
        self._load()
        kind = check_plugin(thing)
        entry = Entry(kind, thing.name, aliases_of(thing), _place(thing), "", thing)  # type: ignore[attr-defined]
        with self._lock:
            others = [e for key in _keys(entry) for e in self._claims.get((kind, key), [])]
            for other in others:
                if canonical(other.distribution) != canonical(entry.distribution):
                    raise PluginError(
                        f"{kind} {entry.name!r} of {entry.source} takes a name of {other.source}",
                        hint="give it another name",
                    )
            for other in others:
                self._remove(other)
            self._add(entry)
        return thing

    def unregister(self, thing: Any) -> None:
        """Take back what `register` added."""
        with self._lock:
            for entry in [e for e in self._entries if e.object is thing]:
                self._remove(entry)

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            self._loaded = (
                True  # a plugin that looks something up while it is imported finds what is there so far
            )
            discovery = Discovery()
            for discover in (discovery.built_in, discovery.installed):
                discover()
                for entry in discovery.entries:
                    self._add(entry)
                discovery.entries.clear()
            self._problems = discovery.problems
            clashes = {tuple(claims) for claims in self._claims.values() if len(claims) > 1}
            for claims in sorted(clashes, key=lambda c: (c[0].kind, c[0].name)):
                one = ", ".join(f"{entry.name!r} of {entry.source}" for entry in claims)
                self._problems.append(
                    f"two plugins give {_a(claims[0].kind)} with one name, so it cannot be used: {one}"
                )
        for problem in self._problems:
            warnings.warn(problem, PluginWarning, stacklevel=4)

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        for key in _keys(entry):
            self._claims.setdefault((entry.kind, key), []).append(entry)

    def _remove(self, entry: Entry) -> None:
        self._entries = [e for e in self._entries if e is not entry]
        for key in _keys(entry):
            claims = [e for e in self._claims.get((entry.kind, key), []) if e is not entry]
            self._claims[entry.kind, key] = claims

    def _checked(self, kind: str, thing: Any) -> Any:
        self._check_kind(kind)
        try:
            actual = kind_of(thing)
        except PluginError:
            actual = None
        if actual != kind:
            raise SettingError(
                f"this is not {_a(kind)}",
                got=repr(thing)[:100],
                expected=f"{_a(kind)}, or one of the names {', '.join(self.names(kind))}",
            )
        return thing

    @staticmethod
    def _check_kind(kind: str) -> None:
        if kind not in KINDS:
            raise UnknownNameError.among("kind of plugin", kind, KINDS)


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aio' else 'a'} {kind}"


def _key(name: str) -> str:
    """What look-ups compare: leaky_relu, LeakyReLU and leakyrelu are one."""
    return name.replace("_", "").lower()


def _keys(entry: Entry) -> set[str]:
    return {_key(name) for name in (entry.name, *entry.aliases)}


def _place(thing: Any) -> str:
    """Where a session's plugin comes from: the top-level module of its class or of its first function."""
    if isinstance(thing, Part):
        functions = (value for value in vars(thing).values() if inspect.isfunction(value))
        module = next(functions).__module__
    else:
        module = (thing if inspect.isclass(thing) else type(thing)).__module__
    place = str(module).partition(".")[0]
    return "this session" if place == "fastnn" else place


def _construct(kind: str, cls: type, settings: Mapping[str, Any]) -> Any:
    """cls(**settings), with an unknown or missing setting told in our words."""
    parameters = inspect.signature(cls).parameters
    name = getattr(cls, "name", cls.__name__)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for setting in settings:
            if setting not in parameters:
                raise SettingError(
                    f"{kind} {name!r} has no setting {setting!r}{did_you_mean(setting, parameters)}",
                    expected=", ".join(parameters) or "no settings at all",
                )
    required = [
        n for n, p in parameters.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    if missing := [n for n in required if n not in settings]:
        raise SettingError(
            f"{kind} {name!r} needs {', '.join(missing)}", expected=f"{cls.__name__}({', '.join(parameters)})"
        )
    return cls(**settings)


registry = Registry()
register = registry.register
