"""What a fit shows while it runs: a live bar on a terminal or in a notebook, plain lines anywhere else.

    verbose   terminal, notebook                      elsewhere (a file, a pipe, a log of CI)
    False     nothing                                 nothing
    True      a bar; at the end one line              at most 20 lines, spread over the epochs, and the last line
    2         a bar below one line for every epoch    one line for every epoch

All of it goes to stderr. A bar is drawn at most ten times a second, and less often where drawing is slow: it may take
one part in a hundred and fifty of the time (tests/test_progress.py). rich is imported at the first start().
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from fastnn.compile import listeners

LINES = 20  # at most, when there is no terminal
PERIOD = 0.1  # seconds from one drawing to the next, at least
SHARE = 150  # and this many times what the last drawing took

clock = time.perf_counter

__all__ = ["CompileMessages", "Progress", "epoch_line"]


class CompileMessages:
    """Says that kernels are compiled, which happens once on a machine, while it happens.

    `write(line)` gets whole lines, `show(text)` a passing state ("" ends it). Nothing is said when all is cached.
    Use it as a context manager. `count` and `seconds` are of all that it heard.
    """

    def __init__(self, write: Callable[[str], None], show: Callable[[str], None] | None = None) -> None:
        self._write, self._show = write, show
        self.count, self.seconds = 0, 0.0
        self._said, self._said_seconds = 0, 0.0

    def __enter__(self) -> Self:
        listeners.append(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._heard in listeners:
            listeners.remove(self._heard)
        self.summarise()

    def _heard(self, name: str, seconds: float | None) -> None:
        if seconds is not None:
            self.seconds += seconds
            return
        self.count += 1
        number = self.count - self._said
        if self._show is not None:
            self._show(f"compiling kernels for this machine (first use only): {number}, {name}")
        elif number == 1:
            self._write("compiling kernels for this machine (first use only) ...")

    def summarise(self) -> None:
        """Say how many kernels were compiled since the last summary, if any."""
        count, seconds = self.count - self._said, self.seconds - self._said_seconds
        if count:
            if self._show is not None:
                self._show("")
            kernels = f"{count} kernel{'' if count == 1 else 's'}"
            self._write(f"compiled {kernels} for this machine in {seconds:.1f} s (first use only)")
            self._said, self._said_seconds = self.count, self.seconds


class Progress:
    """The display of one fit of `epochs` epochs with `steps_per_epoch` steps each.

    start(), then update() as often as one likes, epoch_end() once an epoch, stop(). Epochs in update() count
    from 0, in rows from 1. Start it before the plan is built, so that compiling is seen.
    """

    def __init__(self, verbose: bool | int, epochs: int, steps_per_epoch: int, console: Any = None) -> None:
        self.verbose, self.epochs, self.steps = int(verbose), epochs, max(1, steps_per_epoch)
        self._console = console
        self._bar: Any = None
        self._task: Any = None
        self._compiling: CompileMessages | None = None
        self._row: Mapping[str, Any] | None = None
        self._rows = 0
        self._next, self._begun, self._started = 0.0, 0.0, False

    def start(self, epoch: int = 0) -> None:
        """Show the display; `epoch` epochs are finished already (a resumed run)."""
        if not self.verbose or self._started:
            return
        self._started, self._begun = True, clock()
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True)
        if _is_live(self._console):
            self._bar = _make_bar(self._console, self.epochs)
            total = self.epochs * self.steps
            self._task = self._bar.add_task(
                "", total=total, completed=epoch * self.steps, epoch=epoch, note=""
            )
            self._bar.start()
        self._compiling = CompileMessages(self.message, self._passing if self._bar is not None else None)
        self._compiling.__enter__()

    def update(self, epoch: int, steps: float, loss: float) -> None:
        """`steps` steps of epoch number `epoch` (from 0) are done, with this mean loss so far."""
        if self._bar is None:
            if self._compiling is not None:
                self._compiling.summarise()
            return
        now = clock()
        if now < self._next:
            return
        if self._compiling is not None:
            self._compiling.summarise()
        self._draw(
            completed=epoch * self.steps + steps,
            epoch=epoch + 1,
            note=f"loss {_number(loss)}{self._held_out()}",
        )

    def epoch_end(self, row: Mapping[str, Any]) -> None:
        """An epoch is over; `row` is what the history got."""
        self._row, self._rows = row, self._rows + 1
        epoch = row["epoch"]
        if self._bar is not None and clock() >= self._next:
            loss = row.get("loss", math.nan)
            self._draw(
                completed=epoch * self.steps, epoch=epoch, note=f"loss {_number(loss)}{self._held_out()}"
            )
        stride = 1 if self.verbose > 1 else math.ceil(self.epochs / LINES)
        if self.verbose > 1 or (
            self.verbose and self._bar is None and epoch % stride == 0 and epoch < self.epochs
        ):
            self.message(epoch_line(row, self.epochs))

    def message(self, text: str) -> None:
        """One line that stays, above the bar."""
        if not self.verbose or self._console is None:
            return
        if self._bar is None and not self._console.is_jupyter:
            print(text, file=self._console.file, flush=True)  # a hundredth of what rich takes
        else:
            self._console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def stop(self, reason: str | None = None) -> None:
        """Take the display away and leave one line about the whole; `reason` says why it ended early."""
        if not self._started:
            return
        self._started = False
        seconds = clock() - self._begun
        if self._compiling is not None:
            self._compiling.__exit__()
            seconds = max(0.0, seconds - self._compiling.seconds)  # compiling has its own line
            self._compiling = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._row is not None:
            head = f"{self._rows} epoch{'' if self._rows == 1 else 's'} in {_duration(seconds)}"
            if reason:
                head += f", stopped at epoch {self._row['epoch']} of {self.epochs} ({reason})"
            self.message(f"{head}: {', '.join(_figures(self._row))}")
        elif reason:
            self.message(f"stopped in the first epoch ({reason})")

    def _held_out(self) -> str:
        loss = None if self._row is None else self._row.get("validation_loss")
        return "" if loss is None else f", validation {_number(loss)}"

    def _passing(self, text: str) -> None:
        if self._bar is not None:
            self._bar.instead = text
            self._draw()

    def _draw(self, **fields: Any) -> None:
        begun = clock()
        self._bar.update(self._task, **fields)
        self._bar.refresh()
        now = clock()
        self._next = now + max(PERIOD, SHARE * (now - begun))


def epoch_line(row: Mapping[str, Any], epochs: int) -> str:
    """One epoch in a line: "epoch  3/10  loss 0.1234  accuracy 98.1 %  12.3 ms"."""
    head = f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}"
    tail = [_duration(row["seconds"])] if row.get("seconds") is not None else []
    return "  ".join([head, *_figures(row), *tail])


def _figures(row: Mapping[str, Any]) -> list[str]:
    """The losses and metrics of a row in words; settings and times left out."""
    left_out = ("epoch", "eta", "seconds", "samples_per_second")
    figures = []
    for name, value in row.items():
        if name not in left_out and isinstance(value, (int, float)):
            text = f"{100 * value:.1f} %" if name.endswith("accuracy") else _number(value)
            figures.append(f"{name.replace('_', ' ')} {text}")
    return figures


def _number(value: float) -> str:
    return f"{value:#.4g}"


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _is_live(console: Any) -> bool:
    """Whether a bar can be redrawn in place."""
    if console.is_jupyter:  # rich draws there through ipywidgets
        from importlib.util import find_spec

        return find_spec("ipywidgets") is not None
    return bool(console.is_terminal and not console.is_dumb_terminal)


def _make_bar(console: Any, epochs: int) -> Any:
    from rich import progress
    from rich.text import Text

    class Bar(progress.Progress):
        """A bar that can give its place to a passing message."""

        instead = ""

        def get_renderables(self) -> Any:
            if self.instead:
                yield Text(self.instead, no_wrap=True, overflow="ellipsis")
            else:
                yield self.make_tasks_table(self.tasks)

    return Bar(
        progress.TextColumn(f"epoch {{task.fields[epoch]:>{len(str(epochs))}}}/{epochs}"),
        progress.BarColumn(bar_width=30),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(compact=True),
        progress.TextColumn("{task.fields[note]}", markup=False),
        console=console,
        auto_refresh=False,
        transient=True,
    )
