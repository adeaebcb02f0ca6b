"""A network in one file: safetensors, with its configuration as JSON and a checksum over everything.

    tensors     one a parameter or running statistic, under its name ("0/W"), C order; @scaler/shift and @scaler/scale;
                @run/... what a checkpoint adds
    metadata    format "fastnn", version (of the format), fastnn (of the library that wrote it),
                config, record (JSON), sha256 over all of it

A file is written beside its place and moved there: a reader sees the old one or the new one, whole. Loading runs
no code from the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from fastnn.errors import StorageError, UnknownNameError
from fastnn.scaling import Scaler

Tensors = dict[str, NDArray[Any]]

FORMAT = 1
_SCALER, _RUN = "@scaler/", "@run/"  # no layer's name begins with @
_FITTED = ("loss", "classes", "features", "scaler", "seed")  # of the fit, not of the structure

__all__ = ["load", "load_checkpoint", "save"]


def save(
    net: Any, path: Any, tensors: Mapping[str, Any] | None = None, record: Mapping[str, Any] | None = None
) -> None:
    """Write the network to `path`; `tensors` and `record` are what a checkpoint adds to resume from."""
    parts = {**net.parameters, **net.statistics}
    config = dict(net.config())
    config.pop("scaler", None)
    if net.scaler is not None:
        config["scaler"] = net.scaler.config()
        parts |= {_SCALER + name: array for name, array in net.scaler.arrays().items()}
    parts |= {_RUN + name: array for name, array in (tensors or {}).items()}
    # safetensors writes transposed and sliced arrays wrongly, without a word (safetensors issue 825)
    stored = {name: np.array(array, order="C", copy=True) for name, array in parts.items()}
    about = {
        "format": "fastnn",
        "version": str(FORMAT),
        "fastnn": _library_version(),
        "config": json.dumps(config, sort_keys=True, default=_plain),
        "record": json.dumps(dict(record or {}), sort_keys=True, default=_plain),
    }
    about["sha256"] = _checksum(about, stored)
    replace_file(Path(path), _sorted(to_bytes(stored, metadata=about)))


def load(path: Any) -> Any:
    """The network in `path`, or the RBM or DeepBelief. Raises StorageError for a file that is damaged, changed, or not a network, or that needs a plugin."""
    file = _read(path)
    scaler = file.config.pop("scaler", None)
    try:
        net = _kind(file).from_config(file.config)
    except UnknownNameError as error:
        raise StorageError(
            f"{path} needs a plugin that is not here: {error.what}",
            hint="install it, or fastnn.register(...) what the network was made with before loading",
        ) from error
    _put_back(net, file, scaler)
    return net


def _kind(file: _File) -> Any:
    """The class that a file's configuration is for."""
    from fastnn.network import Network
    from fastnn.rbm import RBM, DeepBelief

    kinds = {"network": Network, "rbm": RBM, "deep_belief": DeepBelief}
    model = file.config.get("model", "network")
    if model not in kinds:
        raise StorageError(
            f"{file.path} holds a model that this fastnn does not know",
            got=model,
            expected=", ".join(kinds),
            hint="pip install --upgrade fastnn",
        )
    return kinds[model]


def load_checkpoint(path: Any, net: Any) -> tuple[Tensors, dict[str, Any]]:
    """Put a checkpoint's parameters into `net`; return what else `save` was given: (tensors, record).

    Raises StorageError when the file holds no state of a run, or belongs to another network.
    """
    file = _read(path)
    if not file.record:
        raise StorageError(
            f"{path} holds a network, but no state of a run to go on from",
            hint="resume from a file that a Checkpoint callback wrote",
        )
    mine = json.loads(json.dumps(dict(net.config()), default=_plain))
    theirs = dict(file.config)
    for name in _FITTED:
        mine.pop(name, None)
        theirs.pop(name, None)
    other = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    if other:
        raise StorageError(
            f"{path} belongs to another network: they differ in {', '.join(other)}",
            got="; ".join(f"{name} = {_short(theirs.get(name))}" for name in other),
            expected="; ".join(f"{name} = {_short(mine.get(name))}" for name in other),
        )
    _put_back(net, file, file.config.get("scaler"))
    return {n.removeprefix(_RUN): t for n, t in file.tensors.items() if n.startswith(_RUN)}, file.record


