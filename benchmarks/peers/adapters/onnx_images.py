"""onnxruntime on ResNet-50: the model is what fastnn's `net.to_onnx` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from images import picture


def resnet(folder: Path, threads: int | None) -> dict[str, Callable[[], np.ndarray]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads or 0, 1
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: picture()}
    return {"run": lambda: session.run(None, feed)[0]}
