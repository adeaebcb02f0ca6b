"""Tables on the terminal: results in two columns, and the confusion table."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDE = 15  # classes of a confusion table that is shown whole
WORST = 10  # confusions listed of a larger one


def show(*things: Any) -> None:
    """Print on stdout; in plain lines as wide as they need, where that is no terminal.

    A reader that has left, as head does, is no reason to stop: there may be files to write.
    """
    from rich.console import Console

    screen = Console(highlight=False, markup=False, emoji=False)
    try:
        if screen.is_terminal:
            for thing in things:
                screen.print(thing)
            return
        plain = Console(highlight=False, markup=False, emoji=False, width=500, color_system=None)
        with plain.capture() as captured:
            for thing in things:
                plain.print(thing)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
        sys.stdout.flush()
    except BrokenPipeError:
        silence()


def silence() -> None:
    """Nobody reads stdout any more: let it lead nowhere, so that its last flush does not fail either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def facts(rows: Sequence[tuple[str, str]]) -> Any:
    """Names and what is to say about them."""
    from rich.table import Table

    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, text in rows:
        table.add_row(name, text)
    return table


def columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """A plain table with a header."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def counts(true: NDArray[Any], said: NDArray[Any], n: int) -> NDArray[np.int64]:
    """The confusion table: counts[i, j] samples of class i were said to be j."""
    table: NDArray[np.int64] = np.zeros((n, n), dtype=np.int64)
    np.add.at(table, (true, said), 1)
    return table


def confusion(table: NDArray[np.int64], classes: Sequence[str]) -> Any:
    """Rows are true classes, columns what was said; of many classes, the worst confusions."""
    from rich.table import Table
    from rich.text import Text

    width = sum(max(len(name), 4) + 2 for name in classes) + max(map(len, classes)) + 12
    if len(classes) > WIDE or width > max(80, shutil.get_terminal_size().columns):
        return _worst(table, classes)
    shown = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    shown.add_column(Text("true \\ said", style="dim"), justify="right", style="bold", no_wrap=True)
    for name in classes:
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column(Text("right", style="dim"), justify="right", no_wrap=True)
    for i, name in enumerate(classes):
        cells = []
        for j, count in enumerate(table[i]):
            style = "green" if i == j else "bold red" if count else "dim"
            cells.append(Text(str(count) if count else "·", style=style))
        total = int(table[i].sum())
        share = f"{100 * table[i, i] / total:.0f} %" if total else "-"
        shown.add_row(name, *cells, Text(share, style="dim"))
    return shown


def _worst(table: NDArray[np.int64], classes: Sequence[str]) -> Any:
    wrong = table - np.diag(np.diag(table))
    places = [divmod(int(k), len(classes)) for k in np.argsort(-wrong, axis=None, kind="stable")[:WORST]]
    rows = [(classes[i], classes[j], str(wrong[i, j])) for i, j in places if wrong[i, j]]
    return columns(("true", "said", "samples"), rows or [("-", "-", "0")])


def size(path: Any) -> str:
    """A file's size in words."""
    from pathlib import Path

    n = Path(path).stat().st_size
    return f"{n} bytes" if n < 1000 else f"{n / 1e3:.3g} kB" if n < 1e6 else f"{n / 1e6:.3g} MB"
