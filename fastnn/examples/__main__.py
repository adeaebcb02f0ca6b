"""python -m fastnn.examples: what there is to run."""

import re
from collections.abc import Sequence

from fastnn.cli.show import columns, show
from fastnn.examples import listed


def year(example: Sequence[str]) -> str:
    """The year that its line names; tools and pictures, which name none, come after the systems."""
    found = re.search(r"\((\d{4})\)", example[1])
    return found[1] if found else "later"


show(
    columns(("example", "what it shows"), sorted(listed().items(), key=year)),
    "\nrun one   python -m fastnn.examples.NAME --out picture.png\nexplained python -m fastnn.examples.NAME --help",
)
