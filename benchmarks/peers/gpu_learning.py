"""A whole run of a number of epochs, one library in a fresh process:  gpu_learning.py SETTING FOLDER SEED EPOCHS BEGIN

As learning.py, but for the accuracy after the last epoch, and the device of the setting. Prints one line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from gpu.peers import Setting
from learning import Task


def learn(task: Task, module: Any, setting: Setting, epochs: int) -> float:
    """Share of the test images that are read rightly."""
    if hasattr(module, "learn"):
        classes = module.learn(task, setting, epochs)
    else:
        trainer = module.Trainer(task.problem, setting)
        for _, order in zip(range(epochs), task.orders(), strict=False):
            trainer.epoch(order)
        classes = trainer.classes(task.X_test)
    return float((np.asarray(classes) == task.y_test).mean())


def main(setting: Setting, folder: Path, seed: int, epochs: int, begin: float) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to standard error
    module = importlib.import_module(f"gpu.{setting.library}_on_gpu")
    module.configure(setting)
    imported = time.time() - begin
    task = Task(folder, seed)
    accuracy = learn(task, module, setting, epochs)
    total = time.time() - begin
    start = time.perf_counter()
    learn(task, module, setting, epochs)
    warm = time.perf_counter() - start
    answer = {
        "version": module.VERSION,
        "import": imported,
        "total": total,
        "warm": warm,
        "accuracy": accuracy,
    }
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    given = Setting(**json.loads(sys.argv[1]))
    main(given, Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
