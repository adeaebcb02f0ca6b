"""The systems of the lecture notes, each small enough to run and to read: python -m fastnn.examples lists them.

An example is a file with a function `run(...)`, which trains, measures, draws a picture where `out` names one, and returns its numbers, and a function
`report(numbers)`, the lines that the command prints. A new one needs nothing but its file: it is found, listed and run.
"""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ["listed"]


def listed() -> dict[str, str]:
    """{name: what it shows, in a line} of every example: files that define `run`, read and not imported.

    >>> listed()["xor"]
    'XOR (1969): no line reads it, one hidden layer does.'
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
    return found
