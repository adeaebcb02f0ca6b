"""Files as data sets: what is read, what is inferred, what is refused and where it is."""

import doctest
import sys

import numpy as np
import pytest

from fastnn import tables
from fastnn.columns import read_csv
from fastnn.errors import DataError, MissingExtraError, SettingError, UnknownNameError
from fastnn.tables import Table


@pytest.fixture
def csv(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


IRIS = "length,width,species\n5.1,3.5,setosa\n6.2,2.9,virginica\n5.0,3.3,setosa\n6.0,2.2,versicolor\n"


def test_words_as_target_are_classes(csv):
    data = tables.read(csv(IRIS), "species")
    assert (
        data.X.dtype == np.float32
        and data.X.tolist() == np.float32([[5.1, 3.5], [6.2, 2.9], [5, 3.3], [6, 2.2]]).tolist()
    )
    assert data.classes == ("setosa", "versicolor", "virginica") and data.y.tolist() == [0, 2, 0, 1]
    assert data.y.dtype == np.int64 and data.features == ("length", "width") and data.shape == (2,)
    assert data.task == "classification" and data.name == "t" and "3 different words" in data.description


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["1", "0", "1", "0"], "classification", ("0", "1")),
        (["10", "9", "10", "9"], "classification", ("9", "10")),  # in the order of numbers
        (["1.0", "2.0", "1.0", "2.0"], "classification", ("1", "2")),
        (["true", "false", "true", "true"], "classification", ("false", "true")),
        (["0.5", "1", "0.5", "1"], "regression", ()),
        (["1", "2", "3", "4"], "regression", ()),
        ([str(i % 21) for i in range(100)], "regression", ()),
        ([str(i % 20) for i in range(100)], "classification", tuple(str(i) for i in range(20))),
    ],
)
def test_the_task_is_inferred_from_the_target(csv, values, task, classes):
    text = "x,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
    data = tables.read(csv(text), "y")
    assert data.task == task and data.classes == classes
    if not classes:
        assert data.y.dtype == np.float32 and data.y.tolist() == [float(v) for v in values]


def test_the_task_can_be_given(csv):
    path = csv("x,y\n1,3\n2,4\n3,3\n4,4\n")
    assert tables.read(path, "y", task="regression").y.tolist() == [3, 4, 3, 4]
    path = csv("x,y\n1,0.5\n2,1.5\n")
    assert tables.read(path, "y", task="classification").classes == ("0.5", "1.5")
    with pytest.raises(DataError, match="'species' is not a number in line 2"):
        tables.read(csv(IRIS), "species", task="regression")
    with pytest.raises(SettingError):
        tables.read(path, "y", task="clustering")


@pytest.mark.parametrize(
    "text",
    [
        IRIS.replace(",", ";"),
        IRIS.replace(",", "\t"),
        IRIS.replace("\n", "\r\n"),
        "\ufeff" + IRIS,
        IRIS.replace(",", " , "),
        IRIS.replace("\n", "\n\n"),
        IRIS.replace("setosa", '"setosa"').replace("length", '"length"'),
        IRIS.rstrip("\n"),
    ],
    ids=["semicolon", "tab", "crlf", "bom", "spaces", "blank lines", "quotes", "no last newline"],
)
def test_dialects_of_csv_are_read_alike(csv, text):
    ours, plain = tables.read(csv(text), "species"), tables.read(csv(IRIS, "p.csv"), "species")
    assert (
        np.array_equal(ours.X, plain.X) and ours.classes == plain.classes and np.array_equal(ours.y, plain.y)
    )
    assert ours.features == plain.features


def test_the_fast_reader_of_numbers_equals_the_strict_one(csv):
    rows = "".join(f"{i}, {i / 7!r},1e-{i}\n" for i in range(9))
    fast, lines = read_csv(csv("a,b,c\n" + rows))
    strict, others = read_csv(csv("a,b,c\n" + rows + "7,x,1\n"))
    assert lines == list(range(2, 11)) and others == list(range(2, 12))
    assert fast["a"].tolist() == strict["a"].tolist()[:-1] and fast["c"].tolist() == strict["c"].tolist()[:-1]
    assert fast["b"].tolist() == [float(word) for word in strict["b"][:-1]]


COLOURS = "size,colour,y\n1,red,0.5\n2,blue,1.5\n3,red,2.5\n"


