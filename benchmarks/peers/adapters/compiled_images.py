"""PyTorch with `torch.compile` on LeNet-5: the network compiled with its backward pass, the loss and the fused Adam beside it."""

from __future__ import annotations

import numpy as np
import torch

from adapters import pytorch_images

__all__ = ["LeNet"]


class LeNet(pytorch_images.LeNet):
    def __init__(self, X: np.ndarray, y: np.ndarray, batch: int, threads: int | None) -> None:
        super().__init__(X, y, batch, threads)
        torch._dynamo.reset()
        self.forward = torch.compile(self.net, fullgraph=True, dynamic=False)
