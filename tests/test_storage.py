"""A saved network comes back bit for bit, and a file that is not one says so in a sentence."""

import json
import os
import sys
import types

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fastnn import storage
from fastnn.errors import StorageError
from fastnn.scaling import Scaler


class FakeNetwork:
    """As much of a network as storage uses: named views of theta, a configuration, a scaler."""

    def __init__(self, sizes=(3, 2), dtype="float32", loss=None, classes=None):
        self.sizes, self.dtype, self.loss, self.classes = tuple(sizes), dtype, loss, classes
        n_in, n_out = self.sizes
        self.theta = np.zeros(n_in * n_out + n_out, dtype)
        self.parameters = {
            "0/W": self.theta[: n_in * n_out].reshape(n_out, n_in),
            "0/b": self.theta[n_in * n_out :],
        }
        self.statistics = {}
        self.scaler = None

    def config(self):
        return {"sizes": list(self.sizes), "dtype": self.dtype, "loss": self.loss, "classes": self.classes}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@pytest.fixture(autouse=True)
def fake_network_module(monkeypatch):
    module = types.ModuleType("fastnn.network")
    module.Network = FakeNetwork
    monkeypatch.setitem(sys.modules, "fastnn.network", module)


@pytest.fixture
def net():
    net = FakeNetwork(loss={"name": "huber", "delta": 0.5}, classes=["no", "yes"])
    net.theta[:] = np.random.default_rng(0).normal(size=net.theta.size)
    net.scaler = Scaler.standardise(np.random.default_rng(1).normal(size=(10, 3)))
    return net


def rewrite(path, change):
    """Change the JSON header of a safetensors file, leaving the numbers as they are."""
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + n :])


def test_a_network_comes_back_bit_for_bit(net, tmp_path):
    path = tmp_path / "m.safetensors"
    storage.save(net, path)
    again = storage.load(path)
    assert again.theta.tobytes() == net.theta.tobytes()
    assert again.config() == net.config() and again.scaler == net.scaler
    assert set(load_file(path)) == {"0/W", "0/b", "@scaler/shift", "@scaler/scale"}


def test_equal_networks_make_equal_files(net, tmp_path):
    for name in "ab":
        storage.save(net, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "layout",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.ascontiguousarray(a.T).T,
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1].copy()[::-1],
    ],
    ids=["fortran", "transposed", "sliced", "reversed"],
)
def test_any_memory_layout_is_stored_right(net, tmp_path, layout):
    net.parameters["0/W"] = layout(net.parameters["0/W"])
    state = layout(np.arange(6.0).reshape(2, 3))
    storage.save(net, tmp_path / "m", {"state": state}, {"step": 1})
    other = FakeNetwork()
    tensors, _ = storage.load_checkpoint(tmp_path / "m", other)
    assert np.array_equal(other.parameters["0/W"], net.parameters["0/W"])
    assert np.array_equal(tensors["state"], state)


def test_a_checkpoint_comes_back_with_its_state(net, tmp_path):
    state = {"rule/total": np.arange(8, dtype="float32")}
    record = {"step": np.int64(7), "best": float("inf"), "rows": [{"epoch": 1, "loss": 0.1}], "eta": 0.1}
    storage.save(net, tmp_path / "c", state, record)
    other = FakeNetwork()  # as before a fit: no loss, no classes, no scaler yet
    tensors, back = storage.load_checkpoint(tmp_path / "c", other)
    assert other.theta.tobytes() == net.theta.tobytes() and other.scaler == net.scaler
    assert tensors.keys() == state.keys() and np.array_equal(tensors["rule/total"], state["rule/total"])
    assert back == {**record, "step": 7}
    assert storage.load(tmp_path / "c").theta.tobytes() == net.theta.tobytes()


