"""Discovery: every plugin there is, built in or installed, with what is wrong with the broken ones.

Each is loaded in its own try, so that one that fails leaves the others alone. The environment variable
FASTNN_PLUGINS names the distributions to load, with commas between; empty, it leaves the built-in plugins
only.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pluggy

from fastnn import hookspecs
from fastnn.contracts import Activation, Initializer, Layer, Loss, RowActivation, Rule, Schedule, Solver
from fastnn.errors import PluginError, did_you_mean
from fastnn.hookspecs import KINDS
from fastnn.ops.op import Op

_TYPES: dict[type, str] = {
    Activation: "activation",
    RowActivation: "activation",
    Loss: "loss",
    Rule: "optimizer",
    Schedule: "schedule",
    Initializer: "initializer",
    Op: "op",
}


class _Beside:
    """Finds fastnn.plugins in a clone, where it is the folder plugins/ beside fastnn/.

    An installed fastnn does not need it. But Python started in a clone imports the folder fastnn/ there, whatever is
    installed, and would not find the built-in plugins.
    """

    folder = Path(__file__).parents[1] / "plugins"

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        file = cls.folder / "__init__.py"
        if name != "fastnn.plugins" or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=[str(cls.folder)]
        )


sys.meta_path.append(_Beside)


@dataclass(frozen=True)
class Entry:
    """One registered thing and where it comes from."""

    kind: str
    name: str
    aliases: tuple[str, ...]
    distribution: str
    version: str
    object: Any

    @property
    def source(self) -> str:
        return f"{self.distribution!r} {self.version}".rstrip()


def kind_of(thing: Any) -> str:
    """The kind of a plugin object or class, from its type; PluginError where it is none."""
    cls = thing if inspect.isclass(thing) else type(thing)
    for known, kind in _TYPES.items():
        if issubclass(cls, known):
            return kind
    members = {name for base in cls.__mro__ for name in vars(base)}
    if isinstance(getattr(thing, "name", None), str):
        if {"start", "step"} <= members:
            return "optimizer"
        if "__call__" in members:
            return "layer"
    raise PluginError(
        "this is no plugin",
        got=repr(thing)[:100],
        expected="an Activation, RowActivation, Loss, Rule, Schedule or Initializer; or a class with a name "
        "and either start and step (a solver), or __call__ (a layer)",
    )


def check_plugin(thing: Any) -> str:
    """The kind of `thing`, refused where it cannot be registered: layers and solvers are classes."""
    kind = kind_of(thing)
    protocol: Any = {"layer": Layer, "optimizer": Solver}.get(kind)
    name = getattr(thing, "name", None)
    if not (isinstance(name, str) and name.isidentifier()):
        raise PluginError(
            f"{kind} name {name!r} is no identifier", got=repr(thing)[:100], expected="as 'my_name'"
        )
    if (
        kind not in ("layer", "op")
        and not isinstance(thing, Rule)
        and protocol is None
        and inspect.isclass(thing)
    ):
        raise PluginError(f"{kind} {name!r} is a class", expected="an object of it")
    if protocol is not None and not isinstance(thing, Rule):
        if not inspect.isclass(thing):
            raise PluginError(
                f"{kind} {name!r} is an object", expected="its class", hint=type(thing).__name__
            )
        missing = [m for m in ("needs", "start", "step") if kind == "optimizer" and not hasattr(thing, m)]
        if missing:
            raise PluginError(f"solver {name!r} lacks {', '.join(missing)}", expected="needs, start and step")
    return kind


def canonical(distribution: str) -> str:
    """The name of a distribution as packaging compares it: fastnn_Lion is fastnn-lion."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@dataclass
class Discovery:
    """`entries` and `problems`, filled by `built_in()` and `installed()`."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.manager = pluggy.PluginManager("fastnn")
        self.manager.add_hookspecs(hookspecs)

    def built_in(self) -> None:
        """The modules of fastnn.plugins, by the same door as everybody."""
        version = _version("fastnn")
        package = importlib.import_module("fastnn.plugins")
        for module in pkgutil.iter_modules(package.__path__):
            name = f"fastnn.plugins.{module.name}"
            self._load(name, "fastnn", version, lambda name=name: importlib.import_module(name))  # type: ignore[misc]

    def installed(self) -> None:
        """The entry points of the group fastnn."""
        named = os.environ.get("FASTNN_PLUGINS")
        wanted = None if named is None else {canonical(n.strip()) for n in named.split(",") if n.strip()}
        found = set()
        points = importlib.metadata.entry_points(group="fastnn")
        for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
            distribution, version = (point.dist.name, point.dist.version) if point.dist else (point.value, "")
            found.add(canonical(distribution))
            if wanted is None or canonical(distribution) in wanted:
                self._load(f"{distribution}:{point.name}", distribution, version, point.load)
        for name in sorted((wanted or set()) - found):
            self.problems.append(
                f"FASTNN_PLUGINS names {name!r}, which is not installed{did_you_mean(name, found)}"
            )

    def _load(self, name: str, distribution: str, version: str, load: Callable[[], Any]) -> None:
        """Import one plugin, register it with pluggy and take what its hooks return."""
        where = f"plugin {name!r} of {distribution!r} {version}".rstrip()
        try:
            plugin = load()
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a stranger's code raises anything)
            self.problems.append(f"{where} cannot be imported: {_say(error)}")
            return
        try:
            self.manager.register(plugin, name=name)
        except Exception as error:  # noqa: BLE001
            self.problems.append(f"{where} cannot be registered: {_say(error)}")
            return
        known = KINDS.values()
        callers = self.manager.get_hookcallers(plugin) or []
        hooked = {caller.name for caller in callers}
        for attribute in sorted(set(vars(plugin) if hasattr(plugin, "__dict__") else ()) - hooked):
            if attribute.startswith("fastnn_") and inspect.isfunction(getattr(plugin, attribute)):
                self.problems.append(
                    f"{where} has a function {attribute!r} that is not marked with @fastnn.hookimpl"
                )
        if not callers:
            self.problems.append(f"{where} has no hook; expected one of {', '.join(known)}")
        kinds = {hook: kind for kind, hook in KINDS.items()}
        for caller in callers:
            if caller.name not in kinds:
                near = did_you_mean(caller.name, known)
                self.problems.append(f"{where} has an unknown hook {caller.name!r}{near}")
                continue
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    self._take(
                        where, kinds[caller.name], caller.name, implementation.function, distribution, version
                    )

    def _take(
        self, where: str, kind: str, hook: str, function: Callable[[], Any], distribution: str, version: str
    ) -> None:
        try:
            things = function()
        except Exception as error:  # noqa: BLE001
            self.problems.append(f"{where}: its hook {hook!r} failed: {_say(error)}")
            return
        if isinstance(things, str) or not isinstance(things, Iterable):
            self.problems.append(f"{where}: its hook {hook!r} returned {things!r}, not a list")
            return
        for thing in things:
            try:
                actual = check_plugin(thing)
                if actual != kind:
                    raise PluginError(f"{actual} {thing.name!r} came through the hook {hook!r}")
            except Exception as error:  # noqa: BLE001
                self.problems.append(f"{where}: {_say(error)}")
            else:
                self.entries.append(Entry(kind, thing.name, aliases_of(thing), distribution, version, thing))


def aliases_of(thing: Any) -> tuple[str, ...]:
    return tuple(getattr(thing, "aliases", ()))


def _say(error: BaseException) -> str:
    """The error in one line, with its type unless it is one of ours."""
    text = " ".join(line.strip() for line in str(error).splitlines())
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
