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
from cases import Problem, weights
from torch.nn import functional

VERSION = torch.__version__
FIXED_COST = False  # run(k) costs k epochs and nothing else
Layers = list[tuple[np.ndarray, np.ndarray]]


def network(sizes: tuple[int, ...], hidden: str, layers: Layers) -> torch.nn.Sequential:
    modules: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        modules += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU() if hidden == "relu" else torch.nn.Tanh()]
    net = torch.nn.Sequential(*modules[:-1])
    load(net, layers)
    return net


def load(net: torch.nn.Sequential, layers: Layers) -> None:
    with torch.no_grad():
        for module, (W, b) in zip(net[::2], layers, strict=True):
            module.weight.copy_(torch.from_numpy(W))
            module.bias.copy_(torch.from_numpy(b))


def half_square(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(z, y, reduction="sum") / (2 * len(z))


class Trainer:
    note = ""

    def __init__(self, problem: Problem, threads: int | None) -> None:
        torch.set_num_threads(threads or torch.get_num_threads())
        self.problem, case = problem, problem.case
        self.net = network(case.sizes, case.hidden, problem.layers)
        self.X, self.y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
        self.batches = list(zip(self.X.split(case.batch), self.y.split(case.batch), strict=True))
        self.loss = functional.cross_entropy if case.loss == "cross_entropy" else half_square
        self.reset()

    def reset(self) -> None:
        load(self.net, self.problem.layers)
        s, parameters = self.problem.settings, self.net.parameters()
        self.rule: torch.optim.Optimizer
        if self.problem.optimizer == "sgd":
            self.rule = torch.optim.SGD(parameters, lr=s["eta"])
        elif self.problem.optimizer == "adam":
            betas = s["beta1"], s["beta2"]
            self.rule = torch.optim.Adam(parameters, lr=s["eta"], betas=betas, eps=s["epsilon"], fused=True)
        else:
            self.rule = torch.optim.Adagrad(parameters, lr=s["eta"], eps=s["epsilon"], fused=True)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                self.step(x, y)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.rule.zero_grad()
        self.loss(self.net(x), y).backward()
        self.rule.step()

    def shorten(self, steps: int) -> None:
        """The first steps are the epoch from now on: they cost the same each, however many there are."""
        self.batches = self.batches[:steps]

    def epoch(self, order: np.ndarray) -> None:
        for rows in torch.from_numpy(order).split(self.problem.case.batch):
            self.step(self.X[rows], self.y[rows])

    @torch.inference_mode()
    def classes(self, X: np.ndarray) -> np.ndarray:
        return self.net(torch.from_numpy(X)).argmax(1).numpy()

    def theta(self) -> np.ndarray:
        return np.concatenate([p.detach().numpy().ravel() for p in self.net.parameters()])


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], torch.Tensor]]:
    net, rows = network(sizes, "relu", weights(sizes)).eval(), torch.from_numpy(x)
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
