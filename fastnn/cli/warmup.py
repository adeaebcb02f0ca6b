"""fastnn warmup: compile everything ahead."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  fastnn warmup
  fastnn warmup --dtype float32 --dtype float64
  FASTNN_CACHE_DIR=/opt/fastnn fastnn warmup        in the making of a container image

Kernels are compiled for the processor that this runs on.
"""


@click.command("warmup", epilog=EPILOG, short_help="Compile everything ahead.")
@click.option(
    "--dtype",
    "dtypes",
    type=click.Choice(["float32", "float64"]),
    multiple=True,
    default=("float32",),
    show_default=True,
    help="May be repeated.",
)
def command(dtypes: tuple[str, ...]) -> int:
    """Compile the kernels of all built-in activations, losses and optimizers, so that no fit has to wait."""
    import time

    from fastnn.cli import show
    from fastnn.compile import cache_folder
    from fastnn.progress import CompileMessages
    from fastnn.warmup import warmup

    start = time.perf_counter()
    with CompileMessages(lambda line: click.echo(line, err=True)) as messages:
        warmup(tuple(dict.fromkeys(dtypes)))
        count = messages.count
    seconds = time.perf_counter() - start
    done = (
        f"{count} kernel{'' if count == 1 else 's'} compiled in {seconds:.1f} s"
        if count
        else "everything was compiled already"
    )
    rows = [("warmup", f"{', '.join(dict.fromkeys(dtypes))}: {done}"), ("cache", str(cache_folder()))]
    show.show(show.facts(rows))
    return 0
