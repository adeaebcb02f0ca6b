"""Callbacks: what happens before, between and after the epochs of a fit.

    on_train_begin(run)          once, before the first epoch
    on_epoch_begin(run)
    on_epoch_end(run, row)       row: what the history got for this epoch
    on_train_end(run)            once, also after stop() and Ctrl-C; not after an error

`run` has net, epoch (finished ones), epochs, step, steps_per_epoch, n_samples, history, optimizer, stop(reason)
and state() -> (tensors, record), all that is needed to go on later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from fastnn.errors import SettingError, did_you_mean

Row = Mapping[str, Any]
Tensors = dict[str, NDArray[Any]]
Record = dict[str, Any]

__all__ = ["Callback", "Callbacks", "LambdaCallback"]


class Callback:
    """A callback that does nothing; override what you need.

    `state` and `restore` carry what it knows through a checkpoint, so that a resumed run is the same run.
    `last`: it comes after all others, and so sees what they decided.
    """

    last = False

    def on_train_begin(self, run: Any) -> None: ...

    def on_epoch_begin(self, run: Any) -> None: ...

    def on_epoch_end(self, run: Any, row: Row) -> None: ...

    def on_train_end(self, run: Any) -> None: ...

    def state(self) -> tuple[Tensors, Record]:
        """Arrays and a JSON-able record that `restore` takes back."""
        return {}, {}

    def restore(self, tensors: Tensors, record: Record) -> None: ...


class Callbacks(Callback):
    """Several callbacks as one, in the order given, but those that are `last` behind the others."""

    def __init__(self, callbacks: Callback | Iterable[Callback] = ()) -> None:
        alone = isinstance(callbacks, (Callback, type, str)) or not isinstance(callbacks, Iterable)
        members: list[Any] = [callbacks] if alone else list(callbacks)  # type: ignore[arg-type]
        for member in members:
            if not isinstance(member, Callback):
                name = member.__name__ if isinstance(member, type) else repr(member)
                raise SettingError(
                    f"{name} is not a callback",
                    expected="objects of classes derived from fastnn.Callback",
                    hint=f"{name}()" if isinstance(member, type) else "LambdaCallback(on_epoch_end=...)",
                )
        self.members = sorted(members, key=lambda member: member.last)

    def on_train_begin(self, run: Any) -> None:
        for member in self.members:
            member.on_train_begin(run)

    def on_epoch_begin(self, run: Any) -> None:
        for member in self.members:
            member.on_epoch_begin(run)

    def on_epoch_end(self, run: Any, row: Row) -> None:
        for member in self.members:
            member.on_epoch_end(run, row)

    def on_train_end(self, run: Any) -> None:
        for member in self.members:
            member.on_train_end(run)

    def state(self) -> tuple[Tensors, Record]:
        """The states of all members, under "callback/<class>/<number among those>"."""
        tensors: Tensors = {}
        record: Record = {}
        for key, member in self._keyed():
            arrays, about = member.state()
            tensors |= {f"{key}/{name}": array for name, array in arrays.items()}
            if about:
                record[key] = about
        return tensors, record

    def restore(self, tensors: Tensors, record: Record) -> None:
        """Give every member its own part back; members that were not there before start anew."""
        for key, member in self._keyed():
            if key in record:
                prefix = f"{key}/"
                own = {n.removeprefix(prefix): array for n, array in tensors.items() if n.startswith(prefix)}
                member.restore(own, record[key])

    def _keyed(self) -> list[tuple[str, Callback]]:
        seen: dict[str, int] = {}
        keyed = []
        for member in self.members:
            name = type(member).__name__
            keyed.append((f"callback/{name}/{seen.get(name, 0)}", member))
            seen[name] = seen.get(name, 0) + 1
        return keyed


class LambdaCallback(Callback):
    """Functions as a callback: LambdaCallback(on_epoch_end=lambda run, row: print(row["loss"]))."""

    EVENTS = ("on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end")

    def __init__(self, **functions: Callable[..., None]) -> None:
        for event, function in functions.items():
            if event not in self.EVENTS:
                raise SettingError(
                    f"there is no event {event!r}{did_you_mean(event, self.EVENTS)}",
                    expected="one of " + ", ".join(self.EVENTS),
                )
            if not callable(function):
                raise SettingError(f"{event} is not a function", got=repr(function))
            setattr(self, event, function)
