"""PyTorch's convolutions, which are cuDNN's, and LeNet-5 step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from gpu.lenet import ETA, STEPS, Shape, arrays, images, weights
from gpu.peers import Setting
from gpu.pytorch_on_gpu import to_host, wait

__all__ = ["LeNet", "convolve"]


def convolve(
    product: str, shape: Shape, setting: Setting
) -> tuple[Callable[[int], None], Callable[[], np.ndarray]]:
    torch.backends.cudnn.allow_tf32 = setting.precision == "tf32"
    torch.backends.cudnn.benchmark = True  # the fastest of its ways for this shape
    like, x, y = (torch.from_numpy(part).to(setting.device) for part in arrays(product, shape))
    half, stride = shape.kernel // 2, shape.stride
    found: list[torch.Tensor] = [like]

    def once() -> torch.Tensor:
        if product == "forward":
            return functional.conv2d(x, y, None, stride, half)
        delta, image, W = (x, like, y) if product == "backward" else (x, y, like)
        wanted = [product == "backward", product == "gradient", False]
        parts = torch.ops.aten.convolution_backward(
            delta, image, W, None, [stride] * 2, [half] * 2, [1, 1], False, [0, 0], 1, wanted
        )
        return parts[0] if product == "backward" else parts[1]

    @torch.inference_mode()
    def run(times: int) -> None:
        for _ in range(times):
            found[0] = once()
        wait(setting.device)

    return run, lambda: to_host(found[0])


class LeNet:
    note = ""

    def __init__(self, batch: int, setting: Setting) -> None:
        torch.backends.cudnn.allow_tf32 = setting.precision == "tf32"
        torch.backends.cudnn.benchmark = True
        self.device = setting.device
        nn = torch.nn
        self.net = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        ).to(self.device)  # fmt: skip
        X, y = (torch.from_numpy(part).to(self.device) for part in images(batch, STEPS))
        self.batches = list(zip(X.split(batch), y.split(batch), strict=True))
        self.rule = torch.optim.SGD(self.net.parameters(), lr=ETA, fused=True)
        self.start = [torch.from_numpy(part).to(self.device) for part in weights()]
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        for parameter, start in zip(self.net.parameters(), self.start, strict=True):
            parameter.copy_(start)
        wait(self.device)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.rule.zero_grad(set_to_none=True)
        functional.cross_entropy(self.net(x), y).backward()
        self.rule.step()

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                self.step(x, y)
        wait(self.device)

    def theta(self) -> np.ndarray:
        return np.concatenate([to_host(p).ravel() for p in self.net.parameters()])
