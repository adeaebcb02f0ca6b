"""Newton's method: W <- W - H^-1 g, first over second derivative, on the whole training set.

    exact         H = Q diag(lambda) Q^T, each lambda replaced by its size: positive definite, and directions
                  of negative curvature are followed downhill, away from saddles
    cg            H p = -g by conjugate gradients on exact products H v, cut short at negative curvature
    elementwise   p_i = -g_i / |h_ii|, the step of the notes, each weight on its own

Each step is halved until the loss has fallen enough (Armijo), and not taken where it never does: a step never
raises the loss. The damping grows where the full step was too long and fades where the quadratic model was
right.

Source: the notes; Nocedal and Wright 2006, Numerical optimization, algorithms 3.1 and 7.1; Dauphin et al.
2014, Identifying and attacking the saddle point problem, algorithm 1 (the size of each lambda).

>>> import numpy as np
>>> class Bowl:                                     # J = theta^T A theta / 2 - c^T theta
...     n, A, c = 2, np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, 0.0])
...     def value(self, theta): return 0.5 * theta @ self.A @ theta - self.c @ theta
...     def gradient(self, theta): return self.A @ theta - self.c
...     def hvp(self, theta, v): return self.A @ v
...     def hessian(self, theta): return self.A
>>> theta, newton = np.array([5.0, 5.0]), Newton()
>>> state = newton.step(Bowl(), theta, newton.start(theta))
>>> theta.round(9)                                  # one step to the bottom, A^-1 c
array([ 0.4, -0.2])
"""

import contextlib
import importlib.util
from numbers import Integral, Real

import numpy as np

from fastnn import hookimpl
from fastnn.errors import SettingError

NEEDS = {
    "auto": ("value", "gradient", "hvp", "hessian"),
    "exact": ("value", "gradient", "hessian"),
    "cg": ("value", "gradient", "hvp"),
    "elementwise": ("value", "gradient", "hessian"),
}
ENOUGH = 1e-4  # of the decrease that the slope promises (Nocedal and Wright, section 3.1)


def one_blas_thread():
    """One thread for the linear algebra in this block, where threadpoolctl is there to say so.

    Measured: eigh for 81 parameters takes 0.4 ms on one thread, 1 to 250 ms on two threads of a busy machine.
    """
    if importlib.util.find_spec("threadpoolctl") is None:
        return contextlib.nullcontext()
    return importlib.import_module("threadpoolctl").threadpool_limits(1, user_api="blas")


