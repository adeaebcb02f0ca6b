"""Errors in sentences: what went wrong and where, what was got, what was expected, what to try.

ShapeError: layer 'head' (Dense): input has 784 features, but W was built for 400
  got       a.shape = (64, 784)
  expected  (batch, 400)
  try       build 'head' after 'flatten'
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class FastnnError(Exception):
    """Every error that fastnn raises on purpose.

    >>> print(FastnnError("rows differ", got="X has 3, y has 4", hint="drop a row of y"))
    rows differ
      got       X has 3, y has 4
      try       drop a row of y
    """

    def __init__(
        self, what: str, *, got: object = None, expected: object = None, hint: object = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.got = got
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        for word, text in (("got", self.got), ("expected", self.expected), ("try", self.hint)):
            if text is not None:
                lines.append(f"  {word:<9} {text}")
        return "\n".join(lines)


class ShapeError(FastnnError, ValueError):
    """Two shapes do not fit together."""


class DataError(FastnnError, ValueError):
    """The data cannot be used: wrong type, missing values, labels that do not fit the loss."""


class SettingError(FastnnError, ValueError):
    """A setting has an unknown name or an impossible value."""


class UnknownNameError(FastnnError, LookupError):
    """Nothing is registered under this name; near misses are listed.

    >>> print(UnknownNameError.among("activation", "sigmod", ["sigmoid", "relu"]))
    unknown activation 'sigmod'; did you mean 'sigmoid'?
      expected  one of relu, sigmoid
    """

    @classmethod
    def among(cls, noun: str, name: object, names: Iterable[str]) -> UnknownNameError:
        """The error for `name`, when `names` are what there is."""
        known = sorted(names)
        return cls(
            f"unknown {noun} {name!r}{did_you_mean(name, known)}",
            expected="one of " + ", ".join(known) if known else f"no {noun} is there",
        )


class PluginError(FastnnError):
    """A plugin is broken, or two plugins claim one name."""


class CapabilityError(FastnnError):
    """What is asked needs something that a part lacks, as a second derivative."""


class DivergedError(FastnnError, ArithmeticError):
    """The loss became infinite or not a number."""


class StorageError(FastnnError, ValueError):
    """A file is not a saved network, or not one that this version reads."""


class DeviceError(FastnnError, RuntimeError):
    """A GPU that was asked for is not there, or does not do what it was told."""


class DeviceMemoryError(FastnnError, MemoryError):
    """The memory of a GPU, or page-locked memory for it, is not enough."""


class MissingExtraError(FastnnError, ImportError):
    """An optional package is not installed."""


class PluginWarning(UserWarning):
    """A plugin could not be used; everything else goes on working."""


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """The words "; did you mean 'a' or 'b'?" with near misses of `name`, or nothing.

    >>> did_you_mean("beta", ["eta", "beta1", "beta2", "epsilon"])
    "; did you mean 'beta1' or 'beta2'?"
    >>> did_you_mean("x", ["epsilon"])
    ''
    """
    lower: dict[str, str] = {}
    for known in names:
        lower.setdefault(known.lower(), known)
    word = str(name).lower()
    near = difflib.get_close_matches(word, list(lower), n=3, cutoff=0.6)
    if not near:
        return ""
    best = difflib.SequenceMatcher(None, near[0], word).ratio()
    close = sorted(n for n in near if difflib.SequenceMatcher(None, n, word).ratio() > best - 0.03)
    return f"; did you mean {' or '.join(repr(lower[match]) for match in close)}?"


def need_extra(module: str, extra: str) -> ModuleType:
    """Import an optional module, or raise MissingExtraError that names the extra that brings it.

    Only the absence of the package itself is translated: an installed but broken one raises its own error.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"this needs the package {module.partition('.')[0]!r}, which is not installed",
            hint=f'pip install "fastnn[{extra}]"',
        ) from error
