"""PyTorch with CUDA graphs: a whole step, two ways, and the faster one counts for each row (its name is in the row's note).

torch.compile(mode="reduce-overhead") of the CPU adapter's step, weights and state marked as static so that its graphs may write to them; and
torch.cuda.graph, the same step captured eagerly and replayed. Data: on the device; each step copies its batch to where the graph reads it.
On a CPU (a trial of the benchmark) only the first is there, without graphs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from adapters import compiled_adapter
from adapters.compiled_adapter import FIXED_COST, VERSION, adagrad, adam, gradient, network, sgd
from cases import Problem, weights

from gpu.peers import Setting
from gpu.pytorch_on_gpu import Calls, configure, release, to_host, two_ways, wait

__all__ = ["FIXED_COST", "VERSION", "Trainer", "configure", "predictors", "product", "release", "to_host"]
Step = Callable[[Any, Any], None]
TRIAL = 50
"""Steps by which the two ways are compared."""


def product(*_: object) -> None:
    raise NotImplementedError("the products of PyTorch eager are these")


class Trainer(compiled_adapter.Trainer):
    def __init__(self, problem: Problem, setting: Setting) -> None:
        super().__init__(problem, None)
        torch._dynamo.utils.counters.clear()
        case, self.device = problem.case, setting.device
        self.X, self.y = self.X.to(self.device), self.y.to(self.device)
        self.batches = list(zip(self.X.split(case.batch), self.y.split(case.batch), strict=True))
        self.layers = [tuple(part.to(self.device) for part in layer) for layer in self.layers]
        self.state = [
            [tuple(moment.to(self.device) for moment in part) for part in layer] for layer in self.state
        ]
        self.t = self.t.to(self.device)
        rule = {"sgd": sgd, "adam": adam, "adagrad": adagrad}[problem.optimizer]

        def step(x: torch.Tensor, y: torch.Tensor) -> None:
            self.t.add_(1)
            gradients = gradient(self.layers, x, y, case.hidden, case.loss)
            for layer, given, moments in zip(self.layers, gradients, self.state, strict=True):
                for w, g, moment in zip(layer, given, moments, strict=True):
                    rule(problem.settings, w, g, *moment, self.t)

        for part in self.tensors():
            torch._dynamo.mark_static_address(part)
        self.plain = step
        self.compiled = torch.compile(step, fullgraph=True, dynamic=False, mode="reduce-overhead")
        self.step: Step = self.compiled
        self.reset()

    def tensors(self) -> list[torch.Tensor]:
        parts = [part for layer in self.layers for part in layer]
        moments = [moment for layer in self.state for part in layer for moment in part]
        return [*parts, *moments, self.t]

    def tune(self) -> None:
        """Measure both ways, keep the faster."""
        ways: dict[str, Step] = {'torch.compile(mode="reduce-overhead")': self.compiled}
        said = ""
        if self.device == "cuda":
            try:
                ways["torch.cuda.graph"] = self.captured()
            except RuntimeError as error:
                said = f" (torch.cuda.graph: {str(error).splitlines()[0][:100]})"
        taken, learnt = {}, {}
        for name, self.step in ways.items():
            self.reset()
            self.few(5)
            learnt[name] = self.theta()
            begin = time.perf_counter()
            self.few(TRIAL)
            taken[name] = time.perf_counter() - begin
        for name, theta in learnt.items():
            # the first is compared with fastnn's weights by items/steps.py
            if not np.allclose(theta, learnt[next(iter(learnt))], rtol=0.02, atol=1e-3):
                del taken[name]
                said += f" ({name} trained another network)"
        best = min(taken, key=taken.__getitem__)
        self.step = ways[best]
        skips = torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]
        self.note = best + f" (torch.compile skipped {skips} CUDA graphs)" * bool(skips) + said

    def few(self, steps: int) -> None:
        with torch.no_grad():
            for k in range(steps):
                self.step(*self.batches[k % len(self.batches)])
        wait(self.device)

    @torch.no_grad()
    def captured(self) -> Step:
        """The plain step as one graph: its batch is copied to where it reads."""
        x, y = (part.clone() for part in self.batches[0])
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                self.plain(x, y)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.plain(x, y)

        def step(batch: torch.Tensor, targets: torch.Tensor) -> None:
            x.copy_(batch)
            y.copy_(targets)
            graph.replay()

        return step

    def reset(self) -> None:
        super().reset()
        wait(self.device)

    def run(self, epochs: int) -> None:
        super().run(epochs)
        wait(self.device)

    def epoch(self, order: np.ndarray) -> None:
        with torch.no_grad():
            for rows in torch.from_numpy(order).to(self.device).split(self.batch):
                self.step(self.X[rows], self.y[rows])

    def classes(self, X: np.ndarray) -> np.ndarray:
        a = torch.from_numpy(X).to(self.device)
        for W, b in self.layers[:-1]:
            a = torch.relu(torch.addmm(b, a, W.t()))
        return to_host(torch.addmm(self.layers[-1][1], a, self.layers[-1][0].t()).argmax(1))

    def theta(self) -> np.ndarray:
        return np.concatenate([to_host(w).ravel() for layer in self.layers for w in layer])


def predictors(sizes: tuple[int, ...], x: np.ndarray, setting: Setting) -> Calls:
    torch._dynamo.reset()
    net = network(sizes, "relu", weights(sizes)).eval().to(setting.device)
    calls = two_ways(torch.compile(net, fullgraph=True, mode="reduce-overhead"), x, setting.device)
    for _, call in calls.values():
        for _ in range(3):  # compiled, warmed up, recorded
            call()
    return calls