class Newton:
    """The solver `newton`.

    method       "exact", "cg" or "elementwise"; "auto" is exact up to `limit` parameters, cg above
    damping      least number added to the curvature; grows by itself where steps fail
    iterations   most products H v in one step of cg
    halvings     most halvings of a step
    """

    name = "newton"
    needs = NEEDS["auto"]

    def __init__(self, method="auto", limit=300, damping=0.0, iterations=100, halvings=30):
        if method not in NEEDS:
            raise SettingError(f"newton has no method {method!r}", expected=", ".join(NEEDS))
        least = {
            "limit": (limit, 0),
            "damping": (damping, 0),
            "iterations": (iterations, 1),
            "halvings": (halvings, 1),
        }
        for setting, (value, low) in least.items():
            kind = Real if setting == "damping" else Integral
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= value < np.inf:
                expected = f"a {'' if kind is Real else 'whole '}number, {setting} >= {low}"
                raise SettingError(
                    f"optimizer 'newton': setting {setting!r} is out of its domain",
                    got=repr(value),
                    expected=expected,
                )
        self.method, self.limit, self.damping = method, limit, damping
        self.iterations, self.halvings = iterations, halvings
        self.needs = NEEDS[method]

    def start(self, theta):
        return {"damping": float(self.damping)}

    def step(self, objective, theta, state):
        value = float(objective.value(theta))
        g = np.asarray(objective.gradient(theta), dtype=np.float64)
        if not (np.isfinite(value) and np.isfinite(g).all()):
            return state
        method = self.method
        if method == "auto":
            method = "exact" if theta.size <= self.limit else "cg"
        damping = state["damping"]
        p, bend, scale = getattr(self, f"_{method}")(objective, theta, g, damping)
        scale = scale or 1.0
        taken, reached = self._search(objective, theta, value, p, g @ p, min(bend, 0.0))
        if taken == 0 and g.any():
            p = -g / scale
            _, reached = self._search(objective, theta, value, p, g @ p, 0.0)
        predicted = -(g @ p + 0.5 * bend)
        if taken < 1:
            damping = min(max(4 * damping, 1e-3 * scale), 1e6 * scale)
        elif value - reached > 0.75 * predicted:
            damping = damping / 4 if damping > 1e-8 * scale else 0.0
        return {"damping": float(max(damping, self.damping))}

    def _exact(self, objective, theta, g, damping):
        """The direction p, p^T H p, and the mean size of the curvature."""
        H = np.asarray(objective.hessian(theta), dtype=np.float64)
        with one_blas_thread():
            curvature, Q = np.linalg.eigh(0.5 * (H + H.T))
            slopes = Q.T @ g
            size = np.abs(curvature)
            least = max(1e-10 * size.max(), np.finfo(np.float64).tiny)
            steps = -slopes / (np.maximum(size, least) + damping)
            flat = abs(slopes @ steps) <= 1e-12 * size.max()
            if flat and curvature[0] < -1e-6 * size.max():  # a saddle point: no slope, but a way down
                steps[0] = -1.0 if slopes[0] > 0 else 1.0
            return Q @ steps, steps @ (curvature * steps), size.mean()

    def _cg(self, objective, theta, g, damping):
        p, residual = np.zeros_like(g), g.copy()  # residual = (H + damping) p + g
        d, square = -g, g @ g
        enough = min(0.1, square**0.25) * np.sqrt(square)  # 0.1 takes a network down with fewer H v than 0.01
        scale = 0.0
        for k in range(self.iterations):
            if square == 0:
                break
            Hd = np.asarray(objective.hvp(theta, d.astype(theta.dtype)), dtype=np.float64) + damping * d
            bend = d @ Hd
            if k == 0:
                scale = abs(bend) / square
            if bend <= 1e-10 * scale * (d @ d):
                if k == 0:
                    p = d / scale if scale > 0 else d
                    residual = g + (Hd / scale if scale > 0 else Hd)
                break
            p = p + square / bend * d
            residual = residual + square / bend * Hd
            square, before = residual @ residual, square
            if np.sqrt(square) <= enough:
                break
            d = -residual + square / before * d
        return p, p @ (residual - g) - damping * (p @ p), scale

    def _elementwise(self, objective, theta, g, damping):
        if theta.size <= self.limit:
            H = np.asarray(objective.hessian(theta), dtype=np.float64)
            h = np.diagonal(H)
        else:
            h = np.empty(theta.size)
            for i in range(theta.size):  # one column at a time: all of them may not fit in memory
                unit = np.zeros(theta.size, theta.dtype)
                unit[i] = 1
                h[i] = objective.hvp(theta, unit)[i]
        size = np.abs(h)
        p = -g / (np.maximum(size, max(1e-10 * size.max(), np.finfo(np.float64).tiny)) + damping)
        return p, p @ (h * p), size.mean()

    def _search(self, objective, theta, value, p, slope, bend):
        """Take the first of p, p/2, ... that lowers the loss enough; (part of p, loss), or (0, value)."""
        part = 1.0
        for _ in range(self.halvings):
            with np.errstate(over="ignore", invalid="ignore"):
                candidate = (theta + part * p).astype(theta.dtype)
            reached = float(objective.value(candidate)) if np.isfinite(candidate).all() else np.inf
            promised = part * slope + 0.5 * part * part * bend
            if reached < value and reached <= value + ENOUGH * promised:
                theta[...] = candidate
                return part, reached
            part *= 0.5
        return 0.0, value


@hookimpl
def fastnn_optimizers():
    return [Newton]
