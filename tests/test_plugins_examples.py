"""The examples in the docstrings of the plugins, the contracts and the registry run and tell the truth."""

import doctest
import importlib
import pkgutil

import fastnn.plugins
import pytest

MODULES = [f"fastnn.plugins.{module.name}" for module in pkgutil.iter_modules(fastnn.plugins.__path__)]
NO_EXAMPLE = ("fastnn.plugins.ops", "fastnn.plugins.dropout")
CONTRACTS = ("part", "activation", "rule", "schedule", "initializer", "classes")
MODULES += [f"fastnn.contracts.{name}" for name in CONTRACTS]
MODULES += ["fastnn.errors", "fastnn.registry", "fastnn.namespaces"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert failed == 0
    assert attempted > 0 or name in NO_EXAMPLE
