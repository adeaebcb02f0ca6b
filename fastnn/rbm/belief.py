"""Deep belief networks: restricted Boltzmann machines one on top of the other, each trained on what the one below makes of the data, then unrolled into a network.

encoder   a^0 = v,   a^l = f(W^l a^(l-1) + b^l)            code a^L
decoder   a^(l-1) = f((W^l)^T a^l + c^l)                   from the code back to v; after unrolling, W and its transpose go their own ways
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import inputs
from fastnn.errors import SettingError, ShapeError
from fastnn.history import History
from fastnn.network import Network
from fastnn.rbm.model import RBM
from fastnn.rbm.units import units
from fastnn.registry import registry

__all__ = ["DeepBelief"]

Array = NDArray[Any]


class DeepBelief:
    """A stack of machines, `layers`, of these numbers of units: DeepBelief([784, 1000, 500, 250, 30], code="gaussian").

    visible     units of the data, "binary" or "gaussian"
    code        units of the last layer; those between are binary
    scale, seed, dtype   as of RBM; every layer has a seed of its own
    Source: Hinton, Osindero and Teh 2006, A fast learning algorithm for deep belief nets; Hinton and Salakhutdinov 2006, Reducing the dimensionality of data
    with neural networks, Science 313, for unrolling.

    >>> import fastnn as fnn
    >>> belief = fnn.DeepBelief([64, 32, 8], code="gaussian")
    >>> belief.layers[1]
    <RBM 32 binary visible, 8 gaussian hidden units, float32>
    >>> list(belief.unroll().parameters)
    ['encoder0/W', 'encoder0/b', 'encoder1/W', 'encoder1/b', 'decoder1/W', 'decoder1/b', 'decoder0/W', 'decoder0/b']
    """

    scaler = None

    def __init__(
        self,
        sizes: Sequence[int],
        visible: str = "binary",
        code: str = "binary",
        *,
        scale: float = 0.01,
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        if len(sizes) < 2:
            raise ShapeError("a deep belief network has two layers of units or more", got=list(sizes))
        self.sizes, self.visible, self.code = [int(n) for n in sizes], visible, code
        self.scale, self.seed, self.dtype = float(scale), int(seed), dtype
        last = len(self.sizes) - 2
        self.layers = [
            RBM(
                self.sizes[layer],
                self.sizes[layer + 1],
                visible if layer == 0 else "binary",
                code if layer == last else "binary",
                scale=scale,
                seed=self.seed + layer,
                dtype=dtype,
            )
            for layer in range(last + 1)
        ]

    # ---- training
    def fit(self, X: ArrayLike, **settings: Any) -> list[History]:
        """Train layer after layer, each on the means of the hidden units of the one below; gives a history for each.

        `settings` are those of RBM.fit; a list has one value for each layer: eta=[0.1, 0.1, 0.001]. Ctrl-C ends training: layers above stay as they are.
        """
        for name, value in settings.items():
            if isinstance(value, list) and len(value) != len(self.layers):
                raise SettingError(
                    f"{name} is a list of another length than the layers",
                    got=repr(value)[:80],
                    expected=f"{len(self.layers)} values, or one for all",
                )
        histories: list[History] = []
        rows: Any = X
        device = settings.get("device")
        for layer, rbm in enumerate(self.layers):
            own = {
                name: value[layer] if isinstance(value, list) else value for name, value in settings.items()
            }
            histories.append(rbm.fit(rows, **own))
            if histories[-1].stopped == "interrupted":
                break
            if layer + 1 < len(self.layers):
                rows = rbm.transform(rows, device=device[layer] if isinstance(device, list) else device)
        return histories

    # ---- asking
    def transform(self, X: ArrayLike, *, threads: int | None = None, device: str | None = None) -> Array:
        """Codes of rows X (rows, sizes[0]): means of the hidden units, layer after layer; (rows, sizes[-1])."""
        rows: Any = X
        for rbm in self.layers:
            rows = rbm.transform(rows, threads=threads, device=device)
        return np.asarray(rows)

    def inverse_transform(
        self, H: ArrayLike, *, threads: int | None = None, device: str | None = None
    ) -> Array:
        """Back from codes (rows, sizes[-1]) by means of the visible units, layer after layer."""
        rows: Any = H
        for rbm in reversed(self.layers):
            rows = rbm.inverse_transform(rows, threads=threads, device=device)
        return np.asarray(rows)

    def reconstruct(self, X: ArrayLike, *, threads: int | None = None, device: str | None = None) -> Array:
        """inverse_transform(transform(X))."""
        codes = self.transform(X, threads=threads, device=device)
        return self.inverse_transform(codes, threads=threads, device=device)

    def sample(
        self, n: int, steps: int = 1000, *, seed: int | None = None, device: str | None = None
    ) -> Array:
        """n samples: `steps` steps of Gibbs sampling in the top machine, then down by means."""
        rows = self.layers[-1].sample(n, steps, seed=seed, device=device)
        for rbm in reversed(self.layers[:-1]):
            rows = rbm.inverse_transform(rows, device=device)
        return rows

    # ---- networks
    def unroll(self) -> Network:
        """The autoencoder: encoder and decoder as a Network of Dense layers that begins with these weights; fit(X, X) fine-tunes it.

        Its loss is binary_cross_entropy for binary visible units, so that predict() shows reconstructions, and squared_error for Gaussian ones.
        """
        net = self._encoder()
        node = net.output
        for layer, rbm in reversed(list(enumerate(self.layers))):
            activation = units(rbm.visible).activation if layer else "identity"
            node = self._dense(net, f"decoder{layer}", node, rbm.n_visible, activation, rbm.W.T, rbm.c)
        net.output = node
        loss = "binary_cross_entropy" if self.visible == "binary" else "squared_error"
        net.loss = registry.get("loss", loss)
        return net

    def encoder(self) -> Network:
        """The way up alone: transform as a Network."""
        return self._encoder()

    def classifier(self, n_classes: int) -> Network:
        """The encoder with a Dense layer of `n_classes` on top, for cross_entropy: fit(X, labels) trains all of it."""
        n_classes = inputs.count("n_classes", n_classes, least=2)
        net = self._encoder()
        net.output = net.apply("classes", registry.get("layer", "dense", n_out=n_classes), net.output)
        net.loss = registry.get("loss", "cross_entropy")
        return net

    def _encoder(self) -> Network:
        net = Network(self.sizes[0], seed=self.seed, dtype=self.dtype)
        node = net.input
        for layer, rbm in enumerate(self.layers):
            activation = units(rbm.hidden).activation
            node = self._dense(net, f"encoder{layer}", node, rbm.n_hidden, activation, rbm.W, rbm.b)
        net.output = node
        return net

    def _dense(
        self, net: Network, name: str, node: Any, n_out: int, activation: str, W: Array, b: Array
    ) -> Any:
        node = net.apply(name, registry.get("layer", "dense", n_out=n_out, activation=activation), node)
        net.parameters[f"{name}/W"][...] = W
        net.parameters[f"{name}/b"][...] = b
        return node

    # ---- keeping
    @property
    def parameters(self) -> Mapping[str, Array]:
        """Views of all layers' parameters, by "<layer>/<name>"."""
        return self._by_layer("parameters")

    @property
    def statistics(self) -> Mapping[str, Array]:
        """Chains of layers that were trained with persistent ones."""
        return self._by_layer("statistics")

    def _by_layer(self, what: str) -> dict[str, Array]:
        return {
            f"{layer}/{name}": view
            for layer, rbm in enumerate(self.layers)
            for name, view in getattr(rbm, what).items()
        }

    def config(self) -> dict[str, Any]:
        """Everything but the numbers, fit for JSON."""
        names = ("sizes", "visible", "code", "scale", "seed", "dtype")
        chains = [rbm.n_chains for rbm in self.layers]
        return {"model": "deep_belief", "chains": chains, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DeepBelief:
        """A network of this structure with fresh parameters."""
        left_out = ("model", "chains")
        belief = cls(**{name: value for name, value in config.items() if name not in left_out})
        for rbm, n in zip(belief.layers, config["chains"], strict=True):
            rbm.n_chains = n
        return belief

    def save(self, path: Any) -> None:
        """Write all layers to a safetensors file; fastnn.load(path) gives them back."""
        from fastnn import storage

        storage.save(self, path)

    def __repr__(self) -> str:
        return f"<DeepBelief {'-'.join(map(str, self.sizes))}, {self.visible} visible, {self.code} code units, {self.dtype}>"
