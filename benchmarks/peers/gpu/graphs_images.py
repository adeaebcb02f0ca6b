"""LeNet-5 in PyTorch, a step recorded once as a CUDA graph and replayed. On a CPU, for a trial, the step as it is."""

from __future__ import annotations

import torch

from gpu import pytorch_images
from gpu.peers import Setting

__all__ = ["LeNet"]


class LeNet(pytorch_images.LeNet):
    def __init__(self, batch: int, setting: Setting) -> None:
        super().__init__(batch, setting)
        if setting.device != "cuda":
            return
        x, y = (part.clone() for part in self.batches[0])
        plain = super().step
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                plain(x, y)
        torch.cuda.current_stream().wait_stream(beside)
        self.rule.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            plain(x, y)

        def step(batch: torch.Tensor, targets: torch.Tensor) -> None:
            x.copy_(batch)
            y.copy_(targets)
            graph.replay()

        self.step = step  # type: ignore[method-assign]
        self.reset()
