"""results.md: where the figures come from, every item's tables, and the pictures."""

from __future__ import annotations

import datetime
import importlib
import platform
from argparse import Namespace
from pathlib import Path
from typing import Any

from library import Failed
from machine import commit, cpu_name
from tables import digits

from gpu.limits import card, describe_card
from gpu.peers import TITLES, Peers, Setting

ITEMS = {1: "steps", 2: "ways", 3: "inference", 4: "narrow", 5: "mnist", 6: "products", 7: "convolutions"}
TRIAL = "**A trial of the benchmark on tiny sizes: it shows that the scripts run. No figure below is a measurement of a GPU.**"


def about(options: Namespace) -> dict[str, Any]:
    """Card, its limits, machine, commit."""
    driver = describe_card() if options.device == "cuda" else {}
    name = options.card or driver.get("name", "no GPU")
    limits, measured = card(name, lambda: measured_card(options))
    return {
        "card": name,
        "driver": driver,
        "limits": None if limits is None else vars(limits),
        "measured": measured,
        "cpu": cpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "trial": options.smoke,
        "rounds": options.rounds,
    }


def measured_card(options: Namespace) -> dict[str, float]:
    """By PyTorch; {} where it is absent."""
    if "pytorch" not in options.libraries:
        return {}
    with Peers([Setting("pytorch", "float32", options.device)]) as peers:
        try:
            return dict(peers.present[0].ask(do="measure_card")) if peers.present else {}
        except Failed:
            return {}


def origin(about: dict[str, Any], versions: dict[str, str]) -> str:
    """Card, limits, versions, commit."""
    said = ", ".join(f"{name} {value}" for name, value in about["driver"].items() if name != "name")
    libraries = ", ".join(f"{TITLES[name]} {version}" for name, version in versions.items())
    text = (
        f"{about['card']} ({said or 'the driver says nothing'}); {about['cpu']}, {about['system']}, Python {about['python']};"
        f" {libraries or 'no library'}; commit {about['commit']}, {about['date']}. Medians of {about['rounds']} rounds in which all take turns;"
        " a ratio is the median of the rounds' ratios; the device is idle when a clock is read; nothing compiles while it runs."
    )
    return "\n\n".join([text, limits(about)])


def limits(about: dict[str, Any]) -> str:
    form = "{bandwidth} GB/s, {float32} TFLOP/s in float32, {tf32} in TF32, {bf16} in bf16"
    parts = ["Limits: not known (a card in no table, and no PyTorch to measure it)."]
    if about["limits"] is not None:
        figures = form.format(
            **{k: digits(v) for k, v in about["limits"].items() if isinstance(v, (int, float))}
        )
        parts = [f"Limits of the card: {figures} ({about['limits']['source']})."]
    if about["measured"]:
        parts.append(
            f"Measured on it: {form.format(**{k: digits(v) for k, v in about['measured'].items()})}."
        )
    parts.append(
        "The bytes limit of a step counts parameters, optimizer state, activations and deltas as read and written once and the batch as read once;"
        " what stays on the chip between steps can go below it."
    )
    return " ".join(parts)


def versions(thing: Any) -> dict[str, str]:
    """Of every library anywhere in a result."""
    found: dict[str, str] = {}
    if isinstance(thing, dict):
        found |= thing.get("versions", {})
        for value in thing.values():
            found |= versions(value)
    return found


def items_of(result: dict[str, Any]) -> list[str]:
    """Names of the items that something was measured of."""
    return [name for name in ITEMS.values() if result.get(name)]


def markdown(result: dict[str, Any], pictures: dict[str, list[str]]) -> str:
    parts = ["# fastnn beside its peers on a GPU", "Written by `python benchmarks/peers/gpu.py`."]
    parts += [TRIAL] * result["about"]["trial"] + [origin(result["about"], versions(result))]
    for name in items_of(result):
        item = importlib.import_module(f"gpu.{name}")
        images = [f"![{item.TITLE}]({file})" for file in pictures.get(name, [])]
        parts += [f"## {item.TITLE}", item.tables(result[name]), *images]
    return "\n\n".join(parts) + "\n"


def write(result: dict[str, Any], folder: Path) -> str:
    """results.md and the pictures; without matplotlib a line says so."""
    try:
        from gpu import plots
    except ImportError as error:
        text = markdown(result, {}) + f"\nNo plots: {error}.\n"
    else:
        text = markdown(result, plots.draw(result, folder))
    (folder / "results.md").write_text(text)
    return text
