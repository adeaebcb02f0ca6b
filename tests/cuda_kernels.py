"""What is compiled for GPUs without one, and what its kernels take: for test_cuda_compile.py and test_cuda_table.py.

    python tests/cuda_kernels.py        writes cuda_table.json anew (about six minutes of one core, shared among all)

Everything comes from where production has it: bodies from the registry, products and sums from the lowering of plans, tapes from whole networks.
"""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import fastnn as fnn
from fastnn.cuda import kernel_text
from fastnn.cuda.compiler import BLOCKS, module_of
from fastnn.cuda.lower import stages_of
from fastnn.cuda.program import Program, kinds_of
from fastnn.cuda.resources import Resources, resources
from fastnn.cuda.storage import STORAGE_BYTES
from fastnn.cuda.tape import ADVANCE, tape_text
from fastnn.cuda.tile import REAL, THREADS
from fastnn.cuda.unit import StageText, launch_text
from fastnn.ops import LossOp, data
from fastnn.ops.update import update_kernel
from fastnn.plan import build_plan
from fastnn.registry import registry
from fastnn.testing.ptx import GENERATIONS, kernels_of

TABLE = Path(__file__).parent / "cuda_table.json"
COMPILERS = ("numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink")


@dataclass(frozen=True)
class Case:
    """A kernel to compile: `dtype` of the network, `sums`: whether it adds up losses, which are summed in float64 always."""

    name: str
    text: str
    dtype: str
    arguments: int = 2
    sums: bool = False
    cooperative: bool = False


@dataclass(frozen=True)
class Made:
    """What became of a case for one compute capability."""

    code: bytes
    entry: str
    cooperative: bool
    ptx: str
    taken: Resources


def made(case: Case) -> dict[tuple[int, int], Made]:
    """By compute capability. As production compiles, but never from the cache folder, which might hide that it no longer can."""
    key = case.text, case.arguments
    if key not in _kept:
        _kept[key] = _made(key)
    return _kept[key]


def make_all() -> None:
    """All kernels, by as many processes as there are cores: a minute of compiling each."""
    keys = list(dict.fromkeys((case.text, case.arguments) for case in cases()))
    missing = [key for key in keys if key not in _kept]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        _kept.update(zip(missing, pool.map(_made, missing, chunksize=4), strict=True))


_kept: dict[tuple[str, int], dict[tuple[int, int], Made]] = {}


def _made(key: tuple[str, int]) -> dict[tuple[int, int], Made]:
    """Types are inferred once for all generations: two thirds of the time of compiling are Python's."""
    from fastnn.cuda.numba_cuda import compiled

    text, arguments = key
    function = module_of(text, "case").kernel
    found = {}
    for cc in GENERATIONS:
        one = compiled(function, arguments, cc, launch_bounds=(THREADS, BLOCKS))
        found[cc] = Made(one.code, one.entry, one.cooperative, one.ptx, resources(one.code)[one.entry])
    return found


@cache
def cases() -> tuple[Case, ...]:
    """All of them, under names that tell them apart."""
    return (*_bodies(), *_forms(), *_convolutions(), *_tapes())


# ---- loops over a body
def _bodies() -> Iterator[Case]:
    """Every body of everything registered, and those that move data; where one adds to its result, the variant that overwrites too."""
    named = [
        (f"{kind} {entry.name}", kernel)
        for kind in ("activation", "loss", "optimizer", "op")
        for entry in registry.entries(kind)
        if not hasattr(entry.object, "needs")  # a solver is no kernel: it asks the objective
        for kernel in kernels_of(entry.object)
    ]
    moving = (data.GATHER_ROWS, data.GATHER_NUMBERS, data.GATHER_CLASSES, data.ZERO)
    named += [("data", kernel) for kernel in moving]
    for dtype, (owner, kernel) in product(("float32", "float64"), named):
        for adds in (True, False) if kernel.accumulates else (True,):
            variant = "" if adds else ", overwrites"
            yield Case(f"{dtype} {owner}: {kernel.name}{variant}", kernel_text(kernel, dtype, adds), dtype)


# ---- products, sums and what follows
PRECISIONS = (("float32", "float32"), ("float64", "float32"), ("float32", "tf32"), ("float32", "bf16"))
SIDES = {"large": 128, "medium": 64, "small": 16}
"""Of matrices that get this tile."""
ONE, FOUR = replace(REAL, enough=1, least_depth=1), replace(REAL, enough=4, least_depth=1)
MANY = replace(REAL, enough=512, least_depth=1)
"""A product is one tile each; with FOUR, its sum is split, with MANY, those of channels too."""


