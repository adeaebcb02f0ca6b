"""PyTorch eager on the card: the CPU adapter's four lines, data and weights on the device, the fused optimizer (a launch for all parameters).

Data: on the device before the measurement, batches are views made once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from adapters import pytorch_adapter
from adapters.pytorch_adapter import FIXED_COST, VERSION, network
from cases import Problem, weights

from gpu.peers import Setting

__all__ = ["FIXED_COST", "VERSION", "Trainer", "configure", "measure_card", "predictors", "product"]

COPY, LARGE = 1 << 30, 8192


def configure(setting: Setting) -> None:
    """TF32 off or on, for every product of this process."""
    if setting.device == "cuda" and not torch.cuda.is_available():
        raise ImportError(f"PyTorch {VERSION} sees no GPU")
    torch.set_float32_matmul_precision("high" if setting.precision == "tf32" else "highest")


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def to_host(answer: Any) -> np.ndarray:
    return answer if isinstance(answer, np.ndarray) else answer.detach().cpu().numpy()


class Trainer(pytorch_adapter.Trainer):
    def __init__(self, problem: Problem, setting: Setting) -> None:
        self.device = setting.device
        super().__init__(problem, None)
        self.net.to(self.device)
        self.X, self.y = self.X.to(self.device), self.y.to(self.device)
        self.batches = list(
            zip(self.X.split(problem.case.batch), self.y.split(problem.case.batch), strict=True)
        )
        self.reset()

    def reset(self) -> None:
        super().reset()
        if self.problem.optimizer == "sgd":
            self.rule = torch.optim.SGD(self.net.parameters(), lr=self.problem.settings["eta"], fused=True)
        wait(self.device)

    def run(self, epochs: int) -> None:
        super().run(epochs)
        wait(self.device)

    def epoch(self, order: np.ndarray) -> None:
        for rows in torch.from_numpy(order).to(self.device).split(self.problem.case.batch):
            self.step(self.X[rows], self.y[rows])

    @torch.inference_mode()
    def classes(self, X: np.ndarray) -> np.ndarray:
        return to_host(self.net(torch.from_numpy(X).to(self.device)).argmax(1))

    def theta(self) -> np.ndarray:
        return np.concatenate([to_host(p).ravel() for p in self.net.parameters()])


Calls = dict[str, tuple[str, Callable[[], Any]]]


def two_ways(net: Callable[[Any], Any], x: np.ndarray, device: str) -> Calls:
    """From a NumPy array to a NumPy array, and from a tensor on the device to one there."""
    there = torch.from_numpy(x).to(device)

    @torch.inference_mode()
    def on_device() -> torch.Tensor:
        out = net(there)
        wait(device)
        return out

    @torch.inference_mode()
    def from_host() -> np.ndarray:
        return net(torch.from_numpy(x).to(device)).cpu().numpy()

    return {"net(x)": ("device", on_device), "net(x), there and back": ("host", from_host)}


def predictors(sizes: tuple[int, ...], x: np.ndarray, setting: Setting) -> Calls:
    return two_ways(network(sizes, "relu", weights(sizes)).eval().to(setting.device), x, setting.device)


def product(
    name: str, x: np.ndarray, y: np.ndarray, setting: Setting
) -> tuple[Callable[[int], None], Callable[[], np.ndarray]]:
    """torch.matmul, which is cuBLAS."""
    a, b = (torch.from_numpy(part).to(setting.device) for part in (x, y))
    out = torch.empty_like(a)
    pair = {"forward": (a, b.t()), "backward": (a, b), "gradient": (a.t(), b)}[name]

    def run(times: int) -> None:
        for _ in range(times):
            torch.matmul(*pair, out=out)
        wait(setting.device)

    return run, lambda: to_host(out)


def measure_card(setting: Setting) -> dict[str, float]:
    """GB/s of a copy (read and written) and TFLOP/s of a square product: limits for a card that is in no table. The best of ten."""
    import time

    small = setting.device == "cpu"
    source = torch.zeros((1 << 22 if small else COPY) // 4, dtype=torch.float32, device=setting.device)
    target, n = torch.empty_like(source), 256 if small else LARGE

    def best(call: Callable[[], Any]) -> float:
        taken = []
        for _ in range(10):
            wait(setting.device)
            begin = time.perf_counter()
            call()
            wait(setting.device)
            taken.append(time.perf_counter() - begin)
        return min(taken)

    found = {"bandwidth": 2 * source.nbytes / best(lambda: target.copy_(source)) / 1e9}
    for precision in ("float32", "tf32", "bf16"):
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        a, out = (torch.ones((n, n), dtype=kind, device=setting.device) for _ in range(2))
        found[precision] = 2 * n**3 / best(lambda a=a, out=out: torch.matmul(a, a, out=out)) / 1e12
    configure(setting)
    return found