class _File(NamedTuple):
    path: Path
    config: dict[str, Any]
    record: dict[str, Any]
    tensors: Tensors


def _put_back(net: Any, file: _File, scaler: Any) -> None:
    stored = {name: array for name, array in file.tensors.items() if not name.startswith("@")}
    views = {**net.parameters, **net.statistics}
    want = {name: tuple(view.shape) for name, view in views.items()}
    have = {name: tuple(array.shape) for name, array in stored.items()}
    if want != have:
        name = next(n for n in [*want, *have] if want.get(n) != have.get(n))
        raise StorageError(
            f"{file.path}: {'running statistic' if name in net.statistics else 'parameter'} {name!r} does not fit the network",
            got=have.get(name, "none of this name"),
            expected=want.get(name, "none of this name"),
        )
    for name, view in views.items():
        view[...] = stored[name]
    if scaler is not None:
        arrays = {name: file.tensors[_SCALER + name] for name in ("shift", "scale")}
        net.scaler = Scaler.from_config(scaler, arrays)


def _read(path: Any) -> _File:
    path = Path(path).expanduser()
    with path.open("rb") as stream:  # a missing file raises the error that everybody knows
        start = stream.read(16)
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            _check_format(path, about)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except SafetensorError as error:
        raise StorageError(f"{path} {what_is_wrong(start)}", got=str(error)) from error
    if about.get("sha256") != _checksum(about, tensors):
        raise StorageError(
            f"{path} was changed after it was saved: its checksum does not fit its content",
            hint="take a copy that was not edited or damaged on the way",
        )
    return _File(path, json.loads(about["config"]), json.loads(about["record"]), tensors)


def _check_format(path: Path, about: Mapping[str, str]) -> None:
    if about.get("format") != "fastnn":
        written_by = {"pt": "was written by PyTorch", "tf": "was written by TensorFlow"}
        what = written_by.get(about.get("format", ""), "is a safetensors file, but not a fastnn network")
        raise StorageError(
            f"{path} {what}",
            expected="a file from net.save()",
            hint="to take its weights over: safetensors.numpy.load_file(path), then net.parameters[name][...] =",
        )
    version = about.get("version", "")
    if not version.isdecimal() or int(version) > FORMAT:
        raise StorageError(
            f"{path} was written by a newer fastnn ({about.get('fastnn', 'unknown')})",
            got=f"format {version or 'unknown'}",
            expected=f"format {FORMAT} or older",
            hint="pip install --upgrade fastnn",
        )


def what_is_wrong(start: bytes) -> str:
    """In words, of a file with these first bytes that is no safetensors file."""
    if not start:
        return "is empty"
    if start[:4] == b"PK\x03\x04" or start[:2] == b"\x80\x02":
        return "is not a safetensors file, but a pickle or zip archive, as torch.save writes"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 100_000_000:
        return "is damaged or cut off"
    return "is not a safetensors file"


def _checksum(about: Mapping[str, str], tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name in ("format", "version", "fastnn", "config", "record"):
        digest.update(f"{name}\0{about.get(name)}\0".encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _sorted(data: bytes) -> bytes:
    """The same file with its header in order: safetensors shuffles it, and equal networks make equal files."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` beside its place and move it there; StorageError where that cannot be."""
    path = path.expanduser()
    try:
        # not mkstemp: the file gets the permissions that the user's other files have
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:  # ValueError: a path without a name, or with a zero in it
        raise StorageError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, and tuples' like, as JSON has them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise StorageError(f"cannot store {value!r} in a file", got=type(value).__name__, expected="JSON")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _library_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fastnn")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "unknown"
