"""fastnn summary: what is in a model file."""

from __future__ import annotations

import click


@click.command(
    "summary",
    epilog="\b\nExample:\n  fastnn summary model.safetensors",
    short_help="Show what is in a model file.",
)
@click.argument("model")
def command(model: str) -> int:
    """Layers, shapes and parameters of MODEL, and what it takes and gives."""
    from fastnn import storage
    from fastnn.cli import show

    net = storage.load(model)
    show.show(net.summary())
    rows = [("file", f"{model}, {show.size(model)}"), ("dtype", net.dtype)]
    if net.loss is not None:
        rows.append(("loss", _settings(net.loss.config())))
    if net.scaler is not None:
        rows.append(("scaling", net.scaler.kind))
    if net.classes is not None:
        rows.append(("classes", _few([str(label) for label in net.classes])))
    if net.features is not None:
        rows.append(("features", _few(net.features)))
    show.show("")
    show.show(show.facts(rows))
    return 0


def _settings(config: dict[str, object]) -> str:
    changed = ", ".join(f"{name}={value}" for name, value in config.items() if name != "name")
    return f"{config['name']}({changed})" if changed else str(config["name"])


def _few(names: list[str], at_most: int = 12) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
