"""Where a setting may lie, written as in a text: "eta >= 0", "0 <= momentum < 1"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from fastnn.errors import PluginError

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBER, _SIGN = r"[-+]?(?:[\d.]+(?:e[-+]?\d+)?|inf)", r"<=|>=|<|>"
_TEXT = re.compile(
    rf"(?:(?P<left>{_NUMBER})\s*(?P<left_sign>{_SIGN})\s*)?(?P<name>[A-Za-z_]\w*)"
    rf"(?:\s*(?P<sign>{_SIGN})\s*(?P<right>{_NUMBER}))?"
)


@dataclass(frozen=True)
class Domain:
    """Bounds of the setting `name`; `text` is how a message says it."""

    name: str
    text: str
    bounds: tuple[tuple[str, float], ...]

    def holds(self, value: float) -> bool:
        """Whether `value` lies within; what is not a number lies nowhere."""
        return all(_COMPARE[sign](value, bound) for sign, bound in self.bounds)


@lru_cache(maxsize=256)
def parse(text: str) -> Domain:
    """The domain that `text` states; PluginError where it states none.

    >>> parse("0 <= momentum < 1").holds(0.9), parse("0 <= momentum < 1").holds(1)
    (True, False)
    """
    match = _TEXT.fullmatch(text.strip())
    bounds = []
    try:
        if match and match["left"]:
            bounds.append((_MIRRORED[match["left_sign"]], float(match["left"])))
        if match and match["right"]:
            bounds.append((match["sign"], float(match["right"])))
    except ValueError:  # digits and dots that are no number, as 1.2.3
        bounds = []
    if match is None or not bounds:
        raise PluginError(
            "this is no domain of a setting", got=repr(text), expected="as 'eta >= 0' or '0 <= momentum < 1'"
        )
    return Domain(match["name"], text.strip(), tuple(bounds))