def test_a_checkpoint_of_another_network_is_refused(net, tmp_path):
    storage.save(net, tmp_path / "c", {}, {"step": 1})
    other = FakeNetwork(sizes=(4, 2))
    with pytest.raises(
        StorageError, match=r"differ in sizes\n  got +sizes = \[3, 2\]\n  expected +sizes = \[4"
    ):
        storage.load_checkpoint(tmp_path / "c", other)
    assert not other.theta.any()
    with pytest.raises(StorageError, match="differ in dtype"):
        storage.load_checkpoint(tmp_path / "c", FakeNetwork(dtype="float64"))


def test_a_plain_model_is_no_checkpoint(net, tmp_path):
    storage.save(net, tmp_path / "m")
    with pytest.raises(StorageError, match="no state of a run"):
        storage.load_checkpoint(tmp_path / "m", net)


@pytest.mark.parametrize("place", [-1, -20])
def test_a_changed_number_is_noticed(net, tmp_path, place):
    path = tmp_path / "m"
    storage.save(net, path)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match="was changed after it was saved"):
        storage.load(path)


def test_a_changed_configuration_is_noticed(net, tmp_path):
    path = tmp_path / "m"
    storage.save(net, path)

    def change(header):
        about = header["__metadata__"]
        about["config"] = about["config"].replace("huber", "mse")

    rewrite(path, change)
    with pytest.raises(StorageError, match="was changed after it was saved"):
        storage.load(path)


def test_exchanged_parameters_are_noticed(net, tmp_path):
    path = tmp_path / "m"
    storage.save(net, path)

    def change(header):
        header["@scaler/shift"], header["@scaler/scale"] = header["@scaler/scale"], header["@scaler/shift"]

    rewrite(path, change)
    with pytest.raises(StorageError, match="was changed after it was saved"):
        storage.load(path)


def test_a_newer_format_asks_for_an_upgrade(net, tmp_path):
    path = tmp_path / "m"
    storage.save(net, path)
    rewrite(path, lambda header: header["__metadata__"].update(version="2", fastnn="9.0"))
    with pytest.raises(StorageError, match=r"newer fastnn \(9\.0\)(.|\n)*--upgrade"):
        storage.load(path)


@pytest.mark.parametrize("n", [0, 4, 8, 60, 400, -1])
def test_a_truncated_file_is_named(net, tmp_path, n):
    path = tmp_path / "m"
    storage.save(net, path)
    path.write_bytes(path.read_bytes()[:n])
    with pytest.raises(StorageError, match="is empty" if n == 0 else "cut off|not a safetensors") as caught:
        storage.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b,c\n1,2,3\n" * 9, "is not a safetensors file"),
        (b"PK\x03\x04" + b"\0" * 60, "torch.save"),
        (b"\x80\x02}q\0." + b"\0" * 60, "pickle"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, data, message):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(StorageError, match=message):
        storage.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": "pt"}, "written by PyTorch"),
        ({"format": "np"}, "not a fastnn network"),
        (None, "not a fast"),
    ],
)
def test_safetensors_of_others_are_named(tmp_path, metadata, message):
    save_file({"a": np.zeros(2)}, tmp_path / "m", metadata=metadata)
    with pytest.raises(StorageError, match=message):
        storage.load(tmp_path / "m")


def test_a_missing_file_raises_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.load(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_file_and_no_litter(net, tmp_path, monkeypatch):
    path = tmp_path / "m"
    storage.save(net, path)
    before = path.read_bytes()
    net.theta[:] = 0

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"cannot write .*No space left"):
        storage.save(net, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_missing_folder_is_named(net, tmp_path):
    with pytest.raises(StorageError, match=r"cannot write .*nowhere"):
        storage.save(net, tmp_path / "nowhere" / "m")


def test_what_json_cannot_hold_is_refused(net, tmp_path):
    with pytest.raises(StorageError, match="cannot store"):
        storage.save(net, tmp_path / "m", record={"what": object()})
    assert not list(tmp_path.iterdir())


def test_files_get_the_usual_permissions(net, tmp_path):
    storage.save(net, tmp_path / "m")
    (tmp_path / "usual").touch()
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "usual").stat().st_mode
