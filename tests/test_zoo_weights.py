"""PyTorch's names and files: weights go out and come back, and what does not fit is named."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import fastnn as fnn
from fastnn import zoo


def small(seed=0, **options):
    return zoo.resnet(
        18, **({"n_classes": 3, "input_shape": (3, 16, 16), "width": 1 / 16, "seed": seed} | options)
    )


@pytest.fixture
def file(tmp_path):
    """Weights of a small ResNet-18 with seed 5, as PyTorch would write them."""
    net = small(5)
    for name, view in net.statistics.items():
        view[...] = np.arange(1, view.size + 1) / 4 + ("variance" in name)
    path = tmp_path / "resnet.safetensors"
    zoo.export_weights(net, path)
    tensors = load_file(path)
    counters = [name for name in tensors if name.endswith("running_mean")]
    tensors |= {n.replace("running_mean", "num_batches_tracked"): np.array(7, np.int64) for n in counters}
    save_file(tensors, path)
    return path


def changed(file, change):
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    return file


def test_weights_load_by_pytorchs_names_and_counters_of_batches_are_ignored(file):
    net = zoo.load_weights(small(0), file)
    assert (net.theta == small(5).theta).all()
    assert net.statistics["layer1.0.bn1/variance"].tolist() == [1.25, 1.5, 1.75, 2.0]
    X = np.ones((1, 3, 16, 16), np.float32)
    assert not np.allclose(net(X), small(5)(X))  # for it has other statistics


def test_numbers_are_converted_to_the_networks_dtype(file):
    def halve(tensors):
        tensors["fc.weight"] = tensors["fc.weight"].astype(np.float16)

    net = zoo.load_weights(small(0, dtype="float64"), changed(file, halve))
    assert (net.parameters["conv1/W"] == small(5).parameters["conv1/W"]).all()
    assert (net.parameters["fc/W"] == small(5).parameters["fc/W"].astype(np.float16)).all()


def test_every_tensor_that_does_not_fit_is_named_and_nothing_is_loaded(file):
    def change(tensors):
        del tensors["layer1.0.conv1.weight"], tensors["bn1.running_mean"]
        tensors["layer5.0.conv1.weight"] = np.zeros(3, np.float32)
        tensors["fc.bias"] = np.zeros(1000, np.float32)

    net = small(0)
    with pytest.raises(fnn.StorageError) as caught:
        zoo.load_weights(net, changed(file, change))
    said = str(caught.value)
    for words in (
        "2 tensors missing, 1 tensors unexpected, 1 tensors of another shape",
        "missing: layer1.0.conv1.weight, bn1.running_mean",
        "unexpected: layer5.0.conv1.weight",
        "of another shape: fc.bias (1000,) for (3,)",
    ):
        assert words in said
    assert (net.theta == small(0).theta).all()


def test_a_file_of_another_network_is_refused_in_a_few_lines(file):
    with pytest.raises(fnn.StorageError, match="and 93 more") as caught:
        zoo.load_weights(zoo.lenet(), file)
    assert len(str(caught.value)) < 2000


def test_a_head_of_ones_own_stays_where_it_is_ignored(file):
    net = small(1, n_classes=7)
    with pytest.raises(fnn.StorageError, match="of another shape"):
        zoo.load_weights(net, file)
    zoo.load_weights(net, file, ignore=("fc.",))
    assert (net.parameters["conv1/W"] == small(5).parameters["conv1/W"]).all()
    assert (net.parameters["fc/W"] == small(1, n_classes=7).parameters["fc/W"]).all()


def test_heads_that_the_network_lacks_may_stay_in_the_file(tmp_path):
    options = {"batch_norm": True, "n_classes": 3, "input_shape": (3, 32, 32), "width": 1 / 32}
    with_heads = zoo.googlenet(True, **options)
    zoo.export_weights(with_heads, tmp_path / "googlenet.safetensors")
    net = zoo.googlenet(seed=1, **options)
    with pytest.raises(fnn.StorageError, match="18 tensors unexpected"):
        zoo.load_weights(net, tmp_path / "googlenet.safetensors")
    zoo.load_weights(net, tmp_path / "googlenet.safetensors", ignore=("aux1.", "aux2."))
    assert (net.parameters["fc/W"] == with_heads.parameters["fc/W"]).all()


def test_files_of_another_kind_are_refused_in_words(tmp_path):
    path = tmp_path / "resnet.pth"
    path.write_bytes(b"PK\x03\x04 and so on, as torch.save writes")
    with pytest.raises(fnn.StorageError, match="a pickle or zip archive") as caught:
        zoo.load_weights(small(), path)
    assert "safetensors.torch.save_file" in str(caught.value)
    with pytest.raises(FileNotFoundError):
        zoo.load_weights(small(), tmp_path / "nowhere.safetensors")


def test_any_network_whose_layers_have_the_names_of_pytorchs_modules_loads(tmp_path):
    save_file({"0.weight": np.eye(2, 3), "0.bias": np.ones(2)}, tmp_path / "linear.safetensors")
    net = zoo.load_weights(fnn.Network(3, [fnn.Dense(2)]), tmp_path / "linear.safetensors")
    assert net([[1.0, 2.0, 3.0]]).tolist() == [[2.0, 3.0]]


def test_bfloat16_is_refused_by_name(tmp_path):
    header = b'{"0.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(fnn.StorageError, match=r"'0\.weight'.*NumPy does not know"):
        zoo.load_weights(fnn.Network(3, [fnn.Dense(2)]), path)
