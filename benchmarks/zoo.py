"""The networks of the zoo in full, one picture of 224 x 224:  python benchmarks/zoo.py [--only resnet] [--train]

With random weights and statistics, the outputs of each are compared with
    float64        the second writing of it in tests/zoo_reference.py, NumPy
    torchvision    PyTorch's own network, which takes the exported weights by its own names; where it is installed
    onnxruntime    the network as net.to_onnx writes it; where it is installed
as the largest difference over the largest output, and the same of PyTorch against float64. Exits 1 where one is above 1e-5 and more than twice PyTorch's.

--train: five steps of ResNet-152 on one picture, batch 1, in a process of its own: the losses, seconds a step and peak memory. Exits 1 where the loss does not
go down or 12 GiB are not enough.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import fastnn as fnn
from fastnn import zoo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
reference = importlib.import_module("zoo_reference")

LIMIT = 1e-5
GIB = 2**30
RESNETS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
VGGS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}

NETWORKS: dict[str, tuple[Callable[[], fnn.Network], Callable[..., Any], str | None]] = {
    "alexnet": (zoo.alexnet, reference.alexnet, "alexnet"),
    "alexnet, grouped": (lambda: zoo.alexnet(grouped=True), reference.alexnet_grouped, None),
    **{
        f"vgg {d}": (lambda d=d: zoo.vgg(d), lambda p, a, r=r: reference.vgg(p, a, r), f"vgg{d}")
        for d, r in VGGS.items()
    },
    "googlenet": (zoo.googlenet, lambda p, a: reference.googlenet(p, a, batch_norm=False), None),
    "googlenet, batch norm": (
        lambda: zoo.googlenet(batch_norm=True),
        lambda p, a: reference.googlenet(p, a, batch_norm=True),
        "googlenet",
    ),
    **{
        f"resnet {d}": (lambda d=d: zoo.resnet(d), lambda p, a, r=r: reference.resnet(p, a, r), f"resnet{d}")
        for d, r in RESNETS.items()
    },
    **{
        f"cifar resnet {d}": (
            lambda d=d: zoo.cifar_resnet(d),
            lambda p, a, n=(d - 2) // 6: reference.cifar(p, a, n, residual=True),
            None,
        )
        for d in (20, 56, 110)
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--train", action="store_true", help="train ResNet-152, and compare nothing")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.train:
        return train(options.threads)
    print(
        f"{'network':24}{'parameters':>12}{'float64':>10}{'torchvision':>13}{'onnxruntime':>13}{'PyTorch to float64':>20}{'ms':>8}"
    )
    good = True
    for name in [name for name in NETWORKS if options.only in name]:
        good &= compare(name, options.threads)
    return 0 if good else 1


def compare(name: str, threads: int | None) -> bool:
    """A line for one network; whether it is near enough."""
    make, second, published = NETWORKS[name]
    net = reference.shaken(make())
    X = 30 * np.random.default_rng(0).standard_normal(
        (1, *net.input_shape), dtype=np.float32
    )  # LRN sees large ones
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        zoo.export_weights(net, path)
        exact = second(load_file(path), X.astype(np.float64))
        theirs = None if published is None else torchvision(published, path, X)
        runtime = onnxruntime(net, Path(folder) / "net.onnx", X)
    out = net(X, threads=threads)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        net(X, threads=threads)
        times.append(time.perf_counter() - start)
    error, other = difference(out, exact), difference(theirs, exact)
    columns = [difference(out, y) for y in (exact, theirs, runtime)]
    words = ["-" if e is None else f"{e:.1e}" for e in (*columns, other)]
    print(
        f"{name:24}{net.theta.size:12,}{words[0]:>10}{words[1]:>13}{words[2]:>13}{words[3]:>20}{1e3 * min(times):8.1f}",
        flush=True,
    )
    assert error is not None
    return error <= max(LIMIT, 2 * (other or 0.0))


def difference(out: Any, expected: Any) -> float | None:
    """Largest difference over largest output."""
    if out is None or expected is None:
        return None
    return float(np.abs(np.asarray(out, np.float64) - expected).max() / np.abs(expected).max())


def torchvision(name: str, path: Path, X: Any) -> Any:
    """What PyTorch's network gives with these weights; None where it is not installed."""
    try:
        import torch
        import torchvision.models
    except ImportError:
        return None
    from safetensors.torch import load_file as load_tensors

    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
    net.load_state_dict(load_tensors(path))  # strict: every name and shape
    with torch.no_grad():
        return net(torch.from_numpy(X)).numpy()


def onnxruntime(net: fnn.Network, path: Path, X: Any) -> Any:
    """What onnxruntime gives for the network that is written to `path`; None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    if not hasattr(net, "to_onnx"):
        return None
    net.to_onnx(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})[0]


def train(threads: int | None) -> int:
    """Five steps of ResNet-152, in a process of its own so that its memory is its own."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import zoo; sys.exit(zoo.steps({threads}))"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode


def steps(threads: int | None) -> int:
    start = time.perf_counter()
    net = zoo.resnet(152)
    built = time.perf_counter() - start
    X = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    net.fit(
        X, [7], loss="cross_entropy", optimizer="sgd", eta=0.0002, epochs=5, batch_size=1, threads=threads,
        verbose=False,
    )  # fmt: skip
    losses, seconds = net.history.column("loss"), net.history.column("seconds")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"ResNet-152, 224 x 224, batch 1: built in {built:.1f} s; losses {', '.join(f'{x:.3f}' for x in losses)}"
    )
    print(f"{np.median(seconds):.2f} s a step, peak memory {peak / GIB:.2f} GiB")
    return 0 if losses[-1] < losses[0] and peak < 12 * GIB else 1


if __name__ == "__main__":
    sys.exit(main())
