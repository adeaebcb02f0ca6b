"""fastnn plugins: every registered name and where it comes from."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  fastnn plugins
  fastnn plugins --kind optimizer
  fastnn plugins --json

Which distributions are loaded can be limited: FASTNN_PLUGINS="mine,theirs"; empty, the built-in ones only.
"""


@click.command("plugins", epilog=EPILOG, short_help="List what there is to choose from.")
@click.option("--kind", metavar="KIND", help="Only activations, layers, losses, optimizers, ...")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(kind: str | None, as_json: bool) -> int:
    """Every activation, layer, loss, optimizer, schedule, initializer and op, with its distribution."""
    import warnings

    from fastnn.errors import PluginWarning
    from fastnn.hookspecs import KINDS
    from fastnn.registry import registry

    if kind is not None:
        kind = next((k for k in KINDS if kind.lower() in (k, f"{k}s", f"{k}es")), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # shown below
        entries, problems = registry.entries(kind), registry.problems()
    if as_json:
        import json

        fields = ("kind", "name", "aliases", "distribution", "version")
        plugins = [{field: getattr(entry, field) for field in fields} for entry in entries]
        click.echo(json.dumps({"plugins": plugins, "problems": problems}, indent=2))
        return 0
    from fastnn.cli import show

    rows, last = [], ""
    for entry in entries:
        rows.append(
            (
                entry.kind if entry.kind != last else "",
                entry.name,
                ", ".join(entry.aliases),
                entry.distribution,
                entry.version,
            )
        )
        last = entry.kind
    show.show(show.columns(("kind", "name", "also called", "distribution", "version"), rows))
    for problem in problems:
        click.echo(click.style("problem: ", fg="yellow", bold=True) + problem, err=True)
    return 0
