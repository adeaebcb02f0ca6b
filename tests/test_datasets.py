"""Bundled data: the published values, and clear errors for damaged MNIST files."""

import gzip
import struct

import numpy as np
import pytest

from fastnn import datasets
from fastnn.errors import DataError, FastnnError, UnknownNameError


def idx(array: np.ndarray) -> bytes:
    codes = {"uint8": 0x08, "int16": 0x0B, "float32": 0x0D}
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for prefix, n in (("train", 5), ("t10k", 3)):
        images = random.integers(0, 256, (n, 4, 6), dtype=np.uint8)
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(n, dtype=np.uint8)))
    return tmp_path


def test_digits_are_the_published_ones():
    digits = datasets.load("digits")
    assert digits.X.shape == (1797, 64) and digits.X.dtype == np.float32
    assert digits.X.min() == 0 and digits.X.max() == 16 and digits.X.sum() == 561718
    assert digits.shape == (8, 8) and digits.task == "classification"
    assert np.bincount(digits.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # the first image is a nought: empty corners, no ink in the middle
    assert digits.y[0] == 0 and digits.X[0].reshape(8, 8)[3:5, 3].tolist() == [0, 0]


def test_iris_and_diabetes_are_the_published_ones():
    iris = datasets.load("iris", dtype="float64")
    assert iris.classes == ("setosa", "versicolor", "virginica")
    assert iris.X[0].tolist() == [5.1, 3.5, 1.4, 0.2] and np.bincount(iris.y).tolist() == [50, 50, 50]
    diabetes = datasets.load("diabetes", dtype="float64")
    assert diabetes.X[0].tolist() == [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87] and diabetes.y[0] == 151
    assert diabetes.task == "regression" and diabetes.classes == () and diabetes.X.shape == (442, 10)


def test_equal_to_scikit_learn():
    reference = pytest.importorskip("sklearn.datasets")
    ours = {name: datasets.load(name, dtype="float64") for name in datasets.names()}
    theirs = {
        "digits": reference.load_digits(),
        "iris": reference.load_iris(),
        "diabetes": reference.load_diabetes(scaled=False),
    }
    assert theirs.keys() == ours.keys()
    for name, data in ours.items():
        assert np.array_equal(data.X, theirs[name].data) and np.array_equal(data.y, theirs[name].target)


@pytest.mark.parametrize("name", datasets.names())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_data_set_is_consistent(name, dtype):
    data = datasets.load(name, dtype=dtype)
    assert data.X.dtype == dtype and len(data.X) == len(data.y) and np.isfinite(data.X).all()
    assert len(data.features) == data.X.shape[1] == np.prod(data.shape) and data.description
    if data.task == "classification":
        assert data.y.dtype == np.int64 and set(data.y) == set(range(len(data.classes)))
    else:
        assert data.y.dtype == dtype
    assert repr(data).startswith(f"<Dataset {name}: {len(data.X)} samples")


def test_unknown_name_and_type_are_refused():
    with pytest.raises(UnknownNameError, match="digits"):
        datasets.load("digit")
    with pytest.raises(FastnnError, match="float32 or float64"):
        datasets.load("digits", dtype="int8")


def test_mnist_reads_gzipped_and_plain_files(folder):
    train, test = datasets.mnist(folder, dtype="float64")
    assert train.X.shape == (5, 24) and test.X.shape == (3, 24) and train.shape == (4, 6)
    assert train.X.dtype == np.float64 and train.y.tolist() == [0, 1, 2, 3, 4]
    assert train.X.max() <= 255 and train.X.max() > 1


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_idx_round_trip(tmp_path, dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array))
    result = datasets.read_idx(tmp_path / "a")
    assert result.dtype == dtype and result.dtype.isnative and np.array_equal(result, array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw[:7], "inside its header"),
        (lambda raw: raw + b"\0", "too long"),
        (lambda raw: b"\1" + raw[1:], "not an IDX file"),
        (lambda raw: raw[:2] + b"\x0a" + raw[3:], "not an IDX file"),
        (lambda raw: b"", "empty file"),
        (lambda raw: gzip.compress(raw)[:-9], "cannot read"),
        (lambda raw: gzip.compress(raw)[:12] + b"\xff" * 20, "cannot read"),
        (lambda raw: raw[:-1] + b"\x0a", "labels of ten digits"),
        (lambda raw: idx(np.arange(4, dtype=np.uint8)), "do not belong together"),
    ],
)
def test_damaged_files_are_named(folder, damage, message):
    path = folder / "train-labels-idx1-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        datasets.mnist(folder)
    assert path.name in str(caught.value)


def test_missing_files_are_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"lacks t10k-labels-idx1-ubyte\.gz"):
        datasets.mnist(folder)
    with pytest.raises(DataError, match="no folder"):
        datasets.mnist(folder / "nowhere")


def test_images_where_labels_should_be(folder):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="does not hold images"):
        datasets.mnist(folder)
