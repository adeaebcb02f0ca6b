"""Weights under the names that PyTorch's networks give them, in and out of safetensors files.

    fastnn                       PyTorch
    layer1.0.conv1/W, /b         layer1.0.conv1.weight, .bias
    layer1.0.bn1/gamma, /beta    layer1.0.bn1.weight, .bias
    layer1.0.bn1/mean            layer1.0.bn1.running_mean
    layer1.0.bn1/variance        layer1.0.bn1.running_var

Any network can be loaded so, where its layers have the names of PyTorch's modules: shapes are the same on both sides. What PyTorch calls
num_batches_tracked counts steps, and nothing here reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from fastnn.errors import StorageError
from fastnn.network import Network
from fastnn.storage import replace_file, what_is_wrong

__all__ = ["export_weights", "load_weights", "torch_names"]

Array = NDArray[Any]

WORDS = {
    "W": "weight",
    "b": "bias",
    "gamma": "weight",
    "beta": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}
KINDS = ("F32", "F64", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")
"""Kinds of numbers, as safetensors call them, that are converted."""
SHOWN = 8  # names of a kind in a message


def torch_names(net: Network) -> dict[str, str]:
    """{name in PyTorch: name of the parameter or statistic here}.

    >>> import fastnn as fnn
    >>> torch_names(fnn.Network(3, [fnn.Dense(2)]))
    {'0.weight': '0/W', '0.bias': '0/b'}
    """
    names: dict[str, str] = {}
    for own in (*net.parameters, *net.statistics):
        layer, _, word = own.rpartition("/")
        theirs = f"{layer.replace('/', '.')}.{WORDS.get(word, word)}"
        if theirs in names:
            raise StorageError(f"{own!r} and {names[theirs]!r} would both be called {theirs!r}")
        names[theirs] = own
    return names


def load_weights(net: Network, path: Any, ignore: Sequence[str] = ()) -> Network:
    """Put the tensors of a safetensors file with PyTorch's names into `net`, which it gives back.

    ignore    beginnings of names that are left alone on both sides: ("fc.",) keeps the network's own last layer, ("aux1.", "aux2.") leaves
              GoogLeNet's heads in the file

    Numbers are converted to the network's dtype. Raises StorageError naming every tensor that is missing, unexpected or of another shape; the network
    is as it was then.

    >>> import fastnn as fnn
    >>> net, other = (fnn.zoo.lenet(width=1 / 8, seed=seed) for seed in (0, 1))
    >>> fnn.zoo.export_weights(net, "lenet.safetensors")
    >>> bool((fnn.zoo.load_weights(other, "lenet.safetensors").theta == net.theta).all())
    True
    """
    given = _read(Path(path).expanduser())
    own = {**net.parameters, **net.statistics}
    wanted = {theirs: own[name] for theirs, name in torch_names(net).items()}
    left = tuple([ignore] if isinstance(ignore, str) else ignore)
    if left:
        wanted = {name: view for name, view in wanted.items() if not name.startswith(left)}
        given = {name: array for name, array in given.items() if not name.startswith(left)}
    _check(path, given, wanted)
    for name, view in wanted.items():
        view[...] = given[name]
    return net


def export_weights(net: Network, path: Any) -> None:
    """Write parameters and statistics to a safetensors file under PyTorch's names, which `load_state_dict` takes as they are."""
    own = {**net.parameters, **net.statistics}
    tensors = {theirs: np.array(own[name], order="C") for theirs, name in torch_names(net).items()}
    replace_file(Path(path), to_bytes(tensors, metadata={"format": "pt"}))


def _read(path: Path) -> dict[str, Array]:
    with path.open("rb") as stream:  # a missing file raises the error that everybody knows
        start = stream.read(16)
    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not name.endswith("num_batches_tracked")]  # noqa: SIM118
            return {name: _tensor(path, file, name) for name in names}
    except SafetensorError as error:
        raise StorageError(
            f"{path} {what_is_wrong(start)}",
            got=str(error),
            hint="safetensors.torch.save_file(torch.load(path), ...) turns a .pth file into one",
        ) from error


def _tensor(path: Path, file: Any, name: str) -> Array:
    kind = file.get_slice(name).get_dtype()
    if kind not in KINDS:  # asked first: NumPy knows bfloat16 where some other package has told it
        raise StorageError(
            f"{path}: tensor {name!r} is of a kind that NumPy does not know",
            got=kind,
            expected=", ".join(KINDS),
        )
    array: Array = file.get_tensor(name)
    return array


def _check(path: Any, given: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    other = [
        f"{name} {given[name].shape} for {view.shape}"
        for name, view in wanted.items()
        if name in given and given[name].shape != view.shape
    ]
    if not (missing or unexpected or other):
        return
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": other}
    raise StorageError(
        f"{path} does not fit the network: "
        + ", ".join(f"{len(names)} tensors {kind}" for kind, names in kinds.items() if names),
        got="; ".join(f"{kind}: {_some(names)}" for kind, names in kinds.items() if names),
        expected=f"the {len(wanted)} names of torch_names(net), in their shapes",
        hint="ignore=('fc.',) leaves names with such a beginning alone on both sides",
    )


def _some(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:SHOWN]) + (f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")
