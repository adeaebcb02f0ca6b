"""Dense layer: z = W a + b, then its activation.

>>> import fastnn as fnn
>>> net = fnn.Network(3, [fnn.Dense(2, "tanh")])
>>> {name: view.shape for name, view in net.parameters.items()}
{'0/W': (2, 3), '0/b': (2,)}
"""

from fastnn import ShapeError, hookimpl


class Dense:
    """z = W a + b with W (n_out, n_in) and b (n_out,); a = f(z).

    `activation`, `initializer` (of W) and `initializer_b` are names or objects. Takes (batch, n_in), gives (batch, n_out).
    """

    name = "dense"

    def __init__(self, n_out, activation="identity", initializer="glorot_uniform", initializer_b="zeros"):
        if isinstance(n_out, bool) or not hasattr(n_out, "__index__") or int(n_out) < 1:
            raise ShapeError("Dense needs a number of outputs", got=repr(n_out), expected="1 or more")
        self.n_out = int(n_out)
        self.activation = activation
        self.initializer = initializer
        self.initializer_b = initializer_b

    def __call__(self, net, a):
        if len(a.shape) != 1:
            raise ShapeError(
                f"layer {net.name!r} (Dense): a sample has shape {a.shape}",
                expected="(n_in,)",
                hint="put Flatten() before it",
            )
        W = net.parameter("W", (self.n_out, a.shape[0]), self.initializer)
        b = net.parameter("b", (self.n_out,), self.initializer_b)
        return net.activate(self.activation, net.op("affine", a, parameters=(W, b)))


@hookimpl
def fastnn_layers():
    return [Dense]
