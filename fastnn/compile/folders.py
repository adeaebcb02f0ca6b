"""Where compiled units are kept.

FASTNN_CACHE_DIR      where it can be written to; where it can only be read (an image of a container), it is read
the user's cache      $XDG_CACHE_HOME/fastnn or ~/.cache/fastnn
a temporary folder    for this process alone
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["cache_folder", "read_folders", "write_file"]


@cache
def cache_folder() -> Path:
    """The folder that units are written to."""
    named = os.environ.get("FASTNN_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME")
    places = [Path(named)] if named else []
    places.append((Path(home) if home else Path(os.path.expanduser("~")) / ".cache") / "fastnn")
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=place):
                return place.absolute()
        except OSError:
            continue
    try:
        place = Path(tempfile.mkdtemp(prefix="fastnn-"))
    except OSError:
        return Path(os.devnull)  # nothing can be written anywhere: every process compiles for itself
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


@cache
def read_folders() -> tuple[Path, ...]:
    """The folders that units are read from: the one they are written to, and FASTNN_CACHE_DIR where it is another."""
    named = os.environ.get("FASTNN_CACHE_DIR")
    places = [cache_folder()] if named is None else [Path(named).absolute(), cache_folder()]
    return tuple(dict.fromkeys(places))


def write_file(path: Path, content: bytes) -> None:
    """Write a file in one step; a full disk or a folder that is gone loses the file and nothing else."""
    with suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
