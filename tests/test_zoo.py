"""The networks of the zoo as the papers and PyTorch's files have them: how many parameters, which shapes, which names."""

import functools
import hashlib

import pytest

import fastnn as fnn
from fastnn import zoo

NETWORKS = {  # parameters as published, or counted from the paper's table
    "lenet": (zoo.lenet, {}, 44_426),
    "alexnet": (zoo.alexnet, {}, 61_100_840),
    "alexnet, grouped": (zoo.alexnet, {"grouped": True}, 60_965_224),
    "vgg 11": (zoo.vgg, {"depth": 11}, 132_863_336),
    "vgg 13": (zoo.vgg, {"depth": 13}, 133_047_848),
    "vgg 16": (zoo.vgg, {"depth": 16}, 138_357_544),
    "vgg 19": (zoo.vgg, {"depth": 19}, 143_667_240),
    "googlenet": (zoo.googlenet, {}, 6_998_552),
    "googlenet, heads": (zoo.googlenet, {"auxiliary": True}, 13_378_280),
    "googlenet, norm": (zoo.googlenet, {"batch_norm": True}, 6_624_904),
    "googlenet, norm, heads": (zoo.googlenet, {"auxiliary": True, "batch_norm": True}, 13_004_888),
    "resnet 18": (zoo.resnet, {"depth": 18}, 11_689_512),
    "resnet 34": (zoo.resnet, {"depth": 34}, 21_797_672),
    "resnet 50": (zoo.resnet, {"depth": 50}, 25_557_032),
    "resnet 101": (zoo.resnet, {"depth": 101}, 44_549_160),
    "resnet 152": (zoo.resnet, {"depth": 152}, 60_192_808),
    "cifar 20": (zoo.cifar_resnet, {"depth": 20}, 269_722),
    "cifar 32": (zoo.cifar_resnet, {"depth": 32}, 464_154),
    "cifar 44": (zoo.cifar_resnet, {"depth": 44}, 658_586),
    "cifar 56": (zoo.cifar_resnet, {"depth": 56}, 853_018),
    "cifar 110": (zoo.cifar_resnet, {"depth": 110}, 1_727_962),
    "plain 56": (zoo.cifar_resnet, {"depth": 56, "shortcut": None}, 853_018),
}

STATE_DICTS = {  # tensors but num_batches_tracked, and sha256 of sorted "name shape" lines: torchvision 0.29, its state_dict()
    "alexnet": (16, "935c1ea73a7869ee"),
    "vgg 11": (22, "b11acd4f90d9643f"),
    "vgg 13": (26, "79ca8fd7a1480aa7"),
    "vgg 16": (32, "ba63c2556d912509"),
    "vgg 19": (38, "393fac8b08b63fbe"),
    "googlenet, norm": (287, "b2fadd85b321b7a9"),
    "googlenet, norm, heads": (305, "732f27ed6f1a18ed"),
    "resnet 18": (102, "2bb53b15765c4651"),
    "resnet 34": (182, "b945021fb00b779b"),
    "resnet 50": (267, "cf11dad974eadeaa"),
    "resnet 101": (522, "d916ed2068e1af5d"),
    "resnet 152": (777, "2fe195791c8ffb5f"),
}


@functools.cache
def build(name):
    """A network of the table without numbers: a hundred million take seconds to draw."""
    make, options, _ = NETWORKS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastnn.structure.Structure._draw_new_parameters", lambda self: None)
        return make(**options)


def shapes(net):
    return {name: node.shape for name, node in net.nodes.items() if name != "input"}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_as_many_as_published(name):
    assert build(name).graph.n_parameters == NETWORKS[name][2]


@pytest.mark.parametrize("name", STATE_DICTS)
def test_tensors_have_the_names_and_shapes_of_pytorchs_files(name):
    net = build(name)
    own = {**net.graph.parameters, **net.graph.statistics}
    lines = sorted(f"{theirs} {own[name].shape}" for theirs, name in zoo.torch_names(net).items())
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]) == STATE_DICTS[name]


def test_shapes_of_lenet():
    assert shapes(build("lenet")) == {
        "conv1": (6, 24, 24), "pool1": (6, 12, 12), "conv2": (16, 8, 8), "pool2": (16, 4, 4), "flatten": (256,),
        "fc1": (120,), "fc2": (84,), "fc3": (10,),
    }  # fmt: skip


def test_shapes_of_the_grouped_alexnet():
    assert shapes(build("alexnet, grouped")) == {
        "conv1": (96, 55, 55), "norm1": (96, 55, 55), "pool1": (96, 27, 27),
        "conv2": (256, 27, 27), "norm2": (256, 27, 27), "pool2": (256, 13, 13),
        "conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6),
        "flatten": (9216,), "drop6": (9216,), "fc6": (4096,), "drop7": (4096,), "fc7": (4096,), "fc8": (1000,),
    }  # fmt: skip


