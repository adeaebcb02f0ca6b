"""Against PyTorch, where it is installed: gradients and Hessians of networks, and a hundred steps of every optimizer, in float64.

The closing lines of a run say whether it was.
"""

import numpy as np
import pytest
from cases import chain, labels, rows

import fastnn as fnn

torch = pytest.importorskip("torch")
F = torch.nn.functional

OPTIMIZERS = [
    ("sgd", {}, "SGD", {}),
    ("sgd", {"momentum": 0.9}, "SGD", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.8, "nesterov": True}, "SGD", {"momentum": 0.8, "nesterov": True}),
    ("sgd", {"momentum": 0.5, "weight_decay": 0.02}, "SGD", {"momentum": 0.5, "weight_decay": 0.02}),
    ("adagrad", {}, "Adagrad", {}),
    ("rmsprop", {}, "RMSprop", {}),
    ("rmsprop", {"alpha": 0.8, "epsilon": 1e-3}, "RMSprop", {"alpha": 0.8, "eps": 1e-3}),
    ("adam", {}, "Adam", {}),
    ("adam", {"beta1": 0.7, "beta2": 0.9, "epsilon": 1e-3}, "Adam", {"betas": (0.7, 0.9), "eps": 1e-3}),
    ("adamw", {"weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1}),
]


def tensors(net):
    """The parameters as leaves of PyTorch's graph, by name."""
    return {name: torch.tensor(view.copy(), requires_grad=True) for name, view in net.parameters.items()}


def flat(values):
    return np.concatenate([np.ravel(value) for value in values])


def dense(p, name, a):
    return a @ p[f"{name}/W"].T + p[f"{name}/b"]


def chain_forward(p, X):
    return dense(p, "2", torch.tanh(dense(p, "1", torch.tanh(dense(p, "0", X)))))


@pytest.mark.parametrize(("name", "settings", "torch_name", "torch_settings"), OPTIMIZERS)
def test_a_hundred_steps_end_where_pytorchs_end(name, settings, torch_name, torch_settings):
    net, eta = chain(), 0.02
    X, y = rows(net, 20), labels(20)
    p = tensors(net)
    optimizer = getattr(torch.optim, torch_name)(p.values(), lr=eta, **torch_settings)
    losses = []
    for _ in range(25):
        total = 0.0
        for start in range(0, 20, 5):
            optimizer.zero_grad()
            loss = F.cross_entropy(
                chain_forward(p, torch.tensor(X[start : start + 5])), torch.tensor(y[start : start + 5])
            )
            loss.backward()
            optimizer.step()
            total += loss.item() / 4
        losses.append(total)
    options = {
        "optimizer": name,
        "eta": eta,
        "epochs": 25,
        "batch_size": 5,
        "shuffle": False,
        "verbose": False,
    }
    history = net.fit(X, y, loss="cross_entropy", **options, **settings)
    expected = flat([tensor.detach().numpy() for tensor in p.values()])
    assert np.abs(net.theta - expected).max() <= 1e-9 * np.abs(expected).max()
    assert history.column("loss") == pytest.approx(losses, rel=1e-9)


ACTIVATIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "swish": F.silu,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda z: F.softmax(z, dim=1),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_and_hessian_with_every_activation(activation):
    net = fnn.Network(3, [fnn.Dense(4, activation), fnn.Dense(2)], dtype="float64", seed=3)
    X, y = rows(net, 6), labels(6, 2)

    def loss_of(*parameters):
        p = dict(zip(net.parameters, parameters, strict=True))
        return F.cross_entropy(
            dense(p, "1", ACTIVATIONS[activation](dense(p, "0", torch.tensor(X)))), torch.tensor(y)
        )

    check_derivatives(net, loss_of, X, y, "cross_entropy")


def check_derivatives(net, loss_of, X, y, loss):
    p = tuple(tensors(net).values())
    C = net.objective(X, y, loss=loss)
    assert C.value(net.theta) == pytest.approx(loss_of(*p).item(), rel=1e-12)
    g = flat([t.numpy() for t in torch.autograd.grad(loss_of(*p), p)])
    assert np.abs(C.gradient(net.theta) - g).max() <= 1e-11 * np.abs(g).max()
    blocks = torch.autograd.functional.hessian(loss_of, p)
    H = np.block(
        [
            [b.reshape(i.numel(), j.numel()).numpy() for b, j in zip(row, p, strict=True)]
            for row, i in zip(blocks, p, strict=True)
        ]
    )
    assert np.abs(C.hessian(net.theta) - H).max() <= 1e-11 * np.abs(H).max()


LOSSES = {
    "squared_error": (2, lambda z, y: 0.5 * F.mse_loss(z, y, reduction="sum") / len(z)),
    "absolute_error": (2, lambda z, y: F.l1_loss(z, y, reduction="sum") / len(z)),
    "huber": (2, lambda z, y: F.huber_loss(z, y, reduction="sum") / len(z)),
    "binary_cross_entropy": (
        2,
        lambda z, y: F.binary_cross_entropy_with_logits(z, torch.sigmoid(y), reduction="sum") / len(z),
    ),
    "cross_entropy": (3, lambda z, y: F.cross_entropy(z, F.softmax(y, dim=1))),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_of_every_loss_of_rows(loss):
    n_out, torch_loss = LOSSES[loss]
    net = fnn.Network(3, [fnn.Dense(4, "tanh"), fnn.Dense(n_out)], dtype="float64", seed=4)
    X, raw = rows(net, 6), np.random.default_rng(8).normal(size=(6, n_out))
    y = raw
    if loss == "binary_cross_entropy":
        y = 1 / (1 + np.exp(-raw))
    if loss == "cross_entropy":
        y = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)

    def loss_of(*parameters):
        p = dict(zip(net.parameters, parameters, strict=True))
        return torch_loss(dense(p, "1", torch.tanh(dense(p, "0", torch.tensor(X)))), torch.tensor(raw))

    check_derivatives(net, loss_of, X, y, loss)


def test_derivatives_of_a_graph_with_add_and_concatenate():
    net = fnn.Network(4, seed=2, dtype="float64")
    a = net.apply("a", fnn.Dense(4, "tanh"), net.input)
    s = net.apply("s", fnn.Add(), a, net.input)
    b = net.apply("b", fnn.Dense(3, "softplus"), s)
    net.output = net.apply("c", fnn.Dense(3), net.apply("j", fnn.Concatenate(), b, s, a, b))
    X, y = rows(net, 5), labels(5)

    def loss_of(*parameters):
        p = dict(zip(net.parameters, parameters, strict=True))
        x = torch.tensor(X)
        a = torch.tanh(dense(p, "a", x))
        b = F.softplus(dense(p, "b", a + x))
        return F.cross_entropy(dense(p, "c", torch.cat([b, a + x, a, b], dim=1)), torch.tensor(y))

    check_derivatives(net, loss_of, X, y, "cross_entropy")


def convolved(layer, name="layer", dtype="float64"):
    """An image, convolved, through the layer, to three numbers."""
    net = fnn.Network((2, 7, 8), seed=6, dtype=dtype)
    h = net.apply("conv", fnn.Conv(4, 3, padding=1, activation="tanh"), net.input)
    h = net.apply(name, layer, h)
    net.output = net.apply("out", fnn.Dense(3), net.apply("row", fnn.layers.Flatten(), h))
    return net


IMAGES = {
    "max_pool": (fnn.MaxPool(3, 2, 1, ceil=True), lambda a, p: F.max_pool2d(a, 3, 2, 1, ceil_mode=True)),
    "dilated": (fnn.MaxPool(2, 1, dilation=2), lambda a, p: F.max_pool2d(a, 2, 1, 0, 2)),
    "average_pool": (
        fnn.AveragePool(3, 2, 1, ceil=True),
        lambda a, p: F.avg_pool2d(a, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    "counted": (
        fnn.AveragePool(3, 2, 1, ceil=True, count_padding=True),
        lambda a, p: F.avg_pool2d(a, 3, 2, 1, ceil_mode=True),
    ),
    "global_average": (fnn.GlobalAveragePool(), lambda a, p: F.adaptive_avg_pool2d(a, 1)),
    "global_max": (fnn.GlobalMaxPool(), lambda a, p: F.adaptive_max_pool2d(a, 1)),
    "local_response_norm": (
        fnn.layers.LocalResponseNorm(3, 0.4, 0.75, 2.0),
        lambda a, p: F.local_response_norm(a, 3, 0.4, 0.75, 2.0),
    ),
    "layer_norm": (
        fnn.layers.LayerNorm(0.01),
        lambda a, p: F.layer_norm(a, a.shape[1:], p["layer/gamma"], p["layer/beta"], 0.01),
    ),
    "batch_norm": (
        fnn.BatchNorm(0.01),
        lambda a, p: F.batch_norm(
            a, torch.zeros(4).double(), torch.ones(4).double(), p["layer/gamma"], p["layer/beta"], eps=0.01
        ),
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_derivatives_of_every_layer_of_images(name):
    layer, torch_layer = IMAGES[name]
    net = convolved(layer)
    X, y = rows(net, 4), labels(4)

    def loss_of(*parameters):
        p = dict(zip(net.parameters, parameters, strict=True))
        a = torch.tanh(F.conv2d(torch.tensor(X), p["conv/W"], p["conv/b"], padding=1))
        return F.cross_entropy(dense(p, "out", torch_layer(a, p).flatten(1)), torch.tensor(y))

    p = tuple(tensors(net).values())
    C = net.objective(X, y, loss="cross_entropy")
    assert C.value(net.theta) == pytest.approx(loss_of(*p).item(), rel=1e-12)
    g = flat([t.numpy() for t in torch.autograd.grad(loss_of(*p), p)])
    assert np.abs(C.gradient(net.theta) - g).max() <= 1e-11 * np.abs(g).max()
    v = np.random.default_rng(0).normal(size=net.theta.size)
    parts = tuple(
        torch.tensor(v[q.offset : q.offset + q.size].reshape(q.shape)) for q in net.graph.parameters.values()
    )
    _, hv = torch.autograd.functional.vhp(loss_of, p, parts)
    expected = flat([t.numpy() for t in hv])
    assert np.abs(C.hvp(net.theta, v) - expected).max() <= 1e-10 * np.abs(expected).max()


def test_training_with_batch_norm_ends_where_pytorchs_ends_statistics_too():
    net = convolved(fnn.BatchNorm(momentum=0.2))
    X, y = rows(net, 13), labels(13)
    p = tensors(net)
    mean, variance = torch.zeros(4).double(), torch.ones(4).double()
    optimizer = torch.optim.SGD(p.values(), lr=0.1)
    for _ in range(5):
        for start in range(0, 13, 5):
            optimizer.zero_grad()
            a = torch.tanh(F.conv2d(torch.tensor(X[start : start + 5]), p["conv/W"], p["conv/b"], padding=1))
            h = F.batch_norm(a, mean, variance, p["layer/gamma"], p["layer/beta"], True, 0.2, 1e-5)
            loss = F.cross_entropy(dense(p, "out", h.flatten(1)), torch.tensor(y[start : start + 5]))
            loss.backward()
            optimizer.step()
    settings = {"epochs": 5, "batch_size": 5, "shuffle": False, "verbose": False, "loss": "cross_entropy"}
    net.fit(X, y, optimizer="sgd", eta=0.1, **settings)
    expected = flat([tensor.detach().numpy() for tensor in p.values()])
    assert np.abs(net.theta - expected).max() <= 1e-10 * np.abs(expected).max()
    assert net.statistics["layer/mean"] == pytest.approx(mean.numpy(), rel=1e-10)
    assert net.statistics["layer/variance"] == pytest.approx(variance.numpy(), rel=1e-10)
