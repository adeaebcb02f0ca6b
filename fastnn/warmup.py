"""warmup: everything that is registered is compiled ahead, by building the plans of small networks that use it all.

A kernel comes in variants, by what a plan knows of its operands: in place or not, the first to write a gradient or one that adds to it. The network
of `_everywhere` has an activation in all of these places; tests/test_warmup.py draws random networks and finds nothing left to compile.

For a GPU plans are cut into stages, and every stage is compiled as the kernel that is launched by itself: with each tile that a product may get, and
with its sum in one piece and in parts. A tape is one kernel for a whole network, which cannot be known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from fastnn.compile import listeners
from fastnn.contracts import Rule
from fastnn.cpu.ask import ask_unit
from fastnn.cpu.program import Program
from fastnn.cpu.runner import runner
from fastnn.cpu.team import team_unit
from fastnn.errors import CapabilityError, MissingExtraError, SettingError
from fastnn.network import Network
from fastnn.ops import LossOp
from fastnn.ops.loss import link_kernel
from fastnn.ops.update import update_kernel
from fastnn.plan import Plan, build_plan
from fastnn.registry import registry

__all__ = ["require_capabilities", "warmup", "warmup_cuda"]

N = 3
"""Features of everything, and rows of a batch: code does not depend on sizes."""
ROWS = 16
"""Rows of a batch for a GPU: enough for sums over rows in parts."""


def warmup(dtypes: Iterable[str] = ("float32",), progress: Callable[[str, float], None] | None = None) -> int:
    """Compile what training and asking need for every registered activation, loss and rule and the built-in layers; how many units were compiled.

    What is compiled already is left alone. `progress(name, seconds)` is called after each unit. Activations and losses are compiled with their
    default settings: other settings are other code. (The settings of rules are not: they travel with the instruction.)
    """
    with _counted(progress) as compiled:
        runner()
        team_unit().load()
        for dtype in dtypes:
            ask_unit(dtype).load()
            for plan in _plans(dtype, N, team=True):
                Program(plan)
    return len(compiled)


def warmup_cuda(
    ccs: Iterable[tuple[int, int]],
    dtypes: Iterable[str] = ("float32",),
    progress: Callable[[str, float], None] | None = None,
) -> int:
    """Compile, without a GPU, the kernels that GPUs of these compute capabilities, as (9, 0), launch one by one; how many were compiled.

    Large networks whose layers follow one another run by them. What a graph with several branches puts together in another way, products on tensor
    cores, and small and medium networks, each of which is one kernel as a whole, are compiled at their first use. Settings are as in `warmup`.
    MissingExtraError and SettingError are those of `require_capabilities`.
    """
    from fastnn.cuda.compiler import image

    ccs = tuple(ccs)
    require_capabilities(ccs)
    with _counted(progress) as compiled:
        for dtype in dtypes:
            kernels = cuda_kernels(dtype)
            for cc in ccs:
                for text, name in kernels:
                    image(text, cc, name)
    return len(compiled)


def require_capabilities(ccs: Iterable[tuple[int, int]]) -> None:
    """MissingExtraError where numba-cuda is not installed, SettingError for a compute capability that its compiler makes no code for."""
    from fastnn.cuda.compiler import missing

    lacking = missing()
    if lacking is not None:
        raise MissingExtraError(
            f"nothing can be compiled for CUDA: {lacking}", hint='pip install "fastnn[cuda]"'
        )
    from fastnn.cuda.numba_cuda import capabilities

    known = capabilities()
    for major, minor in ccs:
        if (major, minor) not in known:
            raise SettingError(
                "the installed compiler makes no code for this compute capability",
                got=f"{major}{minor}",
                expected=", ".join(f"{a}{b}" for a, b in known),
            )


def cuda_kernels(dtype: str) -> list[tuple[str, str]]:
    """Text and name of the kernels that a GPU launches one by one. Two rules may have one text: a file is found by both."""
    from fastnn.cuda.lower import stages_of
    from fastnn.cuda.tape import ADVANCE
    from fastnn.cuda.tile import LARGE, REAL, THREADS, Geometry
    from fastnn.cuda.unit import check_text, launch_text

    tiles = [tile for tile in REAL.tiles if dtype == "float32" or tile is not LARGE]
    whole_and_split = [Geometry(THREADS, (tile,), enough, 1, (tile,)) for tile in tiles for enough in (1, 2)]
    finite = check_text()  # CudaMachine.finite
    kernels = [(ADVANCE, "advance"), (launch_text(finite, dtype), "check")]
    for plan in _plans(dtype, ROWS, team=False):
        for geometry in whole_and_split:
            stages = stages_of(plan, geometry)
            kernels += [(launch_text(stage.text, dtype), stage.text.name) for stage in stages]
    return list(dict.fromkeys(kernels))


@contextmanager
def _counted(progress: Callable[[str, float], None] | None) -> Iterator[list[str]]:
    """Names of the units that are compiled meanwhile."""
    compiled: list[str] = []

    def heard(name: str, seconds: float | None) -> None:
        if seconds is not None:
            compiled.append(name)
            if progress is not None:
                progress(name, seconds)

    listeners.append(heard)
    try:
        yield compiled
    finally:
        listeners.remove(heard)


def _plans(dtype: str, rows: int, team: bool) -> Iterator[Plan]:
    build = partial(build_plan, team=team)
    squared_error = LossOp(registry.get("loss", "squared_error"), "row")
    dense = Network(N, [_layer("dense", n_out=N)], dtype=dtype)
    yield from _modes(build, rows, _layers(dtype), squared_error)
    for activation in registry.names("activation"):
        for net in [_everywhere(dtype, activation)] if team else _chains(dtype, activation):
            yield from _modes(build, rows, net, squared_error)
    for loss in (registry.get("loss", name) for name in registry.names("loss")):
        for kind in ("index", "row"):
            if getattr(loss, kind) is not None:
                yield from _modes(build, rows, dense, LossOp(loss, kind))
        yield build(dense.graph, rows, dtype, link=link_kernel(loss))
    for rule in (registry.get("optimizer", name) for name in registry.names("optimizer")):
        if isinstance(rule, Rule):
            kernel = update_kernel(rule)
            update = (kernel, dict.fromkeys(kernel.reals, 0.0))
            yield build(dense.graph, rows, dtype, "gradient", loss=squared_error, gather=True, update=update)


def _modes(build: Callable[..., Plan], rows: int, net: Network, loss: LossOp) -> Iterator[Plan]:
    """Asking, evaluating and training, with weights and without; the objective's passes, as far as they exist."""
    yield build(net.graph, rows, net.dtype)
    yield build(net.graph, rows, net.dtype, "value", loss=loss)
    for training in (True, False):
        options: dict[str, Any] = {"training": training, "gather": training, "weighted": training}
        yield build(net.graph, rows, net.dtype, "gradient", loss=loss, **options)
    with suppress(CapabilityError):
        yield build(net.graph, rows, net.dtype, "hvp", loss=loss)