def test_shapes_of_alexnet_in_one_tower():
    assert shapes(build("alexnet")) == {
        "features.0": (64, 55, 55), "features.2": (64, 27, 27), "features.3": (192, 27, 27), "features.5": (192, 13, 13),
        "features.6": (384, 13, 13), "features.8": (256, 13, 13), "features.10": (256, 13, 13), "features.12": (256, 6, 6),
        "flatten": (9216,), "drop6": (9216,), "classifier.1": (4096,), "drop7": (4096,), "classifier.4": (4096,),
        "classifier.6": (1000,),
    }  # fmt: skip


VGG = {  # channels@size of every convolution and pool; table 1 of the paper
    11: """64@224 64@112  128@112 128@56  256@56 256@56 256@28  512@28 512@28 512@14  512@14 512@14 512@7""",
    13: """64@224 64@224 64@112  128@112 128@112 128@56  256@56 256@56 256@28  512@28 512@28 512@14
           512@14 512@14 512@7""",
    16: """64@224 64@224 64@112  128@112 128@112 128@56  256@56 256@56 256@56 256@28  512@28 512@28 512@28 512@14
           512@14 512@14 512@14 512@7""",
    19: """64@224 64@224 64@112  128@112 128@112 128@56  256@56 256@56 256@56 256@56 256@28
           512@28 512@28 512@28 512@28 512@14  512@14 512@14 512@14 512@14 512@7""",
}


@pytest.mark.parametrize("depth", VGG)
def test_shapes_of_vgg(depth):
    found = shapes(build(f"vgg {depth}"))
    images = [f"{shape[0]}@{shape[1]}" for shape in found.values() if len(shape) == 3]
    assert images == VGG[depth].split()
    assert {name: shape for name, shape in found.items() if len(shape) == 1} == {
        "flatten": (25088,), "classifier.0": (4096,), "classifier.2": (4096,), "classifier.3": (4096,),
        "classifier.5": (4096,), "classifier.6": (1000,),
    }  # fmt: skip


GOOGLENET = {  # block: size, output; 1x1, 1x1 before 3x3, 3x3, 1x1 before 5x5, 5x5, behind the pool; table 1 of the paper
    "3a": (28, 256, (64, 96, 128, 16, 32, 32)),
    "3b": (28, 480, (128, 128, 192, 32, 96, 64)),
    "4a": (14, 512, (192, 96, 208, 16, 48, 64)),
    "4b": (14, 512, (160, 112, 224, 24, 64, 64)),
    "4c": (14, 512, (128, 128, 256, 24, 64, 64)),
    "4d": (14, 528, (112, 144, 288, 32, 64, 64)),
    "4e": (14, 832, (256, 160, 320, 32, 128, 128)),
    "5a": (7, 832, (256, 160, 320, 32, 128, 128)),
    "5b": (7, 1024, (384, 192, 384, 48, 128, 128)),
}
BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")


def image(n, size):
    return (n, size, size)


def googlenet_shapes(heads, parts):
    """Of every node; `parts` are the nodes that a convolution leaves."""
    table = {}

    def unit(name, n, size):
        table.update({f"{name}.{part}": image(n, size) for part in parts})

    unit("conv1", 64, 112)
    unit("conv2", 64, 56)
    unit("conv3", 192, 56)
    table |= {"maxpool1": image(64, 56), "maxpool2": image(192, 28)}
    table |= {"maxpool3": image(480, 14), "maxpool4": image(832, 7)}
    before = 192
    for block, (size, out, sizes) in GOOGLENET.items():
        for branch, n in zip(BRANCHES, sizes, strict=True):
            unit(f"inception{block}.{branch}", n, size)
        table |= {f"inception{block}.branch4.0": image(before, size), f"inception{block}": image(out, size)}
        before = out
    for head, n in (("aux1", 512), ("aux2", 528)) if heads else ():
        unit(f"{head}.conv", 128, 4)
        table |= {f"{head}.avgpool": image(n, 4), f"{head}.flatten": (2048,), f"{head}.fc1": (1024,)}
        table |= {f"{head}.dropout": (1024,), f"{head}.fc2": (1000,)}
    return table | {"avgpool": image(1024, 1), "flatten": (1024,), "dropout": (1024,), "fc": (1000,)}


def test_shapes_of_googlenet():
    responses = {"norm1": image(64, 56), "norm2": image(192, 56)}
    assert shapes(build("googlenet")) == googlenet_shapes(False, ("conv",)) | responses
    assert shapes(build("googlenet, heads")) == googlenet_shapes(True, ("conv",)) | responses


def test_shapes_of_googlenet_with_batch_normalisation():
    assert shapes(build("googlenet, norm, heads")) == googlenet_shapes(True, ("conv", "bn"))


