"""PyTorch with `torch.compile`: a whole step is one compiled graph, from the forward pass to the new weights, without autograd.

Compiling only network and loss, with autograd and the fused optimizer beside them, takes 381, 271 and 645 us for 2-8-2,
8-32-32-2 and 784-128-10 with SGD, where this takes 55, 72 and 344: most of it is what calls from Python cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from cases import Problem, flat, weights

from adapters.pytorch_adapter import FIXED_COST, VERSION, network

__all__ = ["FIXED_COST", "VERSION", "Trainer", "predictors"]


def gradient(layers, x, y, hidden, loss):
    """Gradients of the mean loss, by back-propagation; y are labels or values."""
    activations = [x]
    for W, b in layers[:-1]:
        z = torch.addmm(b, activations[-1], W.t())
        activations.append(torch.relu(z) if hidden == "relu" else torch.tanh(z))
    z = torch.addmm(layers[-1][1], activations[-1], layers[-1][0].t())
    target = y if loss == "squared_error" else torch.nn.functional.one_hot(y, z.shape[1]).to(z.dtype)
    delta = ((z if loss == "squared_error" else torch.softmax(z, 1)) - target) / len(x)
    gradients = []
    for k in range(len(layers) - 1, -1, -1):
        a = activations[k]
        gradients.append((delta.t() @ a, delta.sum(0)))
        if k:
            below = delta @ layers[k][0]
            delta = torch.where(a > 0, below, 0) if hidden == "relu" else below * (1 - a * a)
    return gradients[::-1]


def sgd(s, w, g, mean, square, t):
    w.sub_(s["eta"] * g)


def adam(s, w, g, mean, square, t):
    beta1, beta2 = s["beta1"], s["beta2"]
    mean.copy_(beta1 * mean + (1 - beta1) * g)
    square.copy_(beta2 * square + (1 - beta2) * g * g)
    root = torch.sqrt(square) / torch.sqrt(1 - beta2**t) + s["epsilon"]
    w.sub_(s["eta"] / (1 - beta1**t) * (mean / root))


def adagrad(s, w, g, mean, square, t):
    square.add_(g * g)
    w.sub_(s["eta"] * g / (torch.sqrt(square) + s["epsilon"]))


class Trainer:
    note = ""

    def __init__(self, problem: Problem, threads: int | None) -> None:
        torch.set_num_threads(threads or torch.get_num_threads())
        torch._dynamo.reset()
        case, optimizer, s = problem.case, problem.optimizer, problem.settings
        self.start, self.batch = flat(problem.layers), case.batch
        self.X, self.y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
        self.batches = list(zip(self.X.split(case.batch), self.y.split(case.batch), strict=True))
        rule = {"sgd": sgd, "adam": adam, "adagrad": adagrad}[optimizer]
        self.layers = [tuple(torch.tensor(part) for part in layer) for layer in problem.layers]
        self.state = [[(torch.zeros_like(p), torch.zeros_like(p)) for p in layer] for layer in self.layers]
        self.t = torch.zeros((), dtype=torch.float32)

        def step(x, y):
            self.t.add_(1)
            gradients = gradient(self.layers, x, y, case.hidden, case.loss)
            for layer, layer_gradients, layer_state in zip(self.layers, gradients, self.state, strict=True):
                for w, g, state in zip(layer, layer_gradients, layer_state, strict=True):
                    rule(s, w, g, *state, self.t)

        self.step = torch.compile(step, fullgraph=True, dynamic=False)

    def reset(self) -> None:
        place = 0
        for layer, states in zip(self.layers, self.state, strict=True):
            for w, state in zip(layer, states, strict=True):
                w.copy_(torch.from_numpy(self.start[place : place + w.numel()]).reshape(w.shape))
                place += w.numel()
                for moment in state:
                    moment.zero_()
        self.t.zero_()

    def run(self, epochs: int) -> None:
        with torch.no_grad():
            for _ in range(epochs):
                for x, y in self.batches:
                    self.step(x, y)

    def shorten(self, steps: int) -> None:
        """The first steps are the epoch from now on: they cost the same each, however many there are."""
        self.batches = self.batches[:steps]

    def epoch(self, order: np.ndarray) -> None:
        with torch.no_grad():
            for rows in torch.from_numpy(order).split(self.batch):
                self.step(self.X[rows], self.y[rows])

    @torch.inference_mode()
    def classes(self, X: np.ndarray) -> np.ndarray:
        a = torch.from_numpy(X)
        for W, b in self.layers[:-1]:
            a = torch.relu(torch.addmm(b, a, W.t()))
        return torch.addmm(self.layers[-1][1], a, self.layers[-1][0].t()).argmax(1).numpy()

    def theta(self) -> np.ndarray:
        return np.concatenate([w.numpy().ravel() for layer in self.layers for w in layer])


def predictors(sizes: tuple[int, ...], x: np.ndarray) -> dict[str, Callable[[], torch.Tensor]]:
    torch._dynamo.reset()
    net, rows = (
        torch.compile(network(sizes, "relu", weights(sizes)).eval(), fullgraph=True),
        torch.from_numpy(x),
    )

    @torch.inference_mode()
    def call() -> torch.Tensor:
        return net(rows)

    call()
    return {"torch.compile": call}
