"""fastnn predict: what a saved network says of new data, as CSV."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import click

from fastnn.cli.where import device_options

EPILOG = """\b
Examples:
  fastnn predict model.safetensors new.csv
  fastnn predict model.safetensors new.csv --out predictions.csv
  fastnn predict model.safetensors new.csv --probabilities | head

The columns of the file are found by the names that the network was trained with; others are ignored.
"""


@click.command("predict", epilog=EPILOG, short_help="Say what a model predicts for new data.")
@click.argument("model")
@click.argument("data")
@click.option("--out", metavar="FILE", help="Write CSV here. [default: stdout]")
@click.option("--probabilities", is_flag=True, help="One column for the probability of every class.")
@click.option("--threads", type=click.IntRange(1), help="[default: as many as pay off]")
@device_options
def command(
    model: str,
    data: str,
    out: str | None,
    probabilities: bool,
    threads: int | None,
    device: str,
    precision: str | None,
) -> int:
    """Predictions of MODEL for the rows of DATA: a CSV or Parquet file, or a bundled data set."""
    from fastnn import storage
    from fastnn.cli import sources

    sources.check_output(out)
    net = storage.load(model).to(device, precision)
    X, _ = sources.inputs_for(net, data)
    header, columns = predictions(net, X, probabilities, threads)
    if out is None:
        _write(sys.stdout, header, columns)
    else:
        with open(out, "w", newline="", encoding="utf-8") as file:
            _write(file, header, columns)
        click.echo(f"{len(X):,} predictions written to {out}", err=True)
    return 0


def predictions(net: Any, X: Any, probabilities: bool, threads: int | None) -> tuple[list[str], list[Any]]:
    """Names of columns, and the columns."""
    import numpy as np

    from fastnn.cli.fitting import chosen_classes
    from fastnn.progress import CompileMessages

    with CompileMessages(lambda line: click.echo(line, err=True)):
        shown = net.predict(X, threads=threads).reshape(len(X), -1)
        z = net(X, threads=threads).reshape(len(X), -1)
    if net.loss is None or net.loss.task != "classification":
        n_out = shown.shape[1]
        header = ["prediction"] if n_out == 1 else [f"prediction_{j}" for j in range(n_out)]
        return header, list(shown.T)
    n = max(2, z.shape[1])
    labels = np.arange(n) if net.classes is None else net.classes
    chosen = chosen_classes(z)
    header, columns = ["prediction"], [labels[chosen]]
    if net.loss.link is None:
        if probabilities:
            raise click.UsageError(f"a network trained with loss {net.loss.name!r} gives no probabilities")
        return header, columns
    p = np.concatenate([1 - shown, shown], axis=1) if shown.shape[1] == 1 else shown
    if probabilities:
        return [*header, *(f"p_{label}" for label in labels)], [*columns, *p.T]
    return [*header, "probability"], [*columns, p[np.arange(len(p)), chosen]]


def _write(file: TextIO, header: list[str], columns: list[Any]) -> None:
    import csv

    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))
