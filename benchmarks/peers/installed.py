"""How much disk a library takes with all that it requires: the files of its distribution and, without extras, of its requirements."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {"fastnn": ("fastnn", "plugins")}
"""Folders of a project that may be installed as a link to its clone."""


def megabytes(name: str) -> tuple[float, dict[str, float]] | None:
    """(all together, {distribution: megabytes}), largest first; None when it is not installed."""
    try:
        names = closure(name)
    except metadata.PackageNotFoundError:
        return None
    sizes = {each: size(each) / 1e6 for each in names}
    largest = dict(sorted(sizes.items(), key=lambda pair: -pair[1]))
    return sum(sizes.values()), largest


def closure(name: str) -> list[str]:
    """The distribution and what it requires, directly or not. Requirements of other systems are not installed, and left out."""
    found, waiting = [], [name]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.append(each)
        for line in metadata.requires(each) or []:
            if requirement := required(line):
                try:
                    metadata.distribution(requirement)
                except metadata.PackageNotFoundError:
                    continue
                waiting.append(requirement)
    return found


def required(line: str) -> str | None:
    """The name in a line of a distribution's requirements, None where only an extra asks for it.

    >>> required("numpy>=2.0"), required('nvidia-ml-py; extra == "gpu"'), required("Foo_Bar ; python_version > '3'")
    ('numpy', None, 'foo-bar')
    """
    requirement, _, marker = line.partition(";")
    if re.search(r"\bextra\b", marker):
        return None
    name = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return re.sub(r"[-_.]+", "-", name.group()).lower() if name else None


def size(name: str) -> int:
    """Bytes of a distribution's files."""
    if name in SOURCES:
        folders = [ROOT / folder for folder in SOURCES[name]]
        files = [
            path
            for folder in folders
            for path in folder.rglob("*")
            if path.suffix in (".py", ".npz", ".typed")
        ]
        return sum(path.stat().st_size for path in files)
    listed = metadata.distribution(name).files or []
    paths = [Path(str(file.locate())) for file in listed]
    return sum(path.stat().st_size for path in paths if path.is_file())
