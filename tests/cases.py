"""The tables that several test files share: what built-in plugins need to be looked at, and small networks of every kind."""

import numpy as np

import fastnn as fnn

LAYERS = {
    "dense": [{"n_out": 3}, {"n_out": 1, "activation": "tanh"}, {"n_out": 5, "activation": "softmax"}],
    "activation": [
        {"activation": "softplus"},
        {"activation": "softmax"},
        {"activation": "step", "smooth": False},
    ],
    "add": [{"input_shapes": ((4,), (4,))}, {"input_shapes": ((2, 3), (2, 3), (2, 3))}],
    "concatenate": [{"input_shapes": ((4,), (3,))}, {"input_shapes": ((1, 3), (2, 3), (3, 3))}],
    "flatten": [{"input_shapes": ((2, 3),)}, {}],
    "dropout": [{"rate": 0.3}, {"rate": 0.0}],
    "conv": [
        {"n_out": 4, "input_shapes": ((2, 6, 5),)},
        {"n_out": 3, "stride": 2, "padding": 1, "activation": "tanh", "input_shapes": ((3, 7, 7),)},
        {
            "n_out": 4,
            "kernel": (2, 3),
            "groups": 2,
            "padding": "same",
            "bias": False,
            "input_shapes": ((2, 4, 5),),
        },
        {
            "n_out": 2,
            "stride": (2, 1),
            "dilation": (1, 2),
            "padding": ((1, 2), (0, 3)),
            "input_shapes": ((2, 5, 6),),
        },
    ],
    "max_pool": [
        {"kernel": 2, "input_shapes": ((2, 5, 6),)},
        {"kernel": 2, "ceil": True, "input_shapes": ((2, 5, 3),)},
        {"kernel": 3, "stride": 2, "padding": 1, "ceil": True, "input_shapes": ((1, 7, 7),)},
    ],
    "average_pool": [
        {"kernel": (2, 3), "input_shapes": ((2, 5, 6),)},
        {"kernel": 3, "stride": 2, "padding": ((1, 0), (1, 1)), "ceil": True, "input_shapes": ((2, 6, 7),)},
    ],
    "batch_norm": [
        {"input_shapes": ((3, 4, 5),), "activation": "tanh"},
        {"input_shapes": ((4,),), "epsilon": 0.1},
    ],
    "local_response_norm": [
        {"input_shapes": ((5, 3, 2),), "size": 3, "alpha": 0.5},
        {"input_shapes": ((4,),), "size": 2, "k": 2.0},
    ],
    "layer_norm": [{"input_shapes": ((4,),)}, {"input_shapes": ((2, 3, 4),), "epsilon": 0.1}],
    "multiply": [{"input_shapes": ((4,), (4,), (4,))}],
    "reshape": [{"shape": (3, -1), "input_shapes": ((6, 2),)}],
    "transpose": [{"axes": (1, 0), "input_shapes": ((2, 3),)}],
    "pad": [{"padding": 1, "value": 0.5, "input_shapes": ((2, 2, 3),)}, {"padding": ((1, 2),)}],
    "identity": [{"input_shapes": ((2, 3),)}],
    "global_average_pool": [{"input_shapes": ((3, 4, 5),)}],
    "global_max_pool": [{"input_shapes": ((3, 4, 5),)}],
    "take": [
        {"shape": (4, 3), "lengths": (4, 3), "strides": (1, 4), "first": 12, "input_shapes": ((2, 3, 4),)},
        {"shape": (2, 6), "lengths": (2, 6), "strides": (0, -1), "first": 5, "input_shapes": ((6,),)},
    ],
    "put": [{"shape": (4, 5), "lengths": (2, 3), "strides": (5, 1), "first": 6, "input_shapes": ((2, 3),)}],
    "shift": [{"shape": (2, 1), "input_shapes": ((2, 3),)}],
    "scale": [{"shape": (3,), "input_shapes": ((2, 3),)}, {"shape": (2, 1, 1), "input_shapes": ((2, 3, 2),)}],
    "linear": [{"n_out": 3}],
    "matrix_product": [
        {"shape": (4, 2), "input_shapes": ((2, 3, 4),)},
        {"shape": (2, 5, 3), "side": "left", "input_shapes": ((2, 3, 4),)},
    ],
    "rows_activation": [
        {"activation": name, "input_shapes": ((3, 4),)} for name in ("softmax", "log_softmax")
    ],
    "average_along": [
        {"axis": 1, "kernel": 2, "dilation": 2, "stride": 2, "ceil": True, "input_shapes": ((2, 6, 3),)},
        {"axis": 0, "kernel": 3, "padding": (1, 2), "count_padding": True, "input_shapes": ((5, 2),)},
    ],
}
"""What a layer is checked with; a layer that is not named here is checked with its defaults on one row."""


