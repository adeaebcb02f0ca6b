"""The standard's own test suite (onnx.backend.test) on fastnn: `python -m fastnn.onnx.conformance`.

Counted are the cases whose models are made of the operators below, and of nodes that make constants, and the training cases. A case passes
where shapes, types and numbers are what the suite expects.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from fastnn.errors import FastnnError, need_extra
from fastnn.onnx.operators import LOSSES, OPTIMIZERS
from fastnn.onnx.randomised import against_onnxruntime, randomised
from fastnn.onnx.running import prepare

__all__ = ["Case", "cases", "run_case"]

_NAMES = """Add AveragePool BatchNormalization Clip Concat Conv Dropout Elu Flatten Gelu Gemm GlobalAveragePool GlobalMaxPool Identity LRN
    LeakyRelu LogSoftmax MatMul MaxPool Mul Relu Reshape Selu Sigmoid Softmax Softplus Sum Tanh"""
OPERATORS = frozenset(_NAMES.split())
CONSTANT = frozenset({"Constant", "ConstantOfShape", "Shape", "Transpose", "Unsqueeze"})
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")


@dataclass(frozen=True)
class Case:
    """One case: `kind` of the suite, or "training"; `model` and pairs of (inputs, outputs)."""

    kind: str
    name: str
    operators: frozenset[str]
    test: Any

    def model(self) -> Any:
        if self.test.model is not None:
            return self.test.model
        return need_extra("onnx", "onnx").load(str(self.folder / self.file))

    @property
    def folder(self) -> Path:
        """Where the files of the case lie."""
        if self.test.model_dir is not None:
            return Path(self.test.model_dir)
        return Path(str(need_extra("onnx", "onnx").__file__)).parents[1] / Path(self.test.url).parent

    @property
    def file(self) -> str:
        return "model.onnx" if self.test.model_dir is not None else Path(self.test.url).name

    def data(self) -> Iterator[tuple[list[Any], list[Any]]]:
        helper = need_extra("onnx.numpy_helper", "onnx")
        proto = need_extra("onnx", "onnx").TensorProto
        if self.test.data_sets is not None:
            yield from ((list(i), list(o)) for i, o in self.test.data_sets)
        elif self.test.model_dir is None:  # the light models: ramps in, one recorded output
            inputs = [_ramp(value) for value in _inputs(self.model())]
            recorded = (self.folder / self.file.replace(".onnx", "_output_0.pb")).read_bytes()
            yield inputs, [helper.to_array(proto.FromString(recorded))]
        else:
            for folder in sorted(self.folder.glob("test_data_set_*")):
                read = [
                    [helper.to_array(proto.FromString((folder / f"{side}_{k}.pb").read_bytes())) for k in range(len(list(folder.glob(f"{side}_*.pb"))))]
                    for side in ("input", "output")
                ]  # fmt: skip
                yield read[0], read[1]


def _inputs(model: Any) -> list[Any]:
    known = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in known]


def _ramp(value: Any) -> Any:
    shape = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    n = int(np.prod(shape))
    return (np.arange(n).reshape(shape) / n).astype(np.float32)


def cases(kinds: Sequence[str] = KINDS) -> list[Case]:
    """Every case of the suite that this package is held to, of these kinds."""
    loader = need_extra("onnx.backend.test.loader", "onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite divides by zero on purpose while it makes its data
        tests = [(kind, test) for kind in kinds for test in loader.load_model_tests(kind=kind)]
    found = []
    for kind, test in tests:
        case = Case(kind, test.name, frozenset(), test)
        operators = frozenset(node.op_type for node in case.model().graph.node)
        training = operators & (LOSSES | OPTIMIZERS)
        if training or (operators - CONSTANT and operators - CONSTANT <= OPERATORS):
            found.append(Case("training" if training else kind, test.name, operators, test))
    return found


def run_case(case: Case) -> None:
    """Raise where a case does not pass: FastnnError for what is refused, AssertionError for other shapes, types or numbers."""
    prepared = prepare(case.model())
    for inputs, expected in case.data():
        made = prepared.run(inputs)
        assert len(made) == len(expected), f"{len(made)} outputs, expected {len(expected)}"
        for out, right in zip(made, expected, strict=True):
            assert out.shape == right.shape, f"shape {out.shape}, expected {right.shape}"
            assert out.dtype == right.dtype, f"type {out.dtype}, expected {right.dtype}"
            np.testing.assert_allclose(out, right, rtol=case.test.rtol, atol=case.test.atol)


def _random(console: Console, match: str) -> None:
    table = Table(title="light models with random weights: fastnn against onnxruntime", title_justify="left")
    for name in ("model", "weights", "largest difference over largest output"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for case in cases(("real",)):
        if match in case.name:
            proto = randomised(case.model())
            weights = sum(int(np.prod(t.dims)) for t in proto.graph.initializer if t.data_type == t.FLOAT)
            table.add_row(
                case.name.removeprefix("test_"), f"{weights:,}", f"{against_onnxruntime(proto):.1e}"
            )
    console.print(table)


@click.command(help=(__doc__ or "").partition("\n\n")[0])
@click.option("--kind", multiple=True, help="Only cases of this kind: " + ", ".join((*KINDS, "training")))
@click.option("--match", default="", help="Only cases with this in their name.")
@click.option(
    "--random",
    is_flag=True,
    help="The light models with random weights, against onnxruntime, in place of the suite.",
)
def main(kind: tuple[str, ...], match: str, random: bool) -> None:
    console = Console()
    if random:
        _random(console, match)
        return
    console.print(f"onnx {need_extra('onnx', 'onnx').__version__}", highlight=False)
    chosen = [case for case in cases() if (not kind or case.kind in kind) and match in case.name]
    counts: dict[str, list[float]] = {}
    for case in chosen:
        row = counts.setdefault(case.kind, [0, 0, 0.0])
        start = time.perf_counter()
        try:
            run_case(case)
            row[0] += 1
        except FastnnError as error:
            console.print(f"refused  {case.name}: {error.what}", highlight=False, soft_wrap=True)
        except Exception as error:  # noqa: BLE001  (what fails is counted)
            word = str(error).strip().splitlines()[0] if str(error).strip() else ""
            console.print(f"failed   {case.name}: {type(error).__name__} {word}", highlight=False, soft_wrap=True)  # fmt: skip
        row[1] += 1
        row[2] += time.perf_counter() - start
    table = Table(title="onnx.backend.test", title_justify="left")
    for name in ("kind", "passed", "of", "seconds"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for name, (passed, total, seconds) in counts.items():
        table.add_row(name, str(passed), str(total), f"{seconds:.1f}")
    table.add_section()
    table.add_row("all", *(str(sum(row[k] for row in counts.values())) for k in (0, 1)), f"{sum(row[2] for row in counts.values()):.1f}")  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