def _forms() -> Iterator[Case]:
    found: dict[str, Case] = {}
    for (dtype, precision), side in product(PRECISIONS, SIDES.values()):
        plan = _plan(_chain(side, dtype), side)
        for stage in (*stages_of(plan, ONE, precision), *stages_of(plan, FOUR, precision)):
            if _is_form(stage.text, precision):
                case = _formed(stage.text, dtype, precision)
                assert found.setdefault(case.name, case) == case, f"two kernels are called {case.name!r}"
    check = StageText("forms.check(real)", None, result=2, result_type="np.int64")
    for dtype in ("float32", "float64"):
        found[name] = Case(name := f"{dtype} finite", launch_text(check, dtype), dtype)
    found["advance"] = Case("advance", ADVANCE, "float32")
    yield from found.values()


def _is_form(text: StageText, precision: str) -> bool:
    """Not every combination, or this takes twice as long: a product with something behind it holds all of the product alone, and tensor cores read any order of strides by the same code."""
    if not text.form.startswith("forms.product"):
        return bool(text.form) and precision == "float32"
    if precision == "float32":
        return bool(text.tails) or "True, {then}" in text.form
    return "False, False, True, {then}" in text.form or any(
        part.kernel.name == "update.adam" for part in text.tails
    )


def _formed(text: StageText, dtype: str, precision: str) -> Case:
    form, _, inside = text.form.removeprefix("forms.").partition("(")
    words = [form]
    if form == "convolution":
        _, tile, _, A_side, B_side, split, _ = (word.strip('"') for word in inside.split(", "))
        words = [f"{form} {tile}", f"A {A_side}", B_side, *["split"] * (split == "True")]
    if form == "product":
        _, tile, _, A_along_k, B_along_k, split, _ = inside.split(", ")
        words[0] += f" {tile.strip(chr(34))}"
        words += [
            f"{side} along k" for side, along in (("A", A_along_k), ("B", B_along_k)) if along == "True"
        ]
        words += ["split"] * (split == "True")
    elif form in ("column_sums", "channel_sums"):
        words += ["split"] * ("True" in inside)
    behind = "".join(
        f" + {part.kernel.name}{'' if part.accumulate else ' overwrites'}" for part in text.tails
    )
    name = f"{dtype if precision == 'float32' else precision} {', '.join(words)}{behind}"
    return Case(name, launch_text(text, dtype), dtype, sums=form == "collect")


CONVOLUTIONS = {
    "float32 convolution large, A along, image across + activate.forward overwrites",
    "float32 convolution large, A steps, image across",
    "float32 convolution large, A steps, image along, split",
    "float32 convolution medium, A across, points across + activate.backward overwrites",
    "float32 convolution medium, A steps, image along + update.adam overwrites",
    "float32 convolution low, A along, image across + activate.forward overwrites",
    "float32 convolution small, A steps, image along, split",
    "float64 convolution medium, A steps, image across",
    "tf32 convolution large, A along, image across + activate.forward overwrites",
    "bf16 convolution large, A steps, image along, split",
    "float32 channel_sums + update.adam overwrites",
    "float32 channel_sums, split",
    "float32 plane_moments",
    "float32 plane_sums",
}
"""Those that are compiled, of all: each way to load, each tile, whole and split; in the simulator all run (tests/cuda/test_convolution.py)."""


def _convolutions() -> Iterator[Case]:
    found: dict[str, Case] = {}
    for (dtype, precision), side in product(PRECISIONS, SIDES.values()):
        plan = _plan(_images(side, dtype), 2)
        for stage in (one for cut in (ONE, FOUR, MANY) for one in stages_of(plan, cut, precision)):
            if stage.text.form.startswith(("forms.convolution", "forms.channel", "forms.plane")):
                case = _formed(stage.text, dtype, precision)
                if case.name in CONVOLUTIONS:
                    assert found.setdefault(case.name, case) == case, f"two kernels are called {case.name!r}"
    assert found.keys() == CONVOLUTIONS, CONVOLUTIONS - found.keys()
    yield from found.values()


def _images(side: int, dtype: str) -> fnn.Network:
    """Convolutions with nothing behind them, with an activation and its slope, of a window and of a pixel."""
    layers = [
        fnn.Conv(side, padding=1),
        fnn.BatchNorm(),
        fnn.Conv(side, padding=1, activation="tanh"),
        fnn.Conv(side, 1),
    ]
    return fnn.Network(
        (side, 12, 12), [*layers, fnn.layers.GlobalAveragePool(), fnn.layers.Flatten()], seed=0, dtype=dtype
    )


def _chain(side: int, dtype: str) -> fnn.Network:
    """Products with nothing behind them, with an activation, and with its slope."""
    layers = [fnn.Dense(side), fnn.Dense(side, "tanh"), fnn.Dense(side), fnn.Dense(side)]
    return fnn.Network(side, layers, seed=0, dtype=dtype)


