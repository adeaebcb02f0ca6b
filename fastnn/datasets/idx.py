"""IDX, the file format of MNIST: two zero bytes, a type code, the number of axes, the axes (big-endian uint32), the data.

Source: the description on the MNIST page (LeCun, Cortes, Burges), section "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Any) -> npt.NDArray[Any]:
    """The array in an IDX file, gzipped or not, in native byte order.

    Raises DataError when the file is missing, damaged, or holds more or less than its header says.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:  # a bad gzip file raises any of the three
        raise DataError(f"cannot read {path}: {error}", hint="fetch the file again") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise DataError(
            f"{path} is not an IDX file",
            got=f"first bytes {data[:4].hex(' ') or '(empty file)'}",
            expected="00 00, a type code (08 for unsigned bytes), the number of axes",
        )
    kind, axes = np.dtype(TYPES[data[2]]), data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(
            f"{path} ends inside its header", got=f"{len(data)} bytes", expected=f"{start} or more"
        )
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, offset=4))
    expected = start + math.prod(shape) * kind.itemsize
    if len(data) != expected:
        raise DataError(
            f"{path} is {'truncated' if len(data) < expected else 'too long'}",
            got=f"{len(data)} bytes",
            expected=f"{expected} bytes for an array of shape {shape}",
            hint="fetch the file again",
        )
    return np.frombuffer(data, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))


def mnist_arrays(folder: Any) -> dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """{"train": (images, labels), "test": (images, labels)}: uint8, (n, rows, columns) and (n,)."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"no folder {folder}", hint="give the folder that holds train-images-idx3-ubyte.gz and the rest"
        )
    found = {}
    for name, prefix in (("train", "train"), ("test", "t10k")):
        images_path, labels_path = _find(folder, f"{prefix}-images", 3), _find(folder, f"{prefix}-labels", 1)
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.ndim != 3 or images.dtype != np.uint8:
            raise DataError(
                f"{images_path} does not hold images",
                got=f"{images.dtype}, shape {images.shape}",
                expected="uint8, shape (n, rows, columns)",
            )
        if labels.ndim != 1 or labels.dtype != np.uint8 or (labels.size and labels.max() > 9):
            raise DataError(
                f"{labels_path} does not hold the labels of ten digits",
                got=f"{labels.dtype}, shape {labels.shape}, largest {labels.max(initial=0)}",
                expected="uint8, shape (n,), 0 to 9",
            )
        if len(images) != len(labels):
            raise DataError(
                f"{images_path} and {labels_path} do not belong together",
                got=f"{len(images)} images, {len(labels)} labels",
                expected="one label an image",
            )
        found[name] = (images, labels)
    return found


def _find(folder: Path, stem: str, axes: int) -> Path:
    # unpackers turn the last '-' into a '.', and both are common
    candidates = [f"{stem}{dash}idx{axes}-ubyte{end}" for end in (".gz", "") for dash in "-."]
    for candidate in candidates:
        if (folder / candidate).is_file():
            return folder / candidate
    raise DataError(
        f"{folder} lacks {candidates[0]}", hint="all four files of MNIST are needed, gzipped or not"
    )
