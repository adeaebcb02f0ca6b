"""Models become networks: old operator sets, constants, shapes that are computed, several inputs; what cannot be read is named."""

import numpy as np
import pytest

import fastnn as fnn
from fastnn.errors import CapabilityError, DataError, MissingExtraError, StorageError

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT

RNG = np.random.default_rng(11)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def model(nodes, inputs, outputs, constants=None, opset=13, ir=8, listed=False, kinds=None):
    """A ModelProto; inputs and outputs {name: shape}; `listed`: initialisers are inputs too, as up to IR 3."""
    constants, kinds = constants or {}, kinds or {}
    info = helper.make_tensor_value_info
    given = [info(name, kinds.get(name, FLOAT), shape) for name, shape in inputs.items()]
    if listed:
        given += [
            info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for name, a in constants.items()
        ]
    graph = helper.make_graph(
        nodes, "graph", given,
        [info(name, kinds.get(name, FLOAT), shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def mlp(opset=13, **options):
    """x (batch, 4) -> 5 with tanh -> 3."""
    weights = {"W": numbers(4, 5), "b": numbers(5), "V": numbers(3, 5), "c": numbers(3)}
    extra = {"broadcast": 1} if opset < 7 else {}
    nodes = [
        helper.make_node("Gemm", ["x", "W", "b"], ["h"], name="hidden", **extra),
        helper.make_node("Tanh", ["h"], ["t"], name="tanh"),
        helper.make_node("Gemm", ["t", "V", "c"], ["y"], name="out", transB=1, alpha=0.5, beta=2.0, **extra),
    ]
    made = model(nodes, {"x": ["batch", 4]}, {"y": ["batch", 3]}, weights, opset, **options)
    return made, weights


def expected(weights, x):
    return 0.5 * np.tanh(x @ weights["W"] + weights["b"]) @ weights["V"].T + 2 * weights["c"]


@pytest.mark.parametrize(("opset", "ir"), [(1, 3), (6, 3), (7, 4), (9, 4), (13, 8), (20, 9)])
def test_a_network_of_any_operator_set_is_read(opset, ir):
    made, weights = mlp(opset, ir=ir, listed=ir <= 3)
    net, x = fnn.from_onnx(made), numbers(6, 4)
    np.testing.assert_allclose(net(x), expected(weights, x), rtol=2e-6, atol=1e-6)
    assert list(net.parameters) == ["hidden/W", "hidden/b", "out/W", "out/b"]
    assert net.theta.size == 4 * 5 + 5 + 5 * 3 + 3


def test_initialisers_become_parameters_that_fit_trains():
    net = fnn.from_onnx(mlp()[0])
    X, y = numbers(60, 4), RNG.integers(0, 3, 60)
    before = net.evaluate(X, y)["loss"]
    net.fit(X, y, epochs=20, optimizer="adam", eta=0.02, verbose=False)
    assert net.evaluate(X, y)["loss"] < 0.8 * before


def test_an_imported_network_is_saved_and_loaded(tmp_path):
    nodes = [
        helper.make_node("Add", ["x", "shift"], ["a"]),
        helper.make_node("Mul", ["a", "scale"], ["b"]),
        helper.make_node("Transpose", ["b"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Softmax", ["t"], ["s"], axis=1),
        helper.make_node("MatMul", ["s", "W"], ["y"]),
    ]
    constants = {"shift": numbers(3, 1), "scale": numbers(4), "W": numbers(3, 2)}
    net = fnn.from_onnx(model(nodes, {"x": ["n", 3, 4]}, {"y": ["n", 4, 2]}, constants))
    x = numbers(5, 3, 4)
    t = np.swapaxes((x + constants["shift"]) * constants["scale"], 1, 2)
    e = np.exp(t)
    np.testing.assert_allclose(net(x), e / e.sum(1, keepdims=True) @ constants["W"], rtol=1e-5, atol=1e-6)
    net.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(fnn.load(tmp_path / "net.safetensors")(x), net(x))


def test_weights_that_nodes_make_are_constants():
    nodes = [
        helper.make_node("Constant", [], ["raw"], value=onnx.numpy_helper.from_array(numbers(3, 4))),
        helper.make_node("Transpose", ["raw"], ["W"], perm=[1, 0]),
        helper.make_node(
            "ConstantOfShape", ["size"], ["b"], value=helper.make_tensor("v", FLOAT, [1], [0.5])
        ),
        helper.make_node("MatMul", ["x", "W"], ["z"]),
        helper.make_node("Add", ["z", "b"], ["y"]),
    ]
    made = model(nodes, {"x": ["n", 4]}, {"y": ["n", 3]}, {"size": np.array([3])})
    W = onnx.numpy_helper.to_array(made.graph.node[0].attribute[0].t)
    x = numbers(2, 4)
    np.testing.assert_allclose(fnn.from_onnx(made)(x), x @ W.T + 0.5, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", ["batch", 1, 5])
def test_a_shape_that_is_computed_from_the_batch_stays_one_of_any_batch(batch):
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n"], ["row"], axes=[0]),
        helper.make_node("Concat", ["row", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["y"]),
    ]
    constants = {"zero": np.array(0), "rest": np.array([-1])}
    net = fnn.from_onnx(model(nodes, {"x": [batch, 2, 3]}, {"y": [batch, 6]}, constants, opset=11))
    x = numbers(7, 2, 3)
    np.testing.assert_array_equal(net(x), x.reshape(7, 6))


def test_softmax_below_opset_13_is_over_all_axes_from_one_on():
    x = numbers(2, 3, 4)
    made = {}
    for opset in (11, 13):
        node = helper.make_node("Softmax", ["x"], ["y"], axis=1)
        made[opset] = fnn.from_onnx(model([node], {"x": [2, 3, 4]}, {"y": [2, 3, 4]}, opset=opset))(x)
    e = np.exp(x)
    np.testing.assert_allclose(made[11], e / e.sum((1, 2), keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(made[13], e / e.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(1, (3,)), (1, (3, 4)), (None, (5,)), (2, (4, 5))])
def test_add_of_opset_6_lays_the_second_at_an_axis(axis, shape):
    c = numbers(*shape)
    attributes = {"broadcast": 1} | ({} if axis is None else {"axis": axis})
    net = fnn.from_onnx(
        model(
            [helper.make_node("Add", ["x", "c"], ["y"], **attributes)],
            {"x": [2, 3, 4, 5]},
            {"y": [2, 3, 4, 5]},
            {"c": c},
            opset=6,
            ir=3,
            listed=True,
        )
    )
    x = numbers(2, 3, 4, 5)
    at = 4 - c.ndim if axis is None else axis
    np.testing.assert_allclose(net(x), x + c.reshape((*shape, *(1,) * (4 - at - c.ndim))), rtol=1e-6)


def test_add_of_opset_6_without_broadcast_keeps_to_equal_shapes():
    node = helper.make_node("Add", ["x", "c"], ["y"])
    with pytest.raises(CapabilityError, match="no attribute broadcast"):
        fnn.from_onnx(model([node], {"x": [2, 3]}, {"y": [2, 3]}, {"c": numbers(3)}, 6, 3, listed=True))


def test_old_attributes_that_change_nothing_are_read():
    constants = {name: np.abs(numbers(3)) for name in ("scale", "B", "mean", "var")}
    nodes = [
        helper.make_node(
            "BatchNormalization", ["x", "scale", "B", "mean", "var"], ["n"], is_test=1, spatial=1, epsilon=0.1
        ),
        helper.make_node("Dropout", ["n"], ["d", "mask"], is_test=1, ratio=0.3),
        helper.make_node("Clip", ["d"], ["c"], min=-1.0, max=0.5),
        helper.make_node("Reshape", ["c", "shape"], ["y"]),
    ]
    constants["shape"] = np.array([0, -1])
    net = fnn.from_onnx(
        model(nodes, {"x": [2, 3, 4, 5]}, {"y": [2, 60]}, constants, opset=6, ir=3, listed=True)
    )
    x = numbers(2, 3, 4, 5)
    mean, var, scale, B = (constants[name][:, None, None] for name in ("mean", "var", "scale", "B"))
    right = np.clip((x - mean) / np.sqrt(var + 0.1) * scale + B, -1, 0.5)
    np.testing.assert_allclose(net(x), right.reshape(2, 60), rtol=1e-5, atol=1e-6)
    assert list(net.statistics) == ["n/mean", "n/variance"]


def test_several_inputs_are_one_row_and_several_outputs_too():
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
        helper.make_node("Add", ["a", "a"], ["d"]),
    ]
    net = fnn.from_onnx(model(nodes, {"a": ["n", 2], "b": ["n", 3]}, {"c": ["n", 5], "d": ["n", 2]}))
    x = numbers(4, 5)
    np.testing.assert_array_equal(net(x), np.concatenate([x, 2 * x[:, :2]], axis=1))


@pytest.mark.parametrize("shape", [(2, 3, 10), (1, 4, 9, 8), (2, 2, 6, 5, 7)])
def test_images_of_one_two_and_three_axes_are_convolved_and_pooled(shape):
    """Against sums over windows, written out."""
    axes = len(shape) - 2
    W, b = numbers(4, shape[1], *(3,) * axes), numbers(4)
    nodes = [
        helper.make_node(
            "Conv", ["x", "W", "b"], ["z"], strides=[2] * axes, pads=[1] * (2 * axes), name="conv"
        ),
        helper.make_node("MaxPool", ["z"], ["m"], kernel_shape=[2] * axes),
        helper.make_node("AveragePool", ["z"], ["a"], kernel_shape=[2] * axes, pads=[1] * (2 * axes)),
    ]
    x = numbers(*shape)
    padded = np.pad(x, [(0, 0), (0, 0), *[(1, 1)] * axes])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3,) * axes, tuple(range(2, 2 + axes)))
    windows = windows[(slice(None), slice(None), *[slice(None, None, 2)] * axes)]
    places = "uvw"[:axes]
    inner = "pqr"[:axes]
    z = np.einsum(f"nk{places}{inner},jk{inner}->nj{places}", windows, W) + b[(slice(None), *(None,) * axes)]
    views = np.lib.stride_tricks.sliding_window_view(z, (2,) * axes, tuple(range(2, 2 + axes)))
    ones = np.pad(z, [(0, 0), (0, 0), *[(1, 1)] * axes])
    count = np.pad(np.ones(z.shape), [(0, 0), (0, 0), *[(1, 1)] * axes])
    last = tuple(range(-axes, 0))
    sums, counts = (
        np.lib.stride_tricks.sliding_window_view(a, (2,) * axes, tuple(range(2, 2 + axes))).sum(last)
        for a in (ones, count)
    )
    m, a = views.max(last), sums / counts
    made = model(nodes, {"x": list(shape)}, {"m": list(m.shape), "a": list(a.shape)}, {"W": W, "b": b})
    got = fnn.onnx.prepare(made).run([x])
    np.testing.assert_allclose(got[0], m, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got[1], a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad_is_worked_out(auto_pad):
    W = numbers(2, 1, 3, 4)
    node = helper.make_node("Conv", ["x", "W"], ["y"], auto_pad=auto_pad, strides=[2, 1])
    x = numbers(1, 1, 6, 7)
    net = fnn.from_onnx(model([node], {"x": [1, 1, 6, 7]}, {"y": ["n", "c", "h", "w"]}, {"W": W}))
    if auto_pad == "VALID":
        pads = [0, 0, 0, 0]
    else:  # one row and three columns too few; the odd one goes behind, or before
        pads = [0, 1, 1, 2] if auto_pad == "SAME_UPPER" else [1, 2, 0, 1]
    explicit = helper.make_node("Conv", ["x", "W"], ["y"], pads=pads, strides=[2, 1])
    other = fnn.from_onnx(model([explicit], {"x": [1, 1, 6, 7]}, {"y": ["n", "c", "h", "w"]}, {"W": W}))
    np.testing.assert_array_equal(net(x), other(x))


def test_whole_numbers_are_exact_and_wrap():
    kinds = dict.fromkeys("xyz", onnx.TensorProto.UINT8)
    made = model([helper.make_node("Add", ["x", "y"], ["z"])], {"x": [3], "y": [3]}, {"z": [3]}, kinds=kinds)
    x, y = np.array([250, 1, 7], np.uint8), np.array([10, 2, 250], np.uint8)
    (z,) = fnn.onnx.prepare(made).run([x, y])
    np.testing.assert_array_equal(z, x + y)
    assert z.dtype == np.uint8


def test_whole_numbers_beyond_float64_are_refused():
    kinds = dict.fromkeys("xyz", onnx.TensorProto.INT64)
    made = model([helper.make_node("Add", ["x", "y"], ["z"])], {"x": [1], "y": [1]}, {"z": [1]}, kinds=kinds)
    with pytest.raises(DataError, match="2\\^53"):
        fnn.onnx.prepare(made).run([np.array([2**53]), np.array([1])])


# ---- what is not read
def refused(nodes, match, inputs=None, outputs=None, constants=None, opset=13, read=fnn.from_onnx, **options):
    with pytest.raises(CapabilityError, match=match):
        read(model(nodes, inputs or {"x": ["n", 3]}, outputs or {"y": ["n", 3]}, constants, opset, **options))


def test_operators_that_are_not_read_are_all_named():
    nodes = [
        helper.make_node("Sin", ["x"], ["a"], name="wave"),
        helper.make_node("Erf", ["a"], ["b"], name="bell"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    refused(nodes, "Erf, Sin")


def test_other_domains_are_named():
    node = helper.make_node("Fused", ["x"], ["y"], domain="com.somebody")
    made = model([node], {"x": ["n", 3]}, {"y": ["n", 3]})
    made.opset_import.append(helper.make_opsetid("com.somebody", 1))
    with pytest.raises(CapabilityError, match=r"com\.somebody\.Fused"):
        fnn.from_onnx(made)


def test_types_attributes_and_modes_that_are_not_read_are_named():
    half = dict.fromkeys("xy", onnx.TensorProto.FLOAT16)
    refused([helper.make_node("Relu", ["x"], ["y"])], "FLOAT16", kinds=half)
    train = helper.make_node("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"], training_mode=1)
    constants = {"s": np.abs(numbers(3))}
    refused([train], "training mode", constants=constants, opset=15)
    pooled = helper.make_node("Conv", ["x", "x"], ["y"])
    refused([pooled], "computed by the model", {"x": [1, 1, 3, 3]}, {"y": ["n", "c", "h", "w"]})
    random = helper.make_node("Dropout", ["x", "r", "t"], ["y"])
    refused([random], "random", constants={"r": np.array(0.5, np.float32), "t": np.array(True)})


def test_a_model_across_the_batch_is_told_where_it_runs():
    node = helper.make_node("Concat", ["x", "x"], ["y"], axis=0)
    refused([node], "one sample at a time", {"x": [2, 3]}, {"y": [4, 3]})
    x = numbers(2, 3)
    (y,) = fnn.onnx.prepare(model([node], {"x": [2, 3]}, {"y": [4, 3]})).run([x])
    np.testing.assert_array_equal(y, np.concatenate([x, x]))


def test_shapes_that_do_not_broadcast_are_named():
    node = helper.make_node("Add", ["x", "c"], ["y"])
    refused([node], "do not broadcast", constants={"c": numbers(4, 3)})


def test_an_open_shape_is_named():
    node = helper.make_node("Relu", ["x"], ["y"])
    refused([node], "leaves the shape of its input 'x' open", {"x": ["n", "c"]}, {"y": ["n", "c"]})


def test_files_that_are_no_models_are_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        fnn.from_onnx(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(StorageError, match="no valid ONNX model"):
        fnn.from_onnx(tmp_path / "text.onnx")
    with pytest.raises(StorageError, match="no valid ONNX model"):
        fnn.from_onnx(b"")


def test_inputs_of_another_number_or_type_are_named():
    prepared = fnn.onnx.prepare(mlp()[0])
    with pytest.raises(DataError, match="other inputs"):
        prepared.run([numbers(2, 4), numbers(2, 4)])
    with pytest.raises(DataError, match="'x' is not given"):
        prepared.run({"z": numbers(2, 4)})
    with pytest.raises(DataError, match="another type"):
        prepared.run([numbers(2, 4).astype(np.float64)])
    with pytest.raises(CapabilityError, match="on the CPU"):
        fnn.onnx.prepare(mlp()[0], "CUDA")


def test_without_the_package_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    for attempt in (lambda: fnn.from_onnx(b"x"), lambda: fnn.Network(2, [fnn.Dense(1)]).to_onnx("x.onnx")):
        with pytest.raises(MissingExtraError, match=r"'onnx'"):
            attempt()