def convolution(stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def pooling(kernel, stride, padding=((0, 0), (0, 0)), ceil=False, **others):
    return {"kernel": kernel, "stride": stride, "padding": padding, "ceil": ceil, **others}


OPS = {
    "affine": [
        {"parameter_shapes": ((3, 4), (3,))},
        {"input_shapes": ((1,),), "parameter_shapes": ((17, 1), (17,))},
        {"input_shapes": ((19,),), "parameter_shapes": ((1, 19), (1,))},
    ],
    "add": [{"input_shapes": ((4,), (4,), (4,))}, {"input_shapes": ((2, 3), (2, 3))}],
    "concatenate": [{"input_shapes": ((4,), (3,))}, {"input_shapes": ((4, 2), (3, 2), (1, 2))}],
    "flatten": [{"input_shapes": ((2, 3),)}],
    "dropout": [{"rate": 0.3, "layer": 1}],
    "convolve": [
        {
            "input_shapes": ((2, 5, 6),),
            "parameter_shapes": ((3, 2, 3, 3), (3,)),
            **convolution(padding=((1, 1), (1, 1))),
        },
        {"input_shapes": ((4, 5, 4),), "parameter_shapes": ((6, 2, 2, 3),), **convolution((2, 1), groups=2)},
        {
            "input_shapes": ((1, 7, 9),),
            "parameter_shapes": ((2, 1, 3, 2), (2,)),
            **convolution((3, 2), ((2, 0), (1, 2)), (2, 3)),
        },
    ],
    "max_pool": [
        {"input_shapes": ((2, 5, 6),), **pooling((2, 2), (2, 2), dilation=(1, 1))},
        {
            "input_shapes": ((1, 6, 7),),
            **pooling((3, 2), (1, 3), ((1, 0), (0, 1)), True, dilation=(2, 3)),
        },
        {"input_shapes": ((2, 5, 13),), **pooling((5, 13), (1, 1), dilation=(1, 1))},
    ],
    "batch_norm": [
        {
            "input_shapes": (shape,),
            "parameter_shapes": (shape[:1], shape[:1]),
            "statistic_shapes": (shape[:1], shape[:1]),
            "epsilon": 1e-5,
            "momentum": 0.1,
        }
        for shape in ((3, 2, 4), (5,), (2, 9, 15))
    ],
    "local_response_norm": [
        {"input_shapes": (shape,), "size": size, "alpha": 0.7, "beta": 0.75, "k": 1.5}
        for shape, size in (((7, 2, 3), 4), ((3,), 5))
    ],
    "layer_norm": [
        {"input_shapes": (shape,), "parameter_shapes": (shape, shape), "epsilon": 1e-3}
        for shape in ((5,), (2, 3, 12))
    ],
    "multiply": [{"input_shapes": ((5,), (5,))}, {"input_shapes": ((2, 2, 3), (2, 1, 1))}],
    "reshape": [{"input_shapes": ((2, 6),), "shape": (3, -1, 2)}],
    "transpose": [
        {"input_shapes": ((2, 3, 4),), "axes": (2, 0, 1)},
        {"input_shapes": ((2, 1, 2, 3),), "axes": (3, 2, 1, 0)},
    ],
    "pad": [{"input_shapes": ((2, 2, 3),), "padding": ((1, 0), (0, 2), (1, 1)), "value": -1.5}],
    "average_pool": [
        {"input_shapes": ((2, 7, 7),), **pooling((3, 3), (2, 2), ((1, 1), (1, 1)), True, counted=True)},
        {"input_shapes": ((1, 6, 7),), **pooling((3, 2), (1, 3), ((1, 0), (0, 1)), True, counted=False)},
        {"input_shapes": ((2, 5, 13),), **pooling((5, 13), (1, 1), counted=False)},
    ],
}

SMOOTH = ("identity", "logistic", "tanh", "softplus", "gelu", "swish", "softmax")
"""Activations with two derivatives everywhere."""


def chain(activation="tanh", n_in=3, n_out=3, dtype="float64", seed=1, width=5):
    return fnn.Network(
        n_in, [fnn.Dense(width, activation), fnn.Dense(4, "tanh"), fnn.Dense(n_out)], seed=seed, dtype=dtype
    )


def residual(dtype="float64", n_out=3):
    net = fnn.Network(4, seed=2, dtype=dtype)
    h = net.apply("a", fnn.Dense(4, "tanh"), net.input)
    s = net.apply("sum", fnn.Add(), h, net.input)
    t = net.apply("b", fnn.Dense(4, "softplus"), s)
    net.output = net.apply("c", fnn.Dense(n_out), net.apply("sum2", fnn.Add(), t, s, h))
    return net


def inception(dtype="float64", n_out=3):
    net = fnn.Network(4, seed=3, dtype=dtype)
    branches = [net.apply(f"branch{k}", fnn.Dense(k + 2, "logistic"), net.input) for k in range(3)]
    joined = net.apply("join", fnn.Concatenate(), *branches, net.input)
    again = net.apply("again", fnn.Concatenate(), joined, branches[1])
    net.output = net.apply("c", fnn.Dense(n_out), net.apply("drop", fnn.Dropout(0.25), again))
    return net


def used_twice(dtype="float64", n_out=3):
    """A node that one op reads twice, and several ops once."""
    net = fnn.Network(3, seed=4, dtype=dtype)
    h = net.apply("h", fnn.Dense(3, "swish"), net.input)
    double = net.apply("double", fnn.Add(), h, h)
    pair = net.apply("pair", fnn.Concatenate(), h, double, h)
    same = net.apply("same", fnn.layers.Activation("tanh"), h)
    net.output = net.apply("c", fnn.Dense(n_out), net.apply("all", fnn.Concatenate(), pair, same))
    return net


def flattened(dtype="float64", n_out=3):
    """Samples with two axes, read flat and joined by another reader."""
    net = fnn.Network((2, 3), seed=5, dtype=dtype)
    curved = net.apply("curved", fnn.layers.Activation("softplus"), net.input)
    row = net.apply("row", fnn.layers.Flatten(), curved)
    h = net.apply("h", fnn.Dense(6, "gelu"), row)
    net.output = net.apply("c", fnn.Dense(n_out), net.apply("sum", fnn.Add(), h, row))
    return net


def loose_ends(dtype="float64", n_out=3):
    """Layers whose parameters the output does not depend on, before and after those it does."""
    net = fnn.Network(3, seed=6, dtype=dtype)
    net.apply("unused", fnn.Dense(2, "tanh"), net.input)
    h = net.apply("h", fnn.Dense(4, "tanh"), net.input)
    output = net.apply("c", fnn.Dense(n_out), h)
    net.apply("after", fnn.Dense(2), output)
    net.output = output
    return net


def in_place(dtype="float64", n_out=3):
    """Slopes that need z, slopes that don't, dropout and views one behind the other."""
    layers = [
        fnn.Dense(4),
        fnn.layers.Activation("relu"),
        fnn.Dropout(0.3),
        fnn.layers.Flatten(),
        fnn.layers.Activation("gelu"),
    ]
    layers += [fnn.Dense(5, "logistic"), fnn.layers.Activation("softmax"), fnn.Dropout(0.1), fnn.Dense(n_out)]
    return fnn.Network(4, layers, seed=7, dtype=dtype)


GRAPHS = {f.__name__: f for f in (chain, residual, inception, used_twice, flattened, loose_ends, in_place)}


def rows(net, n, seed=0):
    """n samples for this network."""
    return np.random.default_rng(seed).normal(size=(n, *net.input_shape))


def labels(n, classes=3, seed=1):
    return np.random.default_rng(seed).integers(0, classes, n)
