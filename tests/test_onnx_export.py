"""Networks become models: checked in full, equal to onnxruntime where it is installed, and the same network when they are read again."""

import numpy as np
import pytest
from cases import GRAPHS, rows

import fastnn as fnn
from fastnn.errors import CapabilityError, StorageError
from fastnn.onnx.emit import EMIT
from fastnn.onnx.exporting import to_proto
from fastnn.registry import registry

onnx = pytest.importorskip("onnx")
RNG = np.random.default_rng(5)


def run(proto, X, needs_runtime=False):
    """What the model makes of X: by onnxruntime, or by the standard's evaluator where that is not installed (which is wrong for LRN)."""
    if needs_runtime:
        pytest.importorskip("onnxruntime")
    try:
        import onnxruntime
    except ModuleNotFoundError:
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(proto).run(None, {"input": X})[0]
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": X})[0]


def image_net(dtype="float32"):
    """Every layer for images."""
    net = fnn.Network((4, 13, 12), seed=3, dtype=dtype)
    a = net.apply("conv", fnn.Conv(8, 3, stride=2, padding=((1, 0), (0, 1)), activation="relu"), net.input)
    b = net.apply("norm", fnn.layers.BatchNorm(activation="swish"), a)
    c = net.apply("lrn", fnn.layers.LocalResponseNorm(size=3), b)
    p = net.apply("max", fnn.MaxPool(3, stride=2, padding=1, ceil=True), c)
    q = net.apply("mean", fnn.AveragePool(3, stride=2, padding=1, count_padding=True), c)
    r = net.apply("group", fnn.Conv(8, 1, groups=2, dilation=1, bias=False), p)
    s = net.apply("join", fnn.Concatenate(), r, net.apply("same", fnn.layers.Identity(), r))
    t = net.apply("gate", fnn.layers.Multiply(), s, net.apply("squeeze", fnn.GlobalAveragePool(), s))
    u = net.apply("moved", fnn.layers.Transpose((1, 0, 2)), t)
    v = net.apply("wider", fnn.layers.Pad(((1, 0), (0, 2)), value=0.5), u)
    w = net.apply("rows", fnn.layers.Reshape((4, -1)), v)
    x = net.apply("layer norm", fnn.layers.LayerNorm(), w)
    y = net.apply("flat", fnn.layers.Flatten(), x)
    z = net.apply("flat 2", fnn.layers.Flatten(), net.apply("largest", fnn.GlobalMaxPool(), q))
    both = net.apply("both", fnn.Concatenate(), net.apply("drop", fnn.Dropout(0.4), y), z)
    net.output = net.apply("classes", fnn.Dense(5, "softmax"), both)
    for view in (*net.parameters.values(), *net.statistics.values()):
        view[...] += 0.3 * RNG.random(view.shape)
    return net


def pieces():
    """What imported models are made of."""
    layers = fnn.layers
    net = fnn.Network((2, 3, 4), seed=2)
    a = net.apply("shift", layers.Shift((2, 1, 1), initializer="normal"), net.input)
    b = net.apply("scale", layers.Scale((3, 1)), a)
    c = net.apply("product", layers.MatrixProduct((4, 5)), b)
    d = net.apply("take", layers.Take((5, 3, 2), (5, 3, 2), (1, 5, 15)), c)
    e = net.apply("put", layers.Put((6, 3, 2), (30,), (1,), first=6), d)
    f = net.apply("mean", layers.AverageAlong(0, 2, dilation=3, stride=1), e)
    g = net.apply("rows", layers.RowsActivation("softmax"), net.apply("two", layers.Reshape((9, 2)), f))
    net.output = net.apply("linear", layers.Linear(4), net.apply("flat", layers.Flatten(), g))
    return net


NETWORKS = {**GRAPHS, "image_net": image_net, "pieces": pieces}


def assert_same(net, tolerance=2e-6, **options):
    """The model gives what the network gives."""
    X = rows(net, 3).astype(net.dtype)
    out, right = run(to_proto(net), X, **options), net(X)
    assert out.dtype == right.dtype and out.shape == right.shape
    np.testing.assert_allclose(out, right, rtol=tolerance, atol=tolerance * np.abs(right).max())


@pytest.mark.parametrize("name", [*GRAPHS, "image_net"])
def test_models_agree_with_onnxruntime(name):
    assert_same(NETWORKS[name](dtype="float32"), 5e-6, needs_runtime=name == "image_net")


@pytest.mark.parametrize("name", GRAPHS)
def test_models_of_doubles_agree_with_the_standards_evaluator(name):
    """onnxruntime has no Softplus and no Erf of doubles; the evaluator's Gelu has its root of 2 in float32."""
    from onnx.reference import ReferenceEvaluator

    net = NETWORKS[name](dtype="float64")
    X = rows(net, 3)
    (out,) = ReferenceEvaluator(to_proto(net)).run(None, {"input": X})
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, net(X), rtol=1e-7, atol=1e-9)


def test_what_imported_models_are_made_of_is_written_too():
    assert_same(pieces(), 5e-6)


@pytest.mark.parametrize("name", [*GRAPHS, "image_net"])
def test_models_are_read_back_as_the_same_network(name):
    net = NETWORKS[name](dtype="float32")
    again = fnn.from_onnx(to_proto(net))
    X = rows(net, 3).astype(net.dtype)
    np.testing.assert_allclose(again(X), net(X), rtol=1e-6, atol=1e-7)
    used = {p.name for node in net.graph.needed() for p in node.parameters}
    assert again.theta.size == sum(net.parameters[p].size for p in used)


@pytest.mark.parametrize("name", registry.names("activation"))
def test_every_activation_is_written(name):
    assert_same(fnn.Network(3, [fnn.Dense(6, name), fnn.Dense(2)], seed=4))


def test_every_registered_op_is_written():
    assert not set(registry.names("op")) - set(EMIT)


def test_scaling_is_part_of_the_model():
    net = fnn.Network(2, [fnn.Dense(1)], seed=1)
    X = np.array([[1e6, 1.0], [1e6 + 1, 2.0], [1e6 + 2, 0.0]])
    net.fit(X, [0.0, 1.0, 2.0], epochs=1, scale="standardise", verbose=False)
    out = run(to_proto(net), X.astype(np.float32))
    np.testing.assert_allclose(out, net(X), rtol=1e-5)


def test_the_batch_is_open_and_names_are_kept(tmp_path):
    net = fnn.Network(3, [fnn.Dense(4, "tanh"), fnn.Dense(2)])
    net.to_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    (given,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", 3]
    assert [i.name for i in model.graph.initializer] == ["0/W", "0/b", "1/W", "1/b"]
    assert model.producer_name == "fastnn"


def test_what_has_no_operator_is_refused_before_a_file_is_written(tmp_path):
    def value(z):
        return z * z

    def slope(z, a):
        return 2 * z

    path = tmp_path / "net.onnx"
    net = fnn.Network(3, [fnn.Dense(4, fnn.Activation("square", value, slope)), fnn.Dense(2)])
    with pytest.raises(CapabilityError, match="square"):
        net.to_onnx(path)
    assert not path.exists()
    with pytest.raises(StorageError, match="cannot write"):
        fnn.Network(3, [fnn.Dense(2)]).to_onnx(tmp_path / "absent" / "net.onnx")
