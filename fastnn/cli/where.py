"""--device and --precision, the same for every command that runs a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

__all__ = ["device_options"]

_OPTIONS = (
    click.option(
        "--device",
        type=click.Choice(["cpu", "cuda"]),
        default="cpu",
        show_default=True,
        help="Where it runs; cuda needs an NVIDIA GPU and fastnn[cuda].",
    ),
    click.option(
        "--precision",
        type=click.Choice(["float32", "tf32", "bf16"]),
        help="Of matrix products on a GPU.  [default: float32]",
    ),
)


def device_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add both options to a command; `net.to(device, precision)` is what they ask for."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
