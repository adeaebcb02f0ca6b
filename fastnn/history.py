"""What a fit leaves behind: one row an epoch.

epoch                  from 1
loss                   mean over the training set, gathered while it was trained on
validation_loss, ...   loss and accuracy (or rmse and r2) of the held-out set, after the epoch
eta                    learning rate of the epoch's last step
seconds                time of the epoch
samples_per_second     training samples in that time
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import UnknownNameError, need_extra

Row = Mapping[str, Any]

SHOWN = 10  # rows of a printed history


class History(Sequence[Row]):
    """A sequence of rows (dicts), one an epoch; `stopped` says why a fit ended before its last epoch.

    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "validation_loss": 0.3}])
    >>> history[-1]["loss"], history.column("validation_loss")
    (0.25, array([nan, 0.3]))
    >>> history
    <History: 2 epochs>
      epoch    loss  validation_loss
          1  0.5000                -
          2  0.2500           0.3000
    """

    def __init__(self, rows: Iterable[Row] = (), stopped: str | None = None) -> None:
        self._rows: list[dict[str, Any]] = [dict(row) for row in rows]
        self.stopped = stopped

    def append(self, row: Row) -> None:
        """Add the row of one more epoch."""
        self._rows.append(dict(row))

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> History: ...

    def __getitem__(self, index: int | slice) -> Row | History:
        return History(self._rows[index], self.stopped) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return self._rows == other._rows if isinstance(other, History) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows

    @property
    def columns(self) -> list[str]:
        """Names of what the rows hold, in order of appearance."""
        return list(dict.fromkeys(name for row in self._rows for name in row))

    def column(self, name: str) -> NDArray[np.float64]:
        """One column as an array, NaN where a row lacks it; UnknownNameError when every row does."""
        if self._rows and name not in self.columns:
            raise UnknownNameError.among("column", name, self.columns)
        values = [row.get(name) for row in self._rows]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def plot(self, path: Any = None) -> Any:
        """The learning curve as a matplotlib Figure, saved to `path` if given (needs fastnn[plot])."""
        from fastnn.plot import learning_curve

        return learning_curve(self, path)

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame with the epoch as its index (needs fastnn[tables])."""
        pandas = need_extra("pandas", "tables")
        frame = pandas.DataFrame(self._rows)
        return frame.set_index("epoch") if "epoch" in frame else frame

    def __repr__(self) -> str:
        n = len(self._rows)
        head = f"<History: {n} epoch{'' if n == 1 else 's'}"
        if "seconds" in self.columns:
            head += f", {np.nansum(self.column('seconds')):.3g} s"
        head += f", stopped: {self.stopped}>" if self.stopped else ">"
        cells = [self.columns]
        cells += [[_cell(name, row.get(name)) for name in self.columns] for row in self._rows[-SHOWN:]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in cells
        ]
        if n > SHOWN:
            lines.insert(1, f"... {n - SHOWN} earlier")
        return "\n  ".join([head, *lines]) if n else head


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (int, np.integer, str)):
        return str(value)
    if name == "samples_per_second":
        return f"{value:,.0f}"
    return f"{value:#.4g}"
