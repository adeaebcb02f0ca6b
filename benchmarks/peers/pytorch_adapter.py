"""One training step in PyTorch, eager.

The step is the usual four lines. SGD uses the default implementation and Adagrad the fused one: the fastest of default,
foreach and fused for these sizes (2-8-2: 128, 131, 132 us for SGD; 191, 202, 159 us for Adagrad). The batches are
views made once, before the measurement: no data loader, no gather.
"""

from __future__ import annotations

import numpy as np
import torch
from cases import EPSILON, ETA, Case, data, weights
from torch.nn.functional import cross_entropy

VERSION = torch.__version__
FIXED_COST = False  # run(k) costs k epochs and nothing else


class Adapter:
    def __init__(self, case: Case, optimizer: str, threads: int) -> None:
        torch.set_num_threads(threads)
        layers: list[torch.nn.Module] = []
        for n_in, n_out in zip(case.sizes, case.sizes[1:], strict=False):
            layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.start = weights(case)
        self.optimizer = optimizer
        X, y = data(case)
        self.batches = list(
            zip(torch.from_numpy(X).split(case.batch), torch.from_numpy(y).split(case.batch), strict=True)
        )
        self.reset()

    def reset(self) -> None:
        linear = [layer for layer in self.net if isinstance(layer, torch.nn.Linear)]
        with torch.no_grad():
            for layer, (W, b) in zip(linear, self.start, strict=True):
                layer.weight.copy_(torch.from_numpy(W))
                layer.bias.copy_(torch.from_numpy(b))
        if self.optimizer == "sgd":
            self.rule = torch.optim.SGD(self.net.parameters(), lr=ETA)
        else:
            self.rule = torch.optim.Adagrad(self.net.parameters(), lr=ETA, eps=EPSILON, fused=True)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for x, y in self.batches:
                self.rule.zero_grad()
                cross_entropy(self.net(x), y).backward()
                self.rule.step()

    def theta(self) -> np.ndarray:
        return np.concatenate([p.detach().numpy().ravel() for p in self.net.parameters()])
