"""fastnn fit: train on a bundled data set or a file, show what the held-out part says, keep model and picture."""

from __future__ import annotations

from typing import Any

import click

from fastnn.cli.where import device_options

EPILOG = """\b
Examples:
  fastnn fit digits
  fastnn fit digits --out model.safetensors --plot curve.png
  fastnn fit diabetes --layers 32 --patience 10
  fastnn fit flowers.csv --target species --drop id
  fastnn fit houses.parquet --target price --layers 64,64 --optimizer sgd --set momentum=0.9

\b
Bundled data sets: digits, iris, diabetes. What else there is to choose from: fastnn plugins
"""


@click.command("fit", epilog=EPILOG, short_help="Train a network and judge it on held-out data.")
@click.argument("data")
@click.option("--target", metavar="COLUMN", help="Column of the file to learn; all others are features.")
@click.option("--drop", metavar="COLUMN", multiple=True, help="Column to leave out; may be repeated.")
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="What the target is. [default: inferred from it]",
)
@click.option(
    "--layers",
    default="128",
    show_default=True,
    metavar="N,N,...",
    help="Widths of the hidden layers; none: linear.",
)
@click.option("--activation", metavar="NAME", default="relu", show_default=True, help="Of the hidden layers.")
@click.option("--loss", metavar="NAME", help="[default: cross_entropy or squared_error]")
@click.option("--optimizer", metavar="NAME", default="adam", show_default=True)
@click.option("--eta", metavar="X", type=float, help="Learning rate. [default: the optimizer's]")
@click.option(
    "--set", "pairs", metavar="NAME=VALUE", multiple=True, help="A setting of the optimizer; may be repeated."
)
@click.option(
    "--epochs", metavar="N", type=click.IntRange(1), help="[default: enough for 3000 steps, at least 20]"
)
@click.option(
    "--patience",
    metavar="N",
    type=click.IntRange(1),
    help="Stop when the held-out loss has not improved for N epochs; keep the best epoch.",
)
@click.option("--batch-size", metavar="N", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--scale",
    type=click.Choice(["standardise", "min_max", "none"]),
    default="standardise",
    show_default=True,
    help="Of the features; kept in the model.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    metavar="SHARE",
    help="Part of the samples to hold out, stratified, chosen by the seed.",
)
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, show_default=True)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option("--threads", metavar="N", type=click.IntRange(1), help="[default: as many as pay off]")
@device_options
@click.option("--out", metavar="FILE", help="Write the model here (safetensors).")
@click.option("--plot", metavar="FILE", help="Draw the learning curve here (.png, .svg, .pdf).")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(data: str, out: str | None, plot: str | None, quiet: bool, **options: Any) -> int:
    """Train a network on DATA: a bundled data set, or a CSV or Parquet file with --target."""
    from fastnn.cli import show, sources

    sizes, chosen = sources.layer_sizes(options["layers"]), sources.settings(options["pairs"])
    if options["eta"] is not None:
        chosen["eta"] = options["eta"]
    if options["patience"] is not None and options["validation"] == 0:
        raise click.UsageError("--patience looks at the held-out samples, but --validation is 0")
    for path in (out, plot):
        sources.check_output(path)
    if plot is not None:
        from fastnn.plot import check_ending

        check_ending(plot)
    dataset = sources.training_data(data, options["target"], options["task"], options["drop"])

    from fastnn import tables
    from fastnn.cli.fitting import Fitting

    split = tables.split(dataset.y, options["validation"], options["seed"])
    fitting = Fitting(dataset, split, sizes, chosen, options)
    show.show(show.facts(fitting.facts()))
    history = fitting.run(verbose=not quiet)
    shown, written = fitting.results(), []
    if out is not None:  # before anything is printed: the reader of a pipe may be gone
        fitting.net.save(out)
        written.append(f"{out} ({show.size(out)})")
    if plot is not None and len(history):
        fitting.draw(history, plot)
        written.append(plot)
    if written:
        shown.append(show.facts([("written", ", ".join(written))]))
    show.show(*shown)
    if history.stopped == "interrupted":
        kept = "nothing was kept: there was no --out" if out is None else f"the network as it was is in {out}"
        click.echo(f"interrupted; {kept}", err=True)
        return 130
    return 0