RESNET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
STAGES = {1: (64, 56), 2: (128, 28), 3: (256, 14), 4: (512, 7)}  # channels, size; table 1 of the paper


def resnet_shapes(depth):
    """Of every node."""
    table = {"conv1": image(64, 112), "bn1": image(64, 112), "maxpool": image(64, 56)}
    deep = depth >= 50
    for stage, repeats in enumerate(RESNET[depth], 1):
        n, size = STAGES[stage]
        out = 4 * n if deep else n
        for k in range(repeats):
            first = size * 2 if deep and k == 0 and stage > 1 else size  # before the stride
            convolutions = [(n, first), (n, size), (out, size)] if deep else [(n, size), (n, size)]
            name = f"layer{stage}.{k}"
            for number, (channels, pixels) in enumerate(convolutions, 1):
                table |= {f"{name}.{part}{number}": image(channels, pixels) for part in ("conv", "bn")}
            if k == 0 and (deep or stage > 1):
                table |= {f"{name}.downsample.{part}": image(out, size) for part in (0, 1)}
            table |= {f"{name}.add": image(out, size), name: image(out, size)}
    return table | {"avgpool": image(out, 1), "flatten": (out,), "fc": (1000,)}


@pytest.mark.parametrize("depth", RESNET)
def test_shapes_of_resnet(depth):
    assert shapes(build(f"resnet {depth}")) == resnet_shapes(depth)


def cifar_shapes(blocks, residual):
    table = {"conv1": image(16, 32), "bn1": image(16, 32)}
    before = 16, 32
    for stage, (n, size) in {1: (16, 32), 2: (32, 16), 3: (64, 8)}.items():
        for k in range(blocks):
            name = f"layer{stage}.{k}"
            nodes = ["conv1", "bn1", "conv2", "bn2"] + (["add"] if residual else [])
            table |= {f"{name}.{node}": image(n, size) for node in nodes}
            if residual:
                table[name] = image(n, size)
            if residual and k == 0 and stage > 1:
                table |= {f"{name}.subsample": image(before[0], size), f"{name}.pad": image(n, size)}
        before = n, size
    return table | {"avgpool": image(64, 1), "flatten": (64,), "fc": (10,)}


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_shapes_of_residual_networks_for_cifar(depth):
    assert shapes(build(f"cifar {depth}")) == cifar_shapes((depth - 2) // 6, residual=True)


def test_a_plain_network_has_the_convolutions_of_the_residual_one_and_no_more():
    assert shapes(build("plain 56")) == cifar_shapes(9, residual=False)
    assert build("plain 56").graph.parameters.keys() == build("cifar 56").graph.parameters.keys()


def test_networks_start_as_their_papers_say():
    grouped = zoo.alexnet(grouped=True, n_classes=10, width=1 / 8)
    p = grouped.parameters
    assert {name: set(p[f"{name}/b"].tolist()) for name in grouped.layers if f"{name}/b" in p} == {
        "conv1": {0.0}, "conv2": {1.0}, "conv3": {0.0}, "conv4": {1.0}, "conv5": {1.0},
        "fc6": {1.0}, "fc7": {1.0}, "fc8": {0.0},
    }  # fmt: skip
    assert p["fc6/W"].std() == pytest.approx(0.01 * 8**0.5, rel=0.02)  # 0.01 at full width
    W = zoo.resnet(18, n_classes=10, width=1 / 2).parameters["layer4.0.conv1/W"]  # 128 to 256 channels
    assert W.std() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.02)


def test_a_width_multiplies_every_hidden_layer_and_keeps_groups_whole():
    net = zoo.alexnet(grouped=True, n_classes=7, width=1 / 1000)
    assert [shape[0] for shape in shapes(net).values()] == [2] * 9 + [2] + [72] * 2 + [4] * 3 + [7]


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (zoo.resnet, {"depth": 20}, "18, 34, 50, 101 or 152"),
        (zoo.vgg, {"depth": 12}, "11, 13, 16 or 19"),
        (zoo.cifar_resnet, {"depth": 21}, "6 n \\+ 2"),
        (zoo.cifar_resnet, {"shortcut": "B"}, "'A' or None"),
        (zoo.lenet, {"width": 0}, "1 for the paper's network"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(make, options, said):
    with pytest.raises(fnn.SettingError, match=said):
        make(**options)


def test_building_copies_a_parameter_twice_at_most():
    """Not once a layer: ResNet-152 took 14 s so."""
    net, places = fnn.Network(8), set()
    for k in range(64):
        net.output = net.apply(str(k), fnn.Dense(8), net.output if k else net.input)
        places.add(net.theta.ctypes.data)
    assert len(places) <= 7
    again = fnn.Network(8, [fnn.Dense(8) for _ in range(64)])
    assert (again.theta == net.theta).all()