def _layers(dtype: str) -> Network:
    """The built-in layers, joined: what an activation's network lacks."""
    dense, dropout = _layer("dense", n_out=N), _layer("dropout", rate=0.5)
    net = Network((1, N), dtype=dtype)
    x = net.apply("x", "flatten", net.input)
    h = net.apply("h", dense, net.apply("input's", dropout, x))
    adds = net.apply("adds", dropout, h)
    joined = net.apply("joined", "concatenate", adds, h, x)
    a = net.apply("a", dense, joined)
    before = net.apply("before", dense, a)
    writes = net.apply("writes", dropout, a)  # backward: writes first, `before` adds
    both = net.apply("both", "add", writes, before, x, h)
    net.output = net.apply("in place", dropout, net.apply("alone", dense, both))
    return net


def _everywhere(dtype: str, activation: str) -> Network:
    """The activation of the input, of nodes that others read before and after it, in place, and of the output."""
    act, dense = _layer("activation", activation=activation), _layer("dense", n_out=N)
    net = Network(N, dtype=dtype)
    a = net.apply("input's", act, net.input)
    h = net.apply("h", dense, a)
    before = net.apply("before", dense, h)
    adds = net.apply("adds", act, h)  # backward: writes first, `before` adds
    alone = net.apply("in place", act, before)
    both = net.apply("both", "add", adds, alone)
    writes = net.apply("writes", act, both)
    after = net.apply("after", dense, both)  # backward: writes first, the activation adds
    net.output = net.apply("output's", act, net.apply("sum", "add", writes, after, h))
    return net


def _chains(dtype: str, activation: str) -> Iterator[Network]:
    """Layers one after the other, with dropout between them and without: a GPU's stages are made of neighbours, which a graph can have in too many ways."""
    for between in ([], [_layer("dropout", rate=0.5)]):
        dense = _layer("dense", n_out=N, activation=activation)
        yield Network(N, [dense, *between, dense, *between, _layer("dense", n_out=N)], dtype=dtype)


def _layer(name: str, **settings: Any) -> Any:
    return registry.get("layer", name, **settings)
