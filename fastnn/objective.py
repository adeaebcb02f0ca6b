"""The objective: the mean loss over a training set as a function of theta, with exact derivatives.

value(theta)       C(theta) = mean_s w_s L(z(x_s; theta), y_s)
gradient(theta)    dC/dtheta, by backpropagation
hvp(theta, v)      (d2C/dtheta2) v, by the R-operator (Pearlmutter, 1994): two passes, no differences
hessian(theta)     d2C/dtheta2, column by column
curvature(theta)   the ends of its spectrum, by Lanczos: curvature.py
describe(theta)    minimum, saddle point, plateau, ...: landscape.py
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.curvature import Curvature, curvature
from fastnn.engine import CPU, Device, machine_for, plan_for
from fastnn.errors import ShapeError
from fastnn.graph import Graph
from fastnn.landscape import Point, describe
from fastnn.locks import Lock
from fastnn.ops import LossOp

__all__ = ["Objective"]

Array = NDArray[Any]


class Objective:
    """Asks one data set for value, gradient, Hessian-vector products and Hessian; layers such as dropout are off, and running statistics are constants.

    `n` is the number of parameters. Arrays come in the network's dtype, float64 for solvers that need the digits. Threads take turns;
    copies and other processes (pickle) get memory of their own.

    >>> import fastnn as fnn, numpy as np
    >>> net = fnn.Network(1, [fnn.Dense(1)], dtype="float64")
    >>> C = net.objective([[1.0], [2.0]], [2.0, 4.0], loss="squared_error")
    >>> theta = np.array([1.0, 0.0])               # z = 1 x + 0, errors -1 and -2
    >>> C.value(theta), C.gradient(theta)
    (1.25, array([-2.5, -1.5]))
    >>> C.hessian(theta)
    array([[2.5, 1.5],
           [1.5, 1. ]])
    """

    def __init__(
        self,
        graph: Graph,
        dtype: str,
        X: Array,
        y: Array,
        loss: LossOp,
        weights: Array | None = None,
        threads: int | None = None,
        device: Device = CPU,
        statistics: Array | None = None,
    ) -> None:
        self.n = graph.n_parameters
        self._statistics = np.zeros(0, dtype) if statistics is None else statistics.copy()
        self._graph = (
            graph.copy()
        )  # plans are made when they are asked for: by then the network may have grown
        self._dtype, self._loss, self._threads, self._device = dtype, loss, threads, device
        self._data = {"X": X, "y": y} | ({} if weights is None else {"weights": weights})
        self._prepare()

    def _prepare(self) -> None:
        self._theta, self._g, self._v, self._hv = (np.zeros(self.n, self._dtype) for _ in range(4))
        self._machines: dict[str, Any] = {}
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Without machines, which know addresses of this process."""
        own = {"_theta", "_g", "_v", "_hv", "_machines", "_lock"}
        return {name: value for name, value in self.__dict__.items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def value(self, theta: ArrayLike) -> float:
        """C(theta)."""
        with self._lock:
            machine = self._run("value", theta)
            return float(machine.total[0])

    def gradient(self, theta: ArrayLike) -> Array:
        """dC/dtheta, shape (n,)."""
        with self._lock:
            self._run("gradient", theta).fetch("g")
            return self._g.copy()

    def hvp(self, theta: ArrayLike, v: ArrayLike) -> Array:
        """(d2C/dtheta2) v, shape (n,). CapabilityError where an op, an activation or the loss has no second derivative."""
        with self._lock:
            self._v[:] = self._flat(v, "v")
            self._run("hvp", theta).fetch("hv")
            return self._hv.copy()

    def hessian(self, theta: ArrayLike) -> Array:
        """d2C/dtheta2, shape (n, n), made symmetric; n Hessian-vector products."""
        H = np.empty((self.n, self.n), self._dtype)
        v = np.zeros(self.n, self._dtype)
        for k in range(self.n):
            v[k] = 1
            H[k] = self.hvp(theta, v)
            v[k] = 0
        symmetric: Array = (H + H.T) / 2
        return symmetric

    def curvature(
        self,
        theta: ArrayLike,
        k: int = 1,
        tolerance: float | None = None,
        products: int = 1000,
        seed: int = 0,
    ) -> Curvature:
        """The k largest and k smallest eigenvalues of the Hessian at theta, and the learning rate 2 / L that they allow.

        Lanczos on exact products H v: no Hessian is stored, 8 max(33, 4 k + 17) n bytes are. `tolerance` is that of the residuals, in parts
        of the largest eigenvalue (default: the root of the dtype's epsilon); `products` is the most H v that it may take; the seed is
        that of the first direction.
        """
        at = self._flat(theta, "theta").copy()
        return curvature(partial(self.hvp, at), self.n, self._dtype, k, tolerance, products, seed)

    def describe(self, theta: ArrayLike, tolerance: float = 1e-4, limit: int = 500) -> Point:
        """What kind of place theta is: minimum, maximum, saddle point, plateau, valley or slope, with the numbers that say so.

        `tolerance` is a part of the loss: less than this is nothing to gain. Up to `limit` parameters, all eigenvalues of the Hessian
        are counted; above, the ends of the spectrum are, by Lanczos.
        """
        return describe(self, self._flat(theta, "theta").astype(self._dtype), self._dtype, tolerance, limit)

    def check(self, needs: tuple[str, ...]) -> None:
        """CapabilityError now, in place of later, for what the network cannot give."""
        for need in needs:
            self._machine("hvp" if need == "hessian" else need)

    def close(self) -> None:
        """Give back the memory of the plans; who asks again gets new ones."""
        with self._lock:
            self._machines.clear()

    def _run(self, mode: str, theta: ArrayLike) -> Any:
        self._theta[:] = self._flat(theta, "theta")
        machine = self._machine(mode)
        machine.refresh("theta", *(("v",) if mode == "hvp" else ()))
        machine.total[0] = 0.0
        machine.run()
        return machine

    def _flat(self, vector: ArrayLike, name: str) -> Array:
        array = np.asarray(vector)
        if array.shape != (self.n,):
            raise ShapeError(f"{name} is not a vector of all parameters", got=array.shape, expected=(self.n,))
        return array

    def _machine(self, mode: str) -> Any:
        if mode not in self._machines:
            X = self._data["X"]
            weighted = "weights" in self._data
            plan = plan_for(
                self._device, self._graph, len(X), self._dtype, mode, loss=self._loss, weighted=weighted
            )
            machine = machine_for(self._device, plan, threads=self._threads)
            out = plan.externals.get("out")
            arrays = {
                "theta": self._theta,
                "statistics": self._statistics,
                "g": self._g,
                "v": self._v,
                "hv": self._hv,
                **self._data,
            }
            if out is not None:
                arrays["out"] = np.empty(out.shape, self._dtype)
            for name, array in arrays.items():
                machine.bind(name, array)
            self._machines[mode] = machine
        return self._machines[mode]
