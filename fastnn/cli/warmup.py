"""fastnn warmup: compile everything ahead."""

from __future__ import annotations

import re

import click

EPILOG = """\b
Examples:
  fastnn warmup
  fastnn warmup --dtype float32 --dtype float64
  fastnn warmup --cuda 80,90                        for A100 and H100, on any machine
  FASTNN_CACHE_DIR=/opt/fastnn fastnn warmup        in the making of a container image

Kernels are compiled for the processor that this runs on. With --cuda, also the kernels that large networks launch one by one: about 600 for each
compute capability and dtype, some minutes. Not compiled ahead, but at their first use: small and medium networks on a GPU, each of which is a kernel
of its own; products on tensor cores; graphs with several branches, in part.
"""


def capabilities(_: click.Context, __: click.Parameter, words: str | None) -> tuple[tuple[int, int], ...]:
    """Compute capabilities without their dot, with commas between them: "80,90" is (8, 0) and (9, 0)."""
    if words is None:
        return ()
    each = [word.strip() for word in words.split(",")]
    for word in each:
        if not re.fullmatch("[1-9][0-9]{1,2}", word):
            raise click.BadParameter(
                f"{word!r} is no compute capability; expected two or three digits each, with commas between them, as 80,90"
            )
    return tuple(dict.fromkeys((int(word) // 10, int(word) % 10) for word in each))


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
@click.option(
    "--cuda",
    "ccs",
    callback=capabilities,
    metavar="80,90",
    help="Also for NVIDIA GPUs of these compute capabilities; needs no GPU.",
)
def command(dtypes: tuple[str, ...], ccs: tuple[tuple[int, int], ...]) -> int:
    """Compile the kernels of all built-in activations, losses and optimizers, so that no fit has to wait."""
    import time

    from fastnn.cli import show
    from fastnn.compile import cache_folder
    from fastnn.progress import CompileMessages

    if ccs:
        from fastnn.warmup import require_capabilities

        require_capabilities(ccs)
    from fastnn.warmup import warmup

    start = time.perf_counter()
    with CompileMessages(lambda line: click.echo(line, err=True)) as messages:
        warmup(tuple(dict.fromkeys(dtypes)))
        if ccs:
            from fastnn.warmup import warmup_cuda

            warmup_cuda(ccs, tuple(dict.fromkeys(dtypes)))
        count = messages.count
    seconds = time.perf_counter() - start
    done = (
        f"{count} kernel{'' if count == 1 else 's'} compiled in {seconds:.1f} s"
        if count
        else "everything was compiled already"
    )
    where = "".join(f", sm_{major}{minor}" for major, minor in ccs)
    rows = [("warmup", f"{', '.join(dict.fromkeys(dtypes))}{where}: {done}"), ("cache", str(cache_folder()))]
    show.show(show.facts(rows))
    return 0
