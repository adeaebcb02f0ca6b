"""The networks of the zoo once more, from the papers, in NumPy and float64: `weights` go by PyTorch's names, nothing of fastnn is used."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def conv(p, name, a, stride=1, pad=0, groups=1):
    W = p[f"{name}.weight"].astype(np.float64)
    a = np.pad(a, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    seen = sliding_window_view(a, W.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    parts = zip(np.split(seen, groups, axis=1), np.split(W, groups), strict=True)
    z = np.concatenate([np.einsum("nkuvpq,jkpq->njuv", x, w, optimize=True) for x, w in parts], axis=1)
    return z + p[f"{name}.bias"][:, None, None] if f"{name}.bias" in p else z


def norm(p, name, a, epsilon=1e-5):
    gamma, beta, mean, variance = (
        p[f"{name}.{word}"].astype(np.float64)[:, None, None]
        for word in ("weight", "bias", "running_mean", "running_var")
    )
    return gamma * (a - mean) / np.sqrt(variance + epsilon) + beta


def dense(p, name, a):
    return a @ p[f"{name}.weight"].astype(np.float64).T + p[f"{name}.bias"]


def relu(a):
    return np.maximum(a, 0)


def max_pool(a, kernel, stride, pad=0, up=False):
    """Largest of each window; `up` lets a last window hang over the edge."""
    more = [-(n + 2 * pad - kernel) % stride if up else 0 for n in a.shape[2:]]
    a = np.pad(a, ((0, 0), (0, 0), *((pad, pad + m) for m in more)), constant_values=-np.inf)
    return sliding_window_view(a, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride].max(axis=(4, 5))


def local_response(a, alpha, k, beta=0.75, size=5):
    """a / (k + alpha sum of squares over five channels)^beta, as the paper sums."""
    squares = np.pad(a**2, ((0, 0), (size // 2, size // 2), (0, 0), (0, 0)))
    return a / (k + alpha * sliding_window_view(squares, size, axis=1).sum(axis=-1)) ** beta


def flat(a):
    return a.reshape(len(a), -1)


def lenet(p, a):
    a = max_pool(relu(conv(p, "conv1", a)), 2, 2)
    a = flat(max_pool(relu(conv(p, "conv2", a)), 2, 2))
    return dense(p, "fc3", relu(dense(p, "fc2", relu(dense(p, "fc1", a)))))


def alexnet(p, a):
    a = max_pool(relu(conv(p, "features.0", a, 4, 2)), 3, 2)
    a = max_pool(relu(conv(p, "features.3", a, pad=2)), 3, 2)
    for name in ("features.6", "features.8", "features.10"):
        a = relu(conv(p, name, a, pad=1))
    a = flat(max_pool(a, 3, 2))
    return dense(p, "classifier.6", relu(dense(p, "classifier.4", relu(dense(p, "classifier.1", a)))))


def alexnet_grouped(p, a):
    a = local_response(relu(conv(p, "conv1", a, 4, 2)), 1e-4, 2)
    a = local_response(relu(conv(p, "conv2", max_pool(a, 3, 2), pad=2, groups=2)), 1e-4, 2)
    a = relu(conv(p, "conv3", max_pool(a, 3, 2), pad=1))
    a = relu(conv(p, "conv5", relu(conv(p, "conv4", a, pad=1, groups=2)), pad=1, groups=2))
    return dense(p, "fc8", relu(dense(p, "fc7", relu(dense(p, "fc6", flat(max_pool(a, 3, 2)))))))


def vgg(p, a, repeats):
    place = 0
    for stage in repeats:
        for _ in range(stage):
            a = relu(conv(p, f"features.{place}", a, pad=1))
            place += 2
        a, place = max_pool(a, 2, 2), place + 1
    return dense(p, "classifier.6", relu(dense(p, "classifier.3", relu(dense(p, "classifier.0", flat(a))))))


def googlenet(p, a, batch_norm):
    def unit(name, a, stride=1, pad=0):
        z = conv(p, f"{name}.conv", a, stride, pad)
        return relu(norm(p, f"{name}.bn", z, 1e-3) if batch_norm else z)

    def inception(name, a):
        pooled = max_pool(a, 3, 1, 1)
        branches = (
            unit(f"{name}.branch1", a),
            unit(f"{name}.branch2.1", unit(f"{name}.branch2.0", a), pad=1),
            unit(f"{name}.branch3.1", unit(f"{name}.branch3.0", a), pad=1 if batch_norm else 2),
            unit(f"{name}.branch4.1", pooled),
        )
        return np.concatenate(branches, axis=1)

    def response(a):
        return a if batch_norm else local_response(a, 1e-4 / 5, 1)

    a = response(max_pool(unit("conv1", a, 2, 3), 3, 2, up=True))
    a = max_pool(response(unit("conv3", unit("conv2", a), pad=1)), 3, 2, up=True)
    a = max_pool(inception("inception3b", inception("inception3a", a)), 3, 2, up=True)
    for block in "abcde":
        a = inception(f"inception4{block}", a)
    a = max_pool(a, 2 if batch_norm else 3, 2, up=True)
    a = inception("inception5b", inception("inception5a", a))
    return dense(p, "fc", a.mean(axis=(2, 3)))


def resnet(p, a, repeats):
    a = max_pool(relu(norm(p, "bn1", conv(p, "conv1", a, 2, 3))), 3, 2, 1)
    for stage, n in enumerate(repeats, 1):
        for k in range(n):
            name, stride = f"layer{stage}.{k}", 2 if stage > 1 and k == 0 else 1
            a = relu(_residual(p, name, a, stride) + _projection(p, f"{name}.downsample", a, stride))
    return dense(p, "fc", a.mean(axis=(2, 3)))


def _residual(p, name, a, stride):
    deep = f"{name}.conv3.weight" in p
    h = conv(p, f"{name}.conv1", a, 1 if deep else stride, 0 if deep else 1)
    h = relu(norm(p, f"{name}.bn1", h))
    h = norm(p, f"{name}.bn2", conv(p, f"{name}.conv2", h, stride if deep else 1, 1))
    return norm(p, f"{name}.bn3", conv(p, f"{name}.conv3", relu(h))) if deep else h


def _projection(p, name, a, stride):
    return norm(p, f"{name}.1", conv(p, f"{name}.0", a, stride)) if f"{name}.0.weight" in p else a


def cifar(p, a, blocks, residual):
    a = relu(norm(p, "bn1", conv(p, "conv1", a, pad=1)))
    for stage in (1, 2, 3):
        for k in range(blocks):
            name, stride = f"layer{stage}.{k}", 2 if stage > 1 and k == 0 else 1
            h = relu(norm(p, f"{name}.bn1", conv(p, f"{name}.conv1", a, stride, 1)))
            h = norm(p, f"{name}.bn2", conv(p, f"{name}.conv2", h, pad=1))
            shortcut = np.zeros_like(h)
            if residual:
                before = (h.shape[1] - a.shape[1]) // 2
                shortcut[:, before : before + a.shape[1]] = a[:, :, ::stride, ::stride]
            a = relu(h + shortcut)
    return dense(p, "fc", a.mean(axis=(2, 3)))


def shaken(net):
    """Random numbers everywhere, of a size that carries the picture to the output: He's weights, and no zeros and ones."""
    rng = np.random.default_rng(1)
    for name, view in {**net.parameters, **net.statistics}.items():
        word = name.rpartition("/")[2]
        if word == "W":
            view[...] = np.sqrt(2 * len(view) / view.size) * rng.standard_normal(view.shape, dtype=np.float32)
        elif word in ("gamma", "variance"):
            view[...] = rng.uniform(0.5, 1.5, view.shape)
        else:
            view[...] = 0.1 * rng.standard_normal(view.shape)
    return net
