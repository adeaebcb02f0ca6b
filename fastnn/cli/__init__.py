"""The command `fastnn`: one file a command, imported when it is asked for.

Results go to stdout, progress and errors to stderr. Exit code 0: done; 2: the user can mend it, one line says what;
130: Ctrl-C. Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from fastnn.errors import FastnnError, did_you_mean

COMMANDS = ("fit", "predict", "evaluate", "summary", "plugins", "warmup", "doctor")

EPILOG = """\b
Examples:
  fastnn fit digits --out model.safetensors --plot curve.png
  fastnn fit houses.csv --target price --layers 64,64 --out houses.safetensors
  fastnn predict houses.safetensors new.csv --out prices.csv
  fastnn doctor

Every command explains itself: fastnn fit --help
"""


class Commands(click.Group):
    """The commands in the order in which one needs them; importing one does not import the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"fastnn.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fastnn", message="fastnn %(version)s")
def group() -> None:
    """Train and use neural networks that Numba compiles."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a middle dot shows "?", not a traceback
    with warnings.catch_warnings():  # puts showwarning back, for those who call this from Python
        warnings.showwarning = _show_warning
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code: Any = group.main(arguments, prog_name="fastnn", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "fastnn"
        return _complain(error.format_message(), f"  try       {command} --help")
    except click.ClickException as error:
        return _complain(error.format_message())
    except FastnnError as error:
        return _complain(str(error))
    except (click.Abort, KeyboardInterrupt):
        return _complain("interrupted", code=130)
    except BrokenPipeError:  # the reader of a pipe, as head, has seen enough
        from fastnn.cli.show import silence

        silence()
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        return _complain(f"{error.filename}: {error.strerror}")
    else:
        return code if isinstance(code, int) else 0
    return 0


def _complain(*lines: str, code: int = 2) -> int:
    text = "\n".join(lines)
    click.echo(click.style("error: ", fg="red", bold=True) + text, err=True)
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(click.style("warning: ", fg="yellow", bold=True) + str(message), err=True)
