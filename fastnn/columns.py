"""Columns of CSV and Parquet files: float64 arrays where all cells are numbers, else object arrays of words.

A missing number is NaN, a missing word "". Cells that say MISSING are missing.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import DataError, need_extra

Array = NDArray[Any]
Columns = dict[str, Array]

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
TRUTH = {"true": 1.0, "false": 0.0}


def read_parquet(path: Path) -> Columns:
    pandas = need_extra("pandas", "tables")
    need_extra("pyarrow", "tables")
    with path.open("rb") as file:
        try:
            frame = pandas.read_parquet(file)
        except (ValueError, OSError) as error:
            raise DataError(f"{path} is not a Parquet file", got=str(error)) from error
    columns: Columns = {}
    types = pandas.api.types
    for name in frame.columns:
        values = frame[name]
        if types.is_bool_dtype(values.dtype) or not types.is_numeric_dtype(values.dtype):
            if types.is_datetime64_any_dtype(values.dtype):
                raise DataError(
                    f"{path}: column {name!r} holds dates",
                    hint="make a number of it, as days since the first",
                )
            columns[str(name)] = np.array(values.astype("string").fillna("").tolist(), dtype=object)
        else:
            columns[str(name)] = values.to_numpy(np.float64, na_value=np.nan)
    return columns


def read_csv(path: Path) -> tuple[Columns, Sequence[int]]:
    """Columns and the line of each row. Tables of numbers go through NumPy's fast reader."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, separator = _header(path, file.readline())
            start = file.tell()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # "no data": said below, with the file's name
                    numbers = np.loadtxt(file, np.float64, None, separator, ndmin=2, quotechar='"')
            except ValueError:
                numbers = np.empty((0, 0))
            file.seek(start)
            lines = [i for i, line in enumerate(file, 2) if line.strip()]
            if numbers.shape == (len(lines), len(header)):
                return dict(zip(header, numbers.T, strict=True)), lines
            file.seek(start)
            columns, lines = _cells(file, path, header, separator)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text", hint="save it as UTF-8 CSV") from error
    return {name: _parse(column) for name, column in zip(header, columns, strict=True)}, lines


def _header(path: Path, first: str) -> tuple[list[str], str]:
    """Names of the columns and the separator."""
    if not first.strip():
        raise DataError(f"{path} has no header", expected="a first line with the names of the columns")
    separator = max(",;\t", key=first.count)
    header = [cell.strip() for cell in next(csv.reader([first], delimiter=separator, skipinitialspace=True))]
    for i, name in enumerate(header):
        if not name or name in header[:i]:
            what = f"{name!r} twice" if name else f"no name for column {i + 1}"
            raise DataError(f"{path}: the header has {what}", got=first.strip()[:200])
    return header, separator


def _cells(file: Any, path: Path, header: list[str], separator: str) -> tuple[list[Any], list[int]]:
    """The cells below the header, column by column, and the line of each row."""
    rows, lines = [], []
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
    for cells in reader:
        if len(cells) == len(header) and (len(cells) > 1 or cells[0].strip()):
            rows.append(cells)
            lines.append(reader.line_num + 1)
        elif any(cell.strip() for cell in cells):
            raise DataError(
                f"{path}: line {reader.line_num + 1} has {len(cells)} cells",
                expected=f"{len(header)}, as the header has",
            )
    if not rows:
        raise DataError(f"{path} has a header, but no rows")
    return list(zip(*rows, strict=True)), lines


def _parse(cells: Sequence[str]) -> Array:
    """Cells as float64 where all are numbers, missing ones NaN; else as words."""
    words = [cell.strip() for cell in cells]
    numbers = [np.nan if word in MISSING else as_number(word) for word in words]
    if None not in numbers and not all(word in MISSING for word in words):
        return np.array(numbers, dtype=np.float64)
    return np.array(words, dtype=object)


def as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def is_numeric(values: Array) -> bool:
    return values.dtype.kind not in "OU"


def is_truth(values: Array) -> bool:
    return {str(word).lower() for word in values} <= TRUTH.keys()


def as_words(values: Array) -> Array:
    """Labels as text: whole numbers without their point."""
    if not is_numeric(values):
        return values.astype(str)
    return np.array([str(int(v)) if float(v).is_integer() else repr(float(v)) for v in values], dtype=str)
