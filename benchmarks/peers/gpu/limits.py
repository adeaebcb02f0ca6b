"""The two limits of a training step: the bytes it must move over the card's bandwidth, and its operations over the card's peak."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from cases import Case

STATE = {"sgd": 0, "adam": 2, "adagrad": 1}
"""Vectors as long as the parameters that a rule keeps."""
QUERY = "name,driver_version,memory.total,clocks.max.sm,power.limit"


@dataclass(frozen=True)
class Card:
    """bandwidth in GB/s; float32 (no tensor cores), tf32 and bf16 (dense, no sparsity) in TFLOP/s."""

    name: str
    bandwidth: float
    float32: float
    tf32: float
    bf16: float
    source: str


A100, H100, H200 = (f"NVIDIA {name} Tensor Core GPU datasheet" for name in ("A100", "H100", "H200"))
CARDS = (
    Card("A100-PCIE-40GB", 1555, 19.5, 156, 312, A100),
    Card("A100-SXM4-40GB", 1555, 19.5, 156, 312, A100),
    Card("A100 80GB PCIe", 1935, 19.5, 156, 312, A100),
    Card("A100-SXM4-80GB", 2039, 19.5, 156, 312, A100),
    Card("H100 PCIe", 2000, 51, 378, 756, H100),
    Card("H100 NVL", 3900, 60, 417.5, 835.5, H100),
    Card("H100 80GB HBM3", 3350, 67, 494.5, 989.5, H100),
    Card("H200 NVL", 4800, 60, 417.5, 835.5, H200),
    Card("H200", 4800, 67, 494.5, 989.5, H200),
)
"""By what the driver calls them; the datasheets' TF32 and bf16 figures are with sparsity, these are half of them (A100: as printed)."""


def known(name: str) -> Card | None:
    """The card whose name ends in one of the table's: "NVIDIA H100 PCIe" is "H100 PCIe"."""
    for card in CARDS:
        if name.removeprefix("NVIDIA ") == card.name:
            return replace(card, name=name)
    return None


def card(name: str, measure: Callable[[], dict[str, float]]) -> tuple[Card | None, dict[str, float]]:
    """The limits of the card at hand, and what a large copy and large products of PyTorch reach on it ({} without PyTorch).

    They are the limits where the table does not know the card.
    """
    measured = measure()
    found = known(name)
    if found is None and measured:
        found = Card(name, **measured, source="a copy of 1 GiB and products of 8192 by PyTorch on this card")
    return found, measured


def describe_card() -> dict[str, str]:
    """What the driver says of the first card; {} where there is none."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader", "--id=0"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(QUERY.split(","), (word.strip() for word in said.split(",")), strict=False))


def bytes_of_step(case: Case, optimizer: str) -> int:
    """Read and written once each: parameters and the rule's state, activations and deltas; read once: the batch. Four bytes a number.

    A step by itself: what stays on the chip from one step to the next need not be moved, so many steps in one kernel may go below this.
    """
    parameters = sum(n_in * n_out + n_out for n_in, n_out in pairwise(case.sizes))
    kept = 2 * parameters * (1 + STATE[optimizer])
    hidden, outputs = sum(case.sizes[1:-1]), case.sizes[-1]
    targets = outputs if case.loss == "squared_error" else 1
    a_row = (
        case.sizes[0] + targets + 2 * (2 * hidden + outputs)
    )  # a and delta of hidden layers, delta of the last
    return 4 * (kept + case.batch * a_row)


def bytes_of_answer(sizes: tuple[int, ...], batch: int) -> int:
    """Parameters and inputs read once, outputs written once."""
    parameters = sum(n_in * n_out + n_out for n_in, n_out in pairwise(sizes))
    return 4 * (parameters + batch * (sizes[0] + sizes[-1]))


def flops_of_answer(sizes: tuple[int, ...], batch: int) -> int:
    return 2 * batch * sum(n_in * n_out for n_in, n_out in pairwise(sizes))


def microseconds(
    card: dict[str, Any] | None, precision: str, nbytes: float, flops: float
) -> dict[str, float]:
    """{"bytes": us, "flops": us}: no step can take less than either. {} where the card is not known."""
    if card is None:
        return {}
    return {"bytes": nbytes / card["bandwidth"] / 1e3, "flops": flops / card[precision] / 1e6}