def test_quoted_words_may_hold_the_separator_and_follow_a_space(csv):
    data = tables.read(csv('"a, b", y\n1, "x, 1"\n2, "x, 2"\n'), "y")
    assert data.features == ("a, b",) and data.classes == ("x, 1", "x, 2")


def test_few_words_become_one_feature_each(csv):
    data = tables.read(csv(COLOURS), "y")
    assert data.features == ("size", "colour=blue", "colour=red")
    assert data.X.tolist() == [[1, 0, 1], [2, 1, 0], [3, 0, 1]]


def test_true_and_false_are_one_feature(csv):
    data = tables.read(csv("a,y\nTrue,1.5\nfalse,2.5\ntrue,3.5\n"), "y")
    assert data.features == ("a",) and data.X.tolist() == [[1], [0], [1]]


def test_another_file_is_read_by_the_names_of_the_features(csv):
    names = tables.read(csv(COLOURS), "y").features
    other = Table.open(csv("id,colour,size\n77,blue,9\n78,blue,8\n", "o.csv"))  # other order, one column more
    assert other.features(names).tolist() == [[9, 1, 0], [8, 1, 0]]
    with pytest.raises(
        DataError, match=r"word that the network never saw\n +got +'green' in line 3\n.*blue, red"
    ):
        Table.open(csv("colour,size\nred,1\ngreen,1\n", "o.csv")).features(names)
    with pytest.raises(DataError, match="lacks the column 'size'"):
        Table.open(csv("colour\nred\nblue\n", "o.csv")).features(names)
    with pytest.raises(UnknownNameError, match="did you mean 'color'"):
        Table.open(csv("color,size\nred,2\n", "o.csv")).features(names)


def test_many_words_are_refused_with_a_way_out(csv):
    path = csv("name,x,y\n" + "".join(f"person {i},{i},{i / 2}\n" for i in range(30)))
    with pytest.raises(DataError, match=r"column 'name' holds 30 different words(.|\n)*--drop"):
        tables.read(path, "y")
    assert tables.read(path, "y", drop=["name"]).features == ("x",)
    with pytest.raises(UnknownNameError, match="did you mean 'name'"):
        tables.read(path, "y", drop=["names"])


def test_one_typing_error_among_numbers_is_located(csv):
    path = csv("x,y\n" + "".join(f"{'1O' if i == 17 else i},{i / 2}\n" for i in range(40)))
    with pytest.raises(DataError, match=r"got +'1O' in line 19\n +expected +numbers"):
        tables.read(path, "y")


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NULL", "?", " "])
@pytest.mark.parametrize("column", ["size", "colour", "y"])
def test_missing_values_are_located(csv, cell, column):
    lines = [line.split(",") for line in COLOURS.splitlines()]
    lines[2][lines[0].index(column)] = cell
    text = "\n".join(",".join(line) for line in lines)
    with pytest.raises(DataError, match=rf"column '{column}' is missing in line 3"):
        tables.read(csv(text), "y")
    with pytest.raises(DataError, match=rf"column '{column}' is missing in line 4"):  # a blank line counts
        tables.read(csv(text.replace("\n", "\n\n", 1)), "y")


def test_infinite_and_too_large_numbers_are_located(csv):
    for word, value in (("infinite", "inf"), ("missing", "nan")):
        with pytest.raises(DataError, match=f"column 'x' is {word} in line 4"):
            tables.read(csv(f"x,y\n\n1,1.5\n{value},2.5\n"), "y")
    path = csv("x,y\n1,1.5\n\n1e300,2.5\n")
    with pytest.raises(DataError, match=r"1e\+300.* in line 4\n +expected +numbers that fit float32"):
        tables.read(path, "y")
    assert tables.read(path, "y", dtype="float64").X[1, 0] == 1e300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header"),
        ("x,y\n", "no rows"),
        ("x,y\n\n\n", "no rows"),
        ("x,y\n1,2\n3\n", "line 3 has 1 cells"),
        ("x,y\n1,2\n1,2,3\n", "line 3 has 3 cells"),
        ("x,x,y\n1,2,3\n", "'x' twice"),
        ("x,,y\n1,2,3\n", "no name for column 2"),
        ("1,2\n3,4\n5,6\n", "first line is all numbers"),
        ("x,y\n1,2\n", "too few rows"),
        ("x,y\n1,a\n2,a\n", "one class only"),
        ("y\n1\n2\n", "no columns to learn from"),
        (b"x,y\n\xff\xfe,1\n", "not UTF-8"),
        (b"\xff\xfex\x00", "not UTF-8"),
    ],
)
def test_broken_csv_is_refused_in_a_sentence(csv, text, message):
    with pytest.raises(DataError, match=message) as caught:
        tables.read(csv(text), "y")
    assert "t.csv" in str(caught.value)


