"""PyTorch on images, eager: each layer in both orders of axes, the usual four lines for LeNet-5, and ResNet-50 in three ways.

`channels_last` has the channels innermost: oneDNN need not reorder then. LeNet-5 has one channel, where it changes nothing, and uses the
fused Adam. ResNet-50 is written out here, with the names of torchvision's, whose weights it takes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from images import BETA1, BETA2, EPSILON, ETA, Layer, lenet_weights, picture
from safetensors.torch import load_file
from torch import nn

Call = Callable[[], torch.Tensor]
ORDERS = {"": torch.contiguous_format, " channels_last": torch.channels_last}


def layer(layer: Layer, threads: int | None) -> dict[str, Call]:
    torch.set_num_threads(threads or torch.get_num_threads())
    calls: dict[str, Call] = {}
    for name, order in ORDERS.items():
        a, W, b, delta = (torch.from_numpy(x) for x in layer.arrays())
        a, W, delta = (x.contiguous(memory_format=order) for x in (a, W, delta))
        calls |= {f"{key}{name}": call for key, call in _products(layer, a, W, b, delta).items()}
    return calls


def _products(
    layer: Layer, a: torch.Tensor, W: torch.Tensor, b: torch.Tensor, delta: torch.Tensor
) -> dict[str, Call]:
    stride, padding = [layer.stride] * 2, [layer.padding] * 2

    @torch.inference_mode()
    def forward() -> torch.Tensor:
        return nn.functional.conv2d(a, W, b, stride, padding)

    @torch.inference_mode()
    def gradients(which: int) -> torch.Tensor:
        wanted = [which == k for k in range(3)]
        found = torch.ops.aten.convolution_backward(
            delta, a, W, None, stride, padding, [1, 1], False, [0, 0], 1, wanted
        )
        return found[which]

    return {"forward": forward, "backward": lambda: gradients(0), "gradient": lambda: gradients(1)}


def lenet() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    return net


class LeNet:
    def __init__(self, X: np.ndarray, y: np.ndarray, batch: int, threads: int | None) -> None:
        torch.set_num_threads(threads or torch.get_num_threads())
        self.net = lenet()
        self.batches = list(
            zip(torch.from_numpy(X).split(batch), torch.from_numpy(y).split(batch), strict=True)
        )
        self.forward: Callable[[torch.Tensor], torch.Tensor] = self.net
        self.reset()

    def reset(self) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.net.parameters(), lenet_weights(), strict=True):
                parameter.copy_(torch.from_numpy(value))
        self.rule = torch.optim.Adam(
            self.net.parameters(), lr=ETA, betas=(BETA1, BETA2), eps=EPSILON, fused=True
        )

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                self.rule.zero_grad()
                nn.functional.cross_entropy(self.forward(x), y).backward()
                self.rule.step()

    def theta(self) -> np.ndarray:
        return np.concatenate([p.detach().numpy().ravel() for p in self.net.parameters()])


class Bottleneck(nn.Module):
    def __init__(self, n_in: int, n: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n, 1, bias=False), nn.BatchNorm2d(n)
        self.conv2, self.bn2 = nn.Conv2d(n, n, 3, stride, 1, bias=False), nn.BatchNorm2d(n)
        self.conv3, self.bn3 = nn.Conv2d(n, 4 * n, 1, bias=False), nn.BatchNorm2d(4 * n)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if stride > 1 or n_in != 4 * n:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, 4 * n, 1, stride, bias=False), nn.BatchNorm2d(4 * n)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.relu(self.bn1(self.conv1(x)))
        z = self.relu(self.bn2(self.conv2(z)))
        z = self.bn3(self.conv3(z))
        return self.relu(z.add_(x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, repeats: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        n_in = 64
        for k, repeat in enumerate(repeats):
            n, blocks = 64 * 2**k, []
            for r in range(repeat):
                blocks.append(Bottleneck(n_in, n, 2 if r == 0 and k > 0 else 1))
                n_in = 4 * n
            setattr(self, f"layer{k + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(n_in, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


REPEATS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def resnet(folder: Path, threads: int | None) -> dict[str, Call]:
    torch.set_num_threads(threads or torch.get_num_threads())
    net, x = ResNet(REPEATS[50]).eval(), torch.from_numpy(picture())
    net.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)  # no num_batches_tracked
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        script = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, x)))
        script(x)
    last, x_last = (
        ResNet(REPEATS[50]).eval().to(memory_format=torch.channels_last),
        x.contiguous(memory_format=torch.channels_last),
    )
    last.load_state_dict(net.state_dict())

    @torch.inference_mode()
    def eager() -> torch.Tensor:
        return net(x)

    @torch.inference_mode()
    def channels_last() -> torch.Tensor:
        return last(x_last)

    @torch.inference_mode()
    def scripted() -> torch.Tensor:
        return script(x)

    return {"eager": eager, "eager, channels_last": channels_last, "TorchScript, optimised": scripted}


def training(depth: int, batch: int) -> Callable[[int], list[float]]:
    """steps(n): the losses of n steps of ResNet; everything it needs is made in it."""

    def steps(n: int) -> list[float]:
        net = ResNet(REPEATS[depth])
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        rule = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        x, y = torch.from_numpy(np.repeat(picture(), batch, axis=0)), torch.arange(batch) + 7
        losses = []
        for _ in range(n):
            rule.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            rule.step()
            losses.append(loss.item())
        return losses

    return steps
