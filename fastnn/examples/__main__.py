"""python -m fastnn.examples: what there is to run."""

from fastnn.cli.show import columns, show
from fastnn.examples import listed

show(
    columns(("example", "what it shows"), list(listed().items())),
    "\nrun one   python -m fastnn.examples.NAME --out picture.png\nexplained python -m fastnn.examples.NAME --help",
)
