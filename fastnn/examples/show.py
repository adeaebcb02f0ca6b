"""What examples share: a command made of the function `run`, and the house style of their pictures.

An example ends with

    if __name__ == "__main__":
        show.main(run, report)

`run(*, seed=0, out=None, ...)` becomes the command's options by the names and defaults of its keywords (numbers, words, truth values, several numbers
as 1,2,3); lines of its docstring that begin with a keyword's name explain it. `report(numbers)` turns what `run` gave into lines and tables.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fastnn.cli.show import columns, facts, show
from fastnn.errors import FastnnError
from fastnn.plot import COLOURS, FAINT, HELD_OUT, INK, TRAINING, check_ending, dress, new_figure, save_figure

Array = NDArray[Any]

PALE = ("#dce9f4", "#f8dfe2")  # regions of two classes, under points of COLOURS[0] and COLOURS[1]

__all__ = [
    "COLOURS",
    "FAINT",
    "HELD_OUT",
    "INK",
    "PALE",
    "TRAINING",
    "caption",
    "columns",
    "facts",
    "label",
    "main",
    "panels",
    "regions",
    "save_figure",
]


def main(
    run: Callable[..., Any], report: Callable[[Any], Iterable[Any]], arguments: Sequence[str] | None = None
) -> None:
    """Run an example from the command line: options of `run`, then the lines of `report`, then where the picture is.

    Ends the process: code 0, or 2 with a sentence where the user can mend it, 130 after Ctrl-C.
    """
    command = click.Command(
        run.__module__,
        params=_options(run),
        help=inspect.getdoc(sys.modules[run.__module__]),
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def call(**options: Any) -> None:
        if options.get("out") is not None:
            check_ending(options["out"])  # before the work, not after it
        show(*report(run(**options)))
        if options.get("out") is not None:
            show(f"picture   {options['out']}")

    command.callback = call
    try:
        command.main(arguments, prog_name=f"python -m {_module(run)}")
    except FastnnError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _module(run: Callable[..., Any]) -> str:
    spec = getattr(sys.modules[run.__module__], "__spec__", None)
    return run.__module__ if spec is None else str(spec.name)


def _options(run: Callable[..., Any]) -> list[click.Parameter]:
    explained = dict(re.findall(r"^ *(\w+) {2,}(\S.*)$", inspect.getdoc(run) or "", re.MULTILINE))
    options: list[click.Parameter] = []
    for name, parameter in inspect.signature(run).parameters.items():
        default = parameter.default
        kind: Any = str if default is None else type(default)
        flag = f"--{name.replace('_', '-')}"
        options.append(
            click.Option(
                [f"{flag}/--no-{flag[2:]}" if kind is bool else flag, name],
                type=_several(default) if kind is tuple else kind,
                default=default,
                show_default=default is not None,
                metavar="NUMBERS" if kind is tuple else None,
                help=explained.get(name, "write a picture here: .png, .svg or .pdf" if name == "out" else ""),
            )
        )
    return options


def _several(default: tuple[Any, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A reader of numbers with commas between them, of the kind that the default has."""
    kind = type(default[0])

    def numbers(value: Any) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(kind(word) for word in value.split(","))
        except ValueError:
            raise click.BadParameter(f"{value!r} is not numbers with commas between them") from None

    return numbers


def panels(n: int, width: float = 4.6, height: float = 3.9, widths: Sequence[float] | None = None) -> Any:
    """(figure, list of n axes side by side) in the house style; `widths` in inches where they differ."""
    across = [width] * n if widths is None else list(widths)
    figure = new_figure(sum(across), height)
    axes = figure.subplots(1, n, squeeze=False, width_ratios=across)[0]
    for each in axes:
        dress(each)
    return figure, list(axes)


def caption(axes: Any, title: str, x: str = "", y: str = "") -> None:
    """Title above on the left, names of both axes."""
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.set_xlabel(x, fontsize=9.5, color=INK)
    axes.set_ylabel(y, fontsize=9.5, color=INK)


def label(axes: Any, x: float, y: float, text: str, colour: str = INK, **options: Any) -> None:
    """A word beside a curve, in its colour, in place of a legend."""
    options = {"fontsize": 9, "va": "center", "xytext": (6, 0), "textcoords": "offset points"} | options
    axes.annotate(text, (x, y), color=colour, annotation_clip=False, **options)


def regions(
    axes: Any, function: Callable[[Array], Array], X: Array, y: Array, margin: float = 0.25, size: float = 26
) -> None:
    """Where `function`, (rows, 2) -> (rows,) or (rows, 1), is above and below 0, with the points of both classes."""
    low, high = X.min(axis=0), X.max(axis=0)
    pad = margin * (high - low).max()
    u, v = (np.linspace(low[i] - pad, high[i] + pad, 201) for i in range(2))
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    height = np.asarray(function(grid), dtype=float).reshape(len(v), len(u))
    axes.contourf(u, v, height, levels=[-np.inf, 0, np.inf], colors=PALE)
    if height.min() < 0 < height.max():
        axes.contour(u, v, height, levels=[0], colors=INK, linewidths=1.3)
    for k, marker in enumerate("os"):
        here = X[y == k]
        axes.scatter(
            here[:, 0],
            here[:, 1],
            s=size,
            marker=marker,
            color=COLOURS[k],
            edgecolors="white",
            linewidths=0.7,
            zorder=3,
            label=f"class {k}",
        )
    axes.set(xlim=(u[0], u[-1]), ylim=(v[0], v[-1]))
    axes.set_aspect("equal", adjustable="box")
    axes.grid(visible=False)