def test_an_unknown_target_lists_the_columns(csv):
    with pytest.raises(
        UnknownNameError, match=r"'specie'; did you mean 'species'\?\n.*length, species, width"
    ):
        tables.read(csv(IRIS), "specie")


def test_other_kinds_of_files_are_refused(tmp_path):
    (tmp_path / "t.xlsx").touch()
    with pytest.raises(DataError, match=r"\.csv or \.parquet"):
        Table.open(tmp_path / "t.xlsx")
    with pytest.raises(FileNotFoundError):
        Table.open(tmp_path / "t.csv")


def test_labels_are_indices_of_the_network_s_classes(csv):
    table = Table.open(csv("y\n3\n1\n3\n"))
    assert tables.labels(table, "y", ["1", "2", "3"]).tolist() == [2, 0, 2]
    with pytest.raises(DataError, match=r"does not know\n +got +'3' in line 2"):
        tables.labels(table, "y", ["1", "2"])


def test_parquet_is_read_as_the_same_csv(csv, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    text = "a,b,ok,y\n1,red,true,u\n2.5,blue,false,v\n3,red,true,u\n"
    path = csv(text)
    pandas.read_csv(path).to_parquet(tmp_path / "t.parquet")
    ours, theirs = tables.read(path, "y"), tables.read(tmp_path / "t.parquet", "y")
    assert (
        np.array_equal(ours.X, theirs.X)
        and ours.features == theirs.features
        and ours.classes == theirs.classes
    )
    pandas.DataFrame({"a": [1, None], "s": ["x", None], "y": [0.5, 1]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(DataError, match="column 'a' is missing in row 2"):
        tables.read(tmp_path / "m.parquet", "y")
    with pytest.raises(DataError, match="column 's' is missing in row 2"):
        tables.read(tmp_path / "m.parquet", "y", drop=["a"])
    pandas.DataFrame({"d": pandas.to_datetime(["2020-01-01"]), "y": [1]}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match="'d' holds dates"):
        tables.read(tmp_path / "d.parquet", "y")


def test_what_is_no_parquet_is_refused(csv):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="not a Parquet file"):
        Table.open(csv("a,b\n", "t.parquet"))


def test_parquet_without_its_extra_says_what_to_install(csv, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"fastnn\[tables\]"):
        Table.open(csv("", "t.parquet"))


def test_csv_needs_no_extra(csv, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert len(Table.open(csv(IRIS))) == 4


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.25, 0.5])
def test_a_split_is_a_stratified_partition(fraction):
    y = np.random.default_rng(0).choice(4, size=503, p=[0.5, 0.3, 0.15, 0.05])
    train, held = tables.split(y, fraction, seed=3)
    assert sorted([*train, *held]) == list(range(503)) and abs(len(held) - 503 * fraction) <= 1
    shares = np.bincount(y[held], minlength=4) - fraction * np.bincount(y)
    assert (np.abs(shares) <= 1).all()


def test_a_split_depends_on_the_seed_alone():
    y = np.arange(100) % 3
    first, again, other = (tables.split(y, 0.2, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_split_of_values_covers_their_range():
    y = np.random.default_rng(0).normal(size=1000) ** 3
    _, held = tables.split(y, 0.2)
    assert np.abs(np.quantile(y[held], [0.1, 0.5, 0.9]) - np.quantile(y, [0.1, 0.5, 0.9])).max() < 0.1


def test_nothing_and_too_much_held_out():
    assert len(tables.split([1, 2, 3], 0)[1]) == 0
    for fraction in (1, -0.1, float("nan")):
        with pytest.raises(SettingError):
            tables.split([1, 2, 3], fraction)


def test_docstring_examples_hold():
    assert doctest.testmod(tables).attempted and not doctest.testmod(tables).failed
