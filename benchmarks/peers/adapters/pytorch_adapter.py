"""PyTorch, eager. The step is the usual four lines.

SGD uses the default implementation, Adam and Adagrad the fused one: the fastest of default, foreach and fused for these
sizes (2-8-2: 128, 131, 132 us for SGD; 191, 202, 159 us for Adagrad). The batches are views made once, before the
measurement: no data loader, no gather.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from cases import SETTINGS, Case, data, weights
from torch.nn import functional

VERSION = torch.__version__
FIXED_COST = False  # run(k) costs k epochs and nothing else


def network(sizes: tuple[int, ...], hidden: str = "relu") -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU() if hidden == "relu" else torch.nn.Tanh()]
    net = torch.nn.Sequential(*layers[:-1])
    load(net, sizes)
    return net


def load(net: torch.nn.Sequential, sizes: tuple[int, ...]) -> None:
    with torch.no_grad():
        for layer, (W, b) in zip(net[::2], weights(sizes), strict=True):
            layer.weight.copy_(torch.from_numpy(W))
            layer.bias.copy_(torch.from_numpy(b))


def half_square(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(z, y, reduction="sum") / (2 * len(z))


class Trainer:
    note = ""

    def __init__(self, case: Case, optimizer: str, threads: int | None) -> None:
        torch.set_num_threads(threads or torch.get_num_threads())
        self.case, self.optimizer = case, optimizer
        self.net = network(case.sizes, case.hidden)
        X, y = (torch.from_numpy(part) for part in data(case))
        self.batches = list(zip(X.split(case.batch), y.split(case.batch), strict=True))
        loss = functional.cross_entropy if case.loss == "cross_entropy" else half_square
        self.loss = self.made(lambda x, y: loss(self.net(x), y))
        self.reset()

    def made(self, loss: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """What a step calls for its loss."""
        return loss

    def reset(self) -> None:
        load(self.net, self.case.sizes)
        s, parameters = SETTINGS[self.optimizer], self.net.parameters()
        self.rule: torch.optim.Optimizer
        if self.optimizer == "sgd":
            self.rule = torch.optim.SGD(parameters, lr=s["eta"])
        elif self.optimizer == "adam":
            betas = s["beta1"], s["beta2"]
            self.rule = torch.optim.Adam(parameters, lr=s["eta"], betas=betas, eps=s["epsilon"], fused=True)
        else:
            self.rule = torch.optim.Adagrad(parameters, lr=s["eta"], eps=s["epsilon"], fused=True)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                self.rule.zero_grad()
                self.loss(x, y).backward()
                self.rule.step()

    def theta(self) -> np.ndarray:
        return np.concatenate([p.detach().numpy().ravel() for p in self.net.parameters()])


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], torch.Tensor]]:
    net, rows = network(sizes).eval(), torch.from_numpy(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        script = torch.jit.freeze(torch.jit.trace(net, rows))

    @torch.inference_mode()
    def eager() -> torch.Tensor:
        return net(rows)

    @torch.inference_mode()
    def scripted() -> torch.Tensor:
        return script(rows)

    return {"eager": eager, "TorchScript": scripted}