def _plan(net: fnn.Network, batch: int, rule: str | None = "adam", loss: str = "cross_entropy"):
    update = None
    if rule is not None:
        kernel = update_kernel(registry.get("optimizer", rule))
        update = (kernel, dict.fromkeys(kernel.reals, 0.5))
    of = registry.get("loss", loss)
    op = LossOp(of, "row" if of.index is None else "index")
    options = {"loss": op, "training": True, "gather": True, "update": update, "team": False}
    return build_plan(net.graph, batch, net.dtype, "gradient", **options)


# ---- whole tapes
def _joined(dtype: str) -> fnn.Network:
    """Several readers of a node, added and concatenated."""
    net = fnn.Network(6, seed=0, dtype=dtype)
    h = net.apply("h", fnn.Dense(6, "gelu"), net.input)
    both = net.apply("both", fnn.Add(), h, net.input)
    joined = net.apply("joined", fnn.Concatenate(), both, h)
    net.output = net.apply("out", fnn.Dense(3), joined)
    return net


def _small(dtype: str) -> fnn.Network:
    return fnn.Network(2, [fnn.Dense(8, "tanh"), fnn.Dense(2)], seed=0, dtype=dtype)


def _digits(dtype: str) -> fnn.Network:
    return fnn.Network(784, [fnn.Dense(128, "relu"), fnn.Dropout(0.2), fnn.Dense(10)], seed=0, dtype=dtype)


def _convolved(dtype: str) -> fnn.Network:
    """All three products of a convolution, and its biases."""
    layers = [fnn.Conv(4, padding=1), fnn.Conv(3, 8), fnn.layers.Flatten()]
    return fnn.Network((1, 8, 8), layers, seed=0, dtype=dtype)


WAYS = {"in shared memory": (True, True), "one block": (False, True), "grid": (False, False)}
"""How a tape runs: resident, one_block."""
TAPES = (
    ("2-8-2 gd", _small, "float32", 32, 100, "gd", ("in shared memory", "grid")),
    ("784-128-10 dropout adam", _digits, "float32", 64, 1000, "adam", ("one block", "grid")),
    ("784-128-10 dropout adam", _digits, "float64", 64, 1000, "adam", ("grid",)),
    ("2-8-2 gd", _small, "float64", 32, 100, "gd", ("in shared memory",)),
    ("1x8x8-4-3 convolution gd", _convolved, "float32", 16, 50, "gd", ("grid",)),
    ("joined rmsprop squared_error", _joined, "float32", 16, 50, "rmsprop", ("in shared memory",)),
)
"""Name, network, dtype, batch, samples (the last batch is smaller), rule, ways."""


def _tapes() -> Iterator[Case]:
    for name, network, dtype, batch, samples, rule, ways in TAPES:
        net = network(dtype)
        loss = "squared_error" if "squared_error" in name else "cross_entropy"
        rows = (batch, samples % batch)
        kinds = kinds_of([Program(_plan(net, n, rule, loss), REAL, "float32") for n in rows])
        for way in ways:
            resident, one_block = WAYS[way]
            text = tape_text(kinds, dtype, resident, one_block)
            yield Case(f"{dtype} tape {name}, {way}", text, dtype, 1, True, not one_block)


# ---- the table
def figures() -> dict[str, dict[str, list[int]]]:
    """Registers a thread, stack bytes a thread and static shared bytes a block, by kernel and compute capability."""
    make_all()
    return {
        case.name: {
            f"sm_{cc[0]}{cc[1]}": [one.taken.registers, one.taken.stack_bytes, one.taken.shared_bytes]
            for cc, one in made(case).items()
        }
        for case in cases()
    }


def compilers() -> dict[str, str]:
    """What the figures may depend on beside the kernels."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python} | {name: version(name) for name in COMPILERS}


def written(of: dict[str, dict[str, list[int]]]) -> str:
    """The table's text, a line for each kernel."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(of[name])}" for name in sorted(of))
    head = f'"compilers": {json.dumps(compilers())},\n"columns": ["registers", "stack bytes", "shared bytes"]'
    return f'{{\n{head},\n"kernels": {{\n{lines}\n}}\n}}\n'


if __name__ == "__main__":
    TABLE.write_text(written(figures()))
    stacks = Counter(
        f"sm_{cc[0]}{cc[1]}" for case in cases() for cc, one in made(case).items() if one.taken.stack_bytes
    )
    print(
        f"{TABLE.name}: {len(cases())} kernels; with a stack: {dict(stacks)}; shared storage {STORAGE_BYTES} bytes"
    )
