"""The restricted Boltzmann machine: two layers of units, and weights between them.

p(v, h) ~ exp(-E(v, h)),   E = -h^T W v - b^T h - c^T v     binary units; a Gaussian unit u with bias a has (u - a)^2 / 2 in the place of -a u
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import inputs
from fastnn.engine import Device, as_device, machine_for, plan_for
from fastnn.errors import DataError, SettingError
from fastnn.history import History
from fastnn.network import Network
from fastnn.passes import Passes
from fastnn.rbm.ops import Conditional, FreeEnergy, chain
from fastnn.rbm.training import RECONSTRUCTION, Contrast, as_network, statistics
from fastnn.rbm.units import STREAMS, units

__all__ = ["RBM"]

Array = NDArray[Any]


class RBM:
    """A restricted Boltzmann machine of `n_visible` and `n_hidden` units; no unit is joined to one of its own side.

    visible, hidden   "binary" (0 or 1; data may be probabilities, 0 to 1) or "gaussian" (real numbers, variance 1 around their mean: standardise the data)
    scale             standard deviation of the first weights; biases begin at 0
    seed, dtype       as of a Network

    `W` (n_hidden, n_visible), `b` (n_hidden,) of the hidden and `c` (n_visible,) of the visible units are views of `theta`.
    Source: Smolensky 1986; Hinton 2002, Training products of experts by minimizing contrastive divergence; Welling, Rosen-Zvi and Hinton 2004 for
    Gaussian units.

    >>> import fastnn as fnn, numpy as np
    >>> rbm = fnn.RBM(2, 1, dtype="float64")
    >>> rbm.W[:], rbm.b[:], rbm.c[:] = [[1.0, -1.0]], [0.5], [0.0, 0.25]
    >>> rbm.transform([[1.0, 0.0]]).round(4)                    # 1 / (1 + exp(-1.5))
    array([[0.8176]])
    >>> rbm.free_energy([[1.0, 0.0]]).round(4)                  # -log(1 + exp(1.5))
    array([-1.7014])
    """

    scaler = None

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        visible: str = "binary",
        hidden: str = "binary",
        *,
        scale: float = 0.01,
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        self.n_visible, self.n_hidden = (
            inputs.count("n_visible", n_visible),
            inputs.count("n_hidden", n_hidden),
        )
        self.visible, self.hidden, self.scale = visible, hidden, float(scale)
        self._units = units(visible), units(hidden)
        if visible == hidden == "gaussian":
            raise SettingError(
                "Gaussian units on both sides have no distribution unless W is small",
                got="visible='gaussian', hidden='gaussian'",
                expected="binary units on one side at least",
            )
        self._net = self._network(seed, dtype)
        self.n_chains = 0
        self._passes: dict[Any, Passes] = {}
        self.history = History()

    def _network(self, seed: int, dtype: str, **how: Any) -> Network:
        layer = Contrast(self.n_hidden, self.visible, self.hidden, self.scale, **how)
        return as_network(self.n_visible, layer, seed, dtype)

    # ---- parameters
    @property
    def theta(self) -> Array:
        """All parameters, flat: W, b, c; write into it to change the machine."""
        return self._net.theta

    @property
    def parameters(self) -> Mapping[str, Array]:
        """{"W": (n_hidden, n_visible), "b": (n_hidden,), "c": (n_visible,)}, views of theta."""
        return {name.removeprefix("rbm/"): view for name, view in self._net.parameters.items()}

    @property
    def n_chains(self) -> int:
        """How many chains of persistent contrastive divergence there are; set it, and they begin anew at 0."""
        return len(self.chains)

    @n_chains.setter
    def n_chains(self, n: int) -> None:
        self.chains = np.zeros((n, self.n_hidden), self.dtype)

    @property
    def statistics(self) -> Mapping[str, Array]:
        """{"chains": (n_chains, n_hidden)} where there are any: hidden units, where persistent contrastive divergence goes on."""
        return {"chains": self.chains} if self.n_chains else {}

    @property
    def W(self) -> Array:
        """Weights, (n_hidden, n_visible)."""
        return self._net.parameters["rbm/W"]

    @property
    def b(self) -> Array:
        """Biases of the hidden units."""
        return self._net.parameters["rbm/b"]

    @property
    def c(self) -> Array:
        """Biases of the visible units."""
        return self._net.parameters["rbm/c"]

    @property
    def dtype(self) -> str:
        """ "float32" or "float64", of everything inside."""
        return self._net.dtype

    @property
    def seed(self) -> int:
        """What the first weights, and by default all random numbers, depend on."""
        return self._net.seed

    # ---- asking
    def transform(self, X: ArrayLike, *, threads: int | None = None, device: str | None = None) -> Array:
        """Means of the hidden units given rows X (rows, n_visible): P(h = 1 | v), or W v + b of Gaussian ones; (rows, n_hidden)."""
        return self._run("transform", (Conditional(*self._units, up=True),), self._rows(X), threads, device)

    def inverse_transform(
        self, H: ArrayLike, *, threads: int | None = None, device: str | None = None
    ) -> Array:
        """Means of the visible units given hidden ones, rows H (rows, n_hidden): P(v = 1 | h), or W^T h + c of Gaussian ones."""
        rows = inputs.as_rows(H, (self.n_hidden,), self.dtype, "H")
        return self._run("inverse", (Conditional(*self._units, up=False),), rows, threads, device)

    def reconstruct(self, X: ArrayLike, *, threads: int | None = None, device: str | None = None) -> Array:
        """There and back by means, inverse_transform(transform(X)); nothing is drawn."""
        ops = Conditional(*self._units, up=True), Conditional(*self._units, up=False)
        return self._run("reconstruct", ops, self._rows(X), threads, device)

    def reconstruction_error(
        self, X: ArrayLike, *, threads: int | None = None, device: str | None = None
    ) -> float:
        """Mean over the rows of sum_k (reconstruct(v)_k - v_k)^2."""
        rows = self._rows(X)
        again = self.reconstruct(rows, threads=threads, device=device)
        return float(np.square(again.astype(np.float64) - rows).sum(axis=1).mean())

    def free_energy(self, X: ArrayLike, *, threads: int | None = None, device: str | None = None) -> Array:
        """F(v) of every row, with p(v) = exp(-F(v)) / Z; constants of Gaussian units are left to Z. Lower is likelier."""
        out = self._run("free energy", (FreeEnergy(*self._units),), self._rows(X), threads, device)
        return out[:, 0]

    def sample_hidden(self, X: ArrayLike, *, seed: int | None = None, device: str | None = None) -> Array:
        """Hidden units drawn from P(h | v) for each row of X."""
        return self._draw((Conditional(*self._units, up=True, stream=0),), self._rows(X), 1, seed, device)

    def sample_visible(self, H: ArrayLike, *, seed: int | None = None, device: str | None = None) -> Array:
        """Visible units drawn from P(v | h) for each row of H."""
        rows = inputs.as_rows(H, (self.n_hidden,), self.dtype, "H")
        return self._draw((Conditional(*self._units, up=False, stream=0),), rows, 1, seed, device)

    def gibbs(
        self, X: ArrayLike, steps: int = 1, *, seed: int | None = None, device: str | None = None
    ) -> Array:
        """Visible units after `steps` steps of Gibbs sampling, v -> h -> v, from the rows of X on."""
        steps = inputs.count("steps", steps)
        up, down = (
            Conditional(*self._units, up=True, stream=0),
            Conditional(*self._units, up=False, stream=STREAMS),
        )
        return self._draw((up, down), self._rows(X), steps, seed, device)

    def sample(
        self, n: int, steps: int = 1000, *, seed: int | None = None, device: str | None = None
    ) -> Array:
        """n samples of the visible units: n chains of `steps` steps of Gibbs sampling, begun at random."""
        n = inputs.count("n", n)
        rng = np.random.default_rng([(self.seed if seed is None else seed) % 2**32, 3])
        shape = (n, self.n_visible)
        begun = rng.random(shape) < 0.5 if self.visible == "binary" else rng.standard_normal(shape)
        return self.gibbs(begun.astype(self.dtype), steps, seed=seed, device=device)

    # ---- training
    def fit(
        self,
        X: ArrayLike,
        *,
        k: int = 1,
        persistent: bool | int = False,
        mean_field: bool = False,
        weight_decay: float = 0.0,
        optimizer: Any = "sgd",
        epochs: int = 10,
        batch_size: int = 100,
        seed: int | None = None,
        **settings: Any,
    ) -> History:
        """Train in place by contrastive divergence and return the history; its `loss` is the reconstruction error, sum_k (v'_k - v_k)^2 of a sample.

        X             rows (rows, n_visible): 0 to 1 for binary units
        k             steps of Gibbs sampling before the negative statistics: CD-k
        persistent    chains go on from step to step in place of beginning at the data (persistent CD; Tieleman, 2008): as many as a batch has rows, or this number.
                      They are kept in `chains` (hidden units), and the next fit goes on with them. Costs a product more a step, for the reconstruction error.
        mean_field    the visible units of the negative phase are their means, not samples: less noise, a little bias (Hinton, 2010)
        weight_decay  of W alone: weight_decay W is added to its gradient
        optimizer     any rule; without settings, sgd has eta 0.1, or 0.001 where units are Gaussian
        others        as of Network.fit: shuffle, threads, callbacks, verbose, validation (a share, or rows), device, precision, resume, settings of the rule

        The same seed gives the same bits for any number of threads. Ctrl-C ends training and keeps the machine as it is.
        """
        k, mean_field = inputs.count("k", k), inputs.flag("mean_field", mean_field)
        chains = inputs.count("persistent", int(persistent), least=0)
        if persistent is True:
            chains = inputs.count("batch_size", batch_size)
        decay = _decay(weight_decay)
        rows = self._rows(X)
        seed = self.seed if seed is None else inputs.count("seed", seed, least=-(2**63))
        if optimizer == "sgd":
            settings.setdefault("eta", 0.001 if "gaussian" in (self.visible, self.hidden) else 0.1)
        held = settings.get("validation")
        if held is not None and not isinstance(held, (int, float)):
            settings["validation"] = (held, held)
        how = {"k": k, "mean_field": mean_field, "decay": decay, "chains": chains}
        net = self._network(self.seed, self.dtype, **how)
        net.theta = self.theta
        if chains and len(rows):
            if self.n_chains != chains:
                first = np.random.default_rng([seed % 2**32, 4]).integers(len(rows), size=chains)
                self.chains = self.sample_hidden(rows[first], seed=seed)
            net.statistics["rbm/chains"][...] = self.chains
        try:
            self.history = net.fit(
                rows, rows, loss=RECONSTRUCTION, optimizer=optimizer, epochs=epochs, batch_size=batch_size,
                seed=seed, **settings,
            )  # fmt: skip
        finally:
            self._net.theta = net.theta
            if chains:
                self.chains = net.statistics["rbm/chains"].copy()
        return self.history

    def fit_transform(self, X: ArrayLike, **settings: Any) -> Array:
        """`fit(X)`, then `transform(X)`."""
        self.fit(X, **settings)
        return self.transform(X)

    def gradient(
        self,
        X: ArrayLike,
        *,
        k: int = 1,
        mean_field: bool = False,
        seed: int | None = None,
        threads: int | None = None,
        device: str | None = None,
    ) -> dict[str, Array]:
        """{"W", "b", "c"}: what CD-k takes for the gradient of the mean of -log p(v) over the rows of X, all one batch.

        It comes nearer to the gradient, in expectation, as k grows: contrastive divergence stops before the chains forget where they began.
        """
        k, mean_field = inputs.count("k", k), inputs.flag("mean_field", mean_field)
        net = self._network(self.seed, self.dtype, k=k, mean_field=mean_field)
        net.theta = self.theta
        where = as_device(device, None, self.dtype)
        g = statistics(net, self._rows(X), self.seed if seed is None else seed, threads, where)
        ends = np.cumsum([view.size for view in self.parameters.values()])[:-1]
        parts = zip(self.parameters.items(), np.split(g, ends), strict=True)
        return {name: part.reshape(view.shape) for (name, view), part in parts}

    # ---- keeping
    def config(self) -> dict[str, Any]:
        """Everything but the numbers, fit for JSON."""
        names = ("n_visible", "n_hidden", "visible", "hidden", "scale", "seed", "dtype")
        return {"model": "rbm", "chains": self.n_chains, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> RBM:
        """A machine of this structure with fresh parameters."""
        rbm = cls(**{name: value for name, value in config.items() if name not in ("model", "chains")})
        rbm.n_chains = config["chains"]
        return rbm

    def save(self, path: Any) -> None:
        """Write the machine to a safetensors file; fastnn.load(path) gives it back."""
        from fastnn import storage

        storage.save(self, path)

    def __reduce__(self) -> Any:
        return _rebuild, (self.config(), self.theta.copy(), self.chains, self.history)

    def __repr__(self) -> str:
        return f"<RBM {self.n_visible} {self.visible} visible, {self.n_hidden} {self.hidden} hidden units, {self.dtype}>"

    # ---- inside
    def _rows(self, X: ArrayLike) -> Array:
        rows = inputs.as_rows(X, (self.n_visible,), self.dtype)
        if self.visible == "binary" and rows.size and not (rows.min() >= 0 and rows.max() <= 1):
            raise DataError(
                "binary units take numbers from 0 to 1",
                got=f"X from {rows.min():.4g} to {rows.max():.4g}",
                hint="divide by the largest, or visible='gaussian' and standardised data",
            )
        return rows

    def _run(
        self,
        what: str,
        ops: tuple[Conditional | FreeEnergy, ...],
        rows: Array,
        threads: int | None,
        device: str | None,
    ) -> Array:
        if what not in self._passes:
            graph = chain(rows.shape[1], self.n_hidden, self.n_visible, *ops)
            self._passes[what] = Passes(graph, self.theta, self.dtype)
        return self._passes[what].outputs(rows, None, threads, as_device(device, None, self.dtype))

    def _draw(
        self, ops: tuple[Conditional, ...], rows: Array, steps: int, seed: int | None, device: str | None
    ) -> Array:
        """What `ops` draw from the rows, again and again for as many steps."""
        where: Device = as_device(device, None, self.dtype)
        graph = chain(rows.shape[1], self.n_hidden, self.n_visible, *ops)
        assert graph.output is not None
        out = np.empty((len(rows), *graph.output.shape), self.dtype)
        if not len(rows):
            return out
        machine = machine_for(where, plan_for(where, graph, len(rows), self.dtype))
        state = rows.copy()
        for name, array in {"theta": self.theta, "X": state, "out": out}.items():
            machine.bind(name, array)
        machine.seed(self.seed if seed is None else seed)
        for step in range(steps):
            machine.run_steps(0, np.zeros(1), step)
            machine.fetch("out")
            if step + 1 < steps:
                state[:] = out
                machine.refresh("X")
        return out


def _decay(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < np.inf:
        raise SettingError("weight_decay is no rate", got=repr(value)[:80], expected="0 or more")
    return float(value)


def _rebuild(config: dict[str, Any], theta: Array, chains: Array, history: History) -> RBM:
    rbm = RBM.from_config(config)
    rbm.theta[:] = theta
    rbm.chains, rbm.history = chains, history
    return rbm
