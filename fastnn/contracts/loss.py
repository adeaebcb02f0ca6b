"""A loss, one sample at a time: C = mean over the batch of L(z, y), delta = dL/dz."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from fastnn.contracts.part import Function, Part
from fastnn.errors import PluginError

TARGETS = {
    "numbers": "any numbers",
    "nonnegative": "numbers from 0 on",
    "probabilities": "numbers from 0 to 1",
    "signs": "-1 and +1",
}


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Part):
    """L(z, y) of the network's raw output row z, with its derivative.

    row(z, y, delta, ...)               the value; y is a row as z; dL/dz is written into delta
    index(z, y, delta, ...)             the same; y is a class, 0 .. n_out-1 (with n_out == 1: 0 or 1)
    row_curvature(z, y, v, out, ...)    out = (d2L/dz2) v; exact second order needs it
    index_curvature(z, y, v, out, ...)  the same, y a class
    link(z, a, ...)                     a = what predict() shows (probabilities, rates); without it, z

    The library takes the mean over the batch, weighted where there are weights. `row` or `index` may lack. `targets` says what
    numbers a row of targets may hold: any, none below 0, 0 to 1, or -1 and +1; others are refused before training.
    `independent`: a row of targets answers one yes-or-no question an output, and accuracy is the share of right answers;
    without it, a row stands for the one class whose output is largest.
    """

    noun: ClassVar[str] = "loss"

    name: str
    row: Function | None = None
    index: Function | None = None
    row_curvature: Function | None = None
    index_curvature: Function | None = None
    link: Function | None = None
    _: KW_ONLY
    task: Literal["regression", "classification"] = "regression"
    targets: Literal["numbers", "nonnegative", "probabilities", "signs"] = "numbers"
    independent: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.row is None and self.index is None:
            raise PluginError(
                f"loss {self.name!r} has neither row nor index", expected="at least one of them"
            )
        if self.task not in ("regression", "classification"):
            raise PluginError(
                f"loss {self.name!r}: unknown task {self.task!r}", expected="regression or classification"
            )
        if self.targets not in TARGETS:
            raise PluginError(
                f"loss {self.name!r}: unknown kind of targets {self.targets!r}",
                expected=", ".join(TARGETS),
            )
        for role in ("row", "index"):
            function, curvature = getattr(self, role), getattr(self, f"{role}_curvature")
            if function is not None:
                self._check(role, function, ("z", "y", "delta"))
            if curvature is not None:
                self._check(f"{role}_curvature", curvature, ("z", "y", "v", "out"))
                if function is None:
                    raise PluginError(f"loss {self.name!r} has {role}_curvature but no {role}")
        if self.link is not None:
            self._check("link", self.link, ("z", "a"))
