"""One library on the card, in its own process: worker.py's commands and six more, each with its clock read when the device is idle.

    {"do": "product", "product": "forward", "n": 1024}   the operands, and how far the result is from the exact one
    {"do": "speed", "seconds": 0.1}                      GFLOP/s of that product
    {"do": "convolve", "product": "forward", "shape": {...}}   a convolution's operands, and some of the result
    {"do": "lenet", "batch": 64}                         LeNet-5, and some of its weights after an epoch
    {"do": "step", "seconds": 0.1}                       microseconds of a step of that
    {"do": "measure_card"}                               what a large copy and a large product reach (PyTorch only)

Adapters are gpu/<library>_on_gpu.py. Their `reset`, `run`, `epoch` and calls return when the device has done all of it.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import sys
import time
from typing import Any

import worker
from gpu.peers import Setting
from worker import Worker, measure

MOST = 100_000
"""Epochs in one sample, at the most."""
TRIES = 10


class GpuWorker(Worker):
    def __init__(self, library: str, setting: dict[str, Any]) -> None:
        # an adapter's Trainer gets the setting where the CPU's get a number of threads
        self.threads = self.setting = Setting(**setting)
        self.library = library
        self.module = importlib.import_module(f"gpu.{library}_on_gpu")
        self.module.configure(self.setting)
        self.fixed_cost = self.module.FIXED_COST
        self.trainer = self.calls = self.product_of = None

    def release(self) -> None:
        """The card's memory is for one problem at a time, and for the other processes."""
        self.trainer = self.calls = self.product_of = None
        gc.collect()
        self.module.release()

    def prepare(self, case: dict[str, Any], optimizer: str, theta: str | None = None) -> dict[str, Any]:
        self.release()
        return super().prepare(case, optimizer, theta)

    def calibrate(self, seconds: float) -> dict[str, Any]:
        """So many epochs that they take long beside the fixed cost of a call: checks, upload of the data, download of the weights."""
        if hasattr(self.trainer, "tune"):
            self.trainer.tune()
        self.epochs = 1
        wall = self.beside_fixed_cost()
        enough = max(seconds, measure(self.trainer, 1)[0] / 2 if self.fixed_cost else 0.0)
        while wall < enough / 2 and self.epochs < MOST:
            self.epochs = math.ceil(self.epochs * min(max(enough / max(wall, 1e-9), 2), 8))
            wall = self.beside_fixed_cost()
        estimate = 1e6 * wall / (self.epochs * self.case.steps)
        return {"epochs": self.epochs, "estimate_us": estimate, "note": self.trainer.note}

    def beside_fixed_cost(self) -> float:
        """Wall seconds of `epochs` epochs, the fixed cost of a call taken out."""
        if not self.fixed_cost:
            return measure(self.trainer, self.epochs)[0]
        for _ in range(TRIES):
            fixed = min(measure(self.trainer, 1)[0] for _ in range(3))
            wall = measure(self.trainer, 1 + self.epochs)[0] - fixed
            if wall > 0:  # where the machine is noisy, a difference of two times may be anything
                return wall
        raise RuntimeError(f"the fixed cost of a call varies more than {self.epochs} epochs take")

    def sample(self) -> dict[str, Any]:
        measure(self.trainer, 1)  # the card's clock rises with work
        wall = self.beside_fixed_cost()
        return {"wall_us": 1e6 * wall / (self.epochs * self.case.steps), "cpu_us": 0.0}

    def predictors(self, sizes: list[int], batch: int) -> dict[str, Any]:
        import numpy as np
        from cases import exact, samples

        self.release()
        x = samples(tuple(sizes), batch)
        found = self.module.predictors(tuple(sizes), x, self.setting)
        self.calls = {name: call for name, (_, call) in found.items()}
        right = exact(tuple(sizes), x[:1000])
        apart, places = {}, {}
        for name, (place, call) in found.items():
            rows = np.asarray(self.module.to_host(call())).reshape(len(x), -1)[:1000]
            apart[name] = min(float(np.abs(rows - each).max()) for each in right)
            places[name] = place
        return {"apart": apart, "places": places}

    def product(self, product: str, n: int) -> dict[str, Any]:
        """a (n, n), W (n, n) or delta (n, n), float32; the result's distance from that in float64, over its largest number."""
        import numpy as np

        self.release()
        random = np.random.default_rng(0)
        x, y = (random.standard_normal((n, n), dtype=np.float32) for _ in range(2))
        # run(times) computes out = x y^T, x y or x^T y that often; result() gives out
        run, result = self.module.product(product, x, y, self.setting)
        run(1)
        self.product_of = run, 2 * n**3
        some = slice(0, min(n, 64))  # rows of the result
        x64, y64 = x.astype(np.float64), y.astype(np.float64)
        right = {"forward": x64[some] @ y64.T, "backward": x64[some] @ y64, "gradient": x64[:, some].T @ y64}
        found = result()[some]
        return {"apart": float(np.abs(found - right[product]).max() / np.abs(right[product]).max())}

    def speed(self, seconds: float) -> dict[str, Any]:
        run, flops = self.product_of
        times, taken = 1, 0.0
        while taken < seconds / 2:
            times = math.ceil(times * min(max(seconds / max(taken, 1e-9), 2), 16))
            begin = time.perf_counter()
            run(times)
            taken = time.perf_counter() - begin
        return {"gflops": times * flops / taken / 1e9}

    def convolve(self, product: str, shape: dict[str, Any]) -> dict[str, Any]:
        from gpu.lenet import Shape, flops

        self.release()
        of = Shape(**shape)
        run, result = self.images().convolve(product, of, self.setting)
        run(1)
        self.product_of = run, flops(of)
        return {"found": some(result())}

    def lenet(self, batch: int) -> dict[str, Any]:
        from types import SimpleNamespace

        from gpu.lenet import STEPS

        self.release()
        self.trainer, self.case = self.images().LeNet(batch, self.setting), SimpleNamespace(steps=STEPS)
        self.epochs = 0
        start = self.trainer.theta()
        measure(self.trainer, 1)
        return {"found": some(self.trainer.theta() - start)}

    def images(self) -> Any:
        return importlib.import_module(f"gpu.{self.library}_images")

    def step(self, seconds: float) -> dict[str, Any]:
        if not self.epochs:
            self.calibrate(seconds)
        return {"us": self.sample()["wall_us"]}

    def measure_card(self) -> dict[str, Any]:
        self.release()
        return dict(self.module.measure_card(self.setting))


def some(result: Any) -> list[float]:
    """A thousand numbers of a result, from everywhere in it: what is compared between libraries."""
    flat = result.reshape(-1)
    return [float(x) for x in flat[:: max(1, flat.size // 1000)][:1000]]


if __name__ == "__main__":
    worker.Worker = GpuWorker  # type: ignore[misc]  # the kind that main() makes
    given = json.loads(sys.argv[1])
    worker.main(given["library"], given, [])
