"""The ONNX standard's own test suite: node, simple, PyTorch's models, the light zoo, and what trains.

`python -m fastnn.onnx.conformance` prints the same as a table.
"""

import functools

import pytest

from fastnn.errors import FastnnError
from fastnn.onnx import backend
from fastnn.onnx.conformance import CONSTANT, OPERATORS, cases, run_case
from fastnn.onnx.randomised import against_onnxruntime, randomised

pytest.importorskip("onnx")

REFUSED = {
    "test_identity_opt": "is of type optional",
    "test_identity_sequence": "is of type sequence",
    "test_training_dropout": "its mask is random",
    "test_training_dropout_default": "its mask is random",
    "test_training_dropout_default_mask": "its mask is random",
    "test_training_dropout_mask": "its mask is random",
}
"""Cases that do not pass, and what they are told."""


@functools.cache
def chosen(*kinds):
    return [case for case in cases() if case.kind in kinds]


def outcome(case):
    """Nothing for a case that passes, else what went wrong."""
    try:
        run_case(case)
    except (FastnnError, AssertionError) as error:
        return str(error).strip().splitlines()[0]
    return ""


def not_passed(*kinds):
    return {case.name: what for case in chosen(*kinds) if (what := outcome(case))}


def test_node_cases_pass_but_for_random_masks_and_what_is_no_tensor():
    failed = not_passed("node", "simple")
    assert failed.keys() == REFUSED.keys(), failed
    assert all(REFUSED[name] in what for name, what in failed.items()), failed


def test_models_that_pytorch_wrote_for_opset_6_pass():
    assert not not_passed("pytorch-converted", "pytorch-operator")


def test_losses_and_optimizers_pass():
    plain = [case for case in chosen("training") if not case.name.endswith("_expanded")]
    assert len(plain) >= 59
    assert not not_passed("training")


def test_the_light_models_pass():
    """All but two of the nine, which have a hundred million weights and AlexNet's operators; the command runs them too."""
    assert len(chosen("real")) == 9
    large = {"test_vgg19", "test_zfnet512"}
    assert not {
        case.name: what for case in chosen("real") if case.name not in large and (what := outcome(case))
    }


@pytest.mark.parametrize("name", ["bvlc_alexnet", "inception_v1", "resnet50", "squeezenet"])
def test_light_models_with_random_weights_agree_with_onnxruntime(name):
    """AlexNet, GoogLeNet and ResNet-50; the command with --random takes VGG-19 and the others too."""
    pytest.importorskip("onnxruntime")
    (case,) = [case for case in chosen("real") if case.name == f"test_{name}"]
    assert against_onnxruntime(randomised(case.model())) < 1e-5


def test_at_least_240_cases_name_only_the_operators_of_the_library():
    every = chosen("node", "simple", "pytorch-converted", "pytorch-operator", "real")
    strict = [case for case in every if case.operators <= OPERATORS]
    assert len(strict) - len(REFUSED) >= 240
    assert {case.name for case in every} - {case.name for case in strict} <= {
        case.name for case in every if case.operators & CONSTANT
    }


@pytest.mark.parametrize(
    "pattern", ["test_relu_cpu", "test_gemm_all_attributes_cpu", "test_sce_mean_weight_cpu"]
)
def test_the_standards_runner_runs_the_backend_class(pattern):
    import unittest
    import warnings

    from onnx.backend.test import BackendTest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = BackendTest(backend(), __name__)
    tests.include(pattern)
    result = unittest.TestResult()
    tests.test_suite.run(result)
    ran = result.testsRun - len(result.skipped)
    assert ran >= 1 and not result.errors and not result.failures, result.errors + result.failures
