"""A history is a sequence of rows, with columns, a short table, a data frame."""

import doctest

import numpy as np
import pytest

from fastnn import history as module
from fastnn.errors import MissingExtraError, UnknownNameError
from fastnn.history import History


@pytest.fixture
def history():
    rows = [
        {"epoch": i + 1, "loss": 1 / (i + 1), "seconds": 0.5, "samples_per_second": 12345.6}
        for i in range(12)
    ]
    rows[-1]["validation_loss"] = 0.25
    return History(rows, stopped="interrupted")


def test_docstring_examples_hold():
    assert doctest.testmod(module).attempted > 2 and not doctest.testmod(module).failed


def test_it_is_a_sequence_of_rows(history):
    assert len(history) == 12 and history[0]["epoch"] == 1 and history[-1]["validation_loss"] == 0.25
    assert [row["epoch"] for row in history[2:4]] == [3, 4] and isinstance(history[2:4], History)
    history.append({"epoch": 13})
    assert history[-1] == {"epoch": 13} and list(History(history)) == list(history)


def test_rows_are_copies():
    row = {"epoch": 1, "loss": 1.0}
    history = History()
    history.append(row)
    row["loss"] = 2.0
    assert history[0]["loss"] == 1.0


def test_a_column_has_nan_where_a_row_lacks_it(history):
    column = history.column("validation_loss")
    assert column.dtype == np.float64 and np.isnan(column[:-1]).all() and column[-1] == 0.25
    assert History([{"loss": None}]).column("loss").shape == (1,) and History().column("loss").shape == (0,)


def test_an_unknown_column_lists_what_there_is(history):
    with pytest.raises(UnknownNameError, match="did you mean 'validation_loss'"):
        history.column("validation_los")


def test_repr_is_a_short_table_of_the_last_rows(history):
    lines = repr(history).splitlines()
    assert lines[0] == "<History: 12 epochs, 6 s, stopped: interrupted>"
    assert lines[1].split() == ["epoch", "loss", "seconds", "samples_per_second", "validation_loss"]
    assert lines[2].strip() == "... 2 earlier" and len(lines) == 13
    assert lines[3].split() == ["3", "0.3333", "0.5000", "12,346", "-"] and lines[-1].endswith("0.2500")
    assert len({len(line) for line in lines[3:]}) == 1 and repr(History()) == "<History: 0 epochs>"


def test_to_pandas_has_one_row_an_epoch(history):
    pytest.importorskip("pandas")
    frame = history.to_pandas()
    assert frame.index.name == "epoch" and frame.loc[12, "validation_loss"] == 0.25 and len(frame) == 12


def test_to_pandas_without_pandas_names_the_extra(history, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"fastnn\[tables\]"):
        history.to_pandas()
