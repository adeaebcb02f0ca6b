"""fastnn evaluate: how good a saved network is on data whose answers are known."""

from __future__ import annotations

from typing import Any

import click

from fastnn.cli.where import device_options

EPILOG = """\b
Examples:
  fastnn evaluate model.safetensors test.csv --target species
  fastnn evaluate model.safetensors test.csv --target price --json
  fastnn evaluate model.safetensors digits --validation 0.2 --seed 0

With --validation and --seed only those samples count that `fastnn fit` held out with the same two options.
"""


@click.command("evaluate", epilog=EPILOG, short_help="Judge a model on data with known answers.")
@click.argument("model")
@click.argument("data")
@click.option("--target", metavar="COLUMN", help="Column of the file with the answers.")
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Only the part that fit held out with the same share and seed.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print figures as JSON.")
@click.option("--threads", type=click.IntRange(1), help="[default: as many as pay off]")
@device_options
def command(
    model: str,
    data: str,
    target: str | None,
    validation: float | None,
    seed: int,
    as_json: bool,
    threads: int | None,
    device: str,
    precision: str | None,
) -> int:
    """Figures of MODEL on DATA: a CSV or Parquet file with --target, or a bundled data set."""
    from fastnn import storage, tables
    from fastnn.cli import fitting, show, sources
    from fastnn.progress import CompileMessages

    net = storage.load(model).to(device, precision)
    X, source = sources.inputs_for(net, data)
    y, classes = _answers(net, source, target)
    word = data
    if validation is not None:
        _, held = tables.split(y, validation, seed)
        X, y, word = X[held], y[held], f"{data}, held out"
    labels = y if net.classes is None or not classes else net.classes[y]
    with CompileMessages(lambda line: click.echo(line, err=True)):
        figures = {"samples": len(X), **net.evaluate(X, labels, threads=threads)}
        z = net(X, threads=threads)
    if as_json:
        import json

        click.echo(json.dumps(figures, indent=2))
        return 0
    loss = f", loss {figures['loss']:.4g} ({net.loss.name})"
    if classes:
        shown = fitting.judge_classes(y, fitting.chosen_classes(z), classes, word, loss)
    else:
        shown = fitting.judge_values(y, net.predict(X, threads=threads)[:, 0], word, loss)
    show.show(*shown)
    if validation is None and sources.is_bundled(data):
        note = "note: the samples that it was trained on count too; --validation 0.2 takes those that fit held out"
        click.echo(note, err=True)
    return 0


def _answers(net: Any, source: Any, target: str | None) -> tuple[Any, tuple[str, ...]]:
    """y, and the names of the classes that it indexes; none for a regression."""
    from fastnn import tables
    from fastnn.datasets import Dataset
    from fastnn.errors import DataError

    if net.loss is None:
        raise DataError("this network was never trained: it has no loss to judge by")
    classes: tuple[str, ...] = ()
    if net.loss.task == "classification":
        n = max(2, net.output_shape[0])
        classes = tuple(str(label) for label in (range(n) if net.classes is None else net.classes))
    if isinstance(source, Dataset):
        if bool(source.classes) != bool(classes) or (net.classes is not None and classes != source.classes):
            raise DataError(
                f"the network was not trained for {source.name!r}",
                got=", ".join(source.classes) or "values to predict",
                expected=", ".join(classes) or "values to predict",
            )
        return source.y, classes
    if target is None:
        raise click.UsageError(
            f"which column of {source.name} has the answers? Say --target, one of: {', '.join(source.columns)}"
        )
    if classes:
        return tables.labels(source, target, classes), classes
    return source.numbers(target), classes
